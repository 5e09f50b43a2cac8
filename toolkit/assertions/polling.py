"""``eventually``: something becomes true within a time; ``stays``: it is true all the time.

A poll, not a sleep in disguise: the first look is at once, it returns at the first success, the pauses grow
from a millisecond, the last look is at the very end, and a failure tells everything that was seen meanwhile.
"""

import inspect
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.1
SHOWN = 5
"""How many different things that were seen a message tells."""
CUT = 300
Refusals = type[BaseException] | tuple[type[BaseException], ...]


class _Watch:
    """Counts looks and remembers what was seen, until the time is over."""

    def __init__(self, within: float, every: float | None) -> None:
        if within < 0 or (every is not None and every <= 0):
            raise ValueError(f"within={within!r}, every={every!r}: expected seconds, every more than 0")
        self._within, self._pause = within, FIRST_PAUSE if every is None else every
        self._grows = every is None
        self._begun = time.monotonic()
        self._seen: dict[str, list[float]] = {}
        self.looks = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    def note(self, what: str) -> None:
        self.looks += 1
        now = self.elapsed
        self._seen.setdefault(what[:CUT], [now, now, 0])
        row = self._seen[what[:CUT]]
        row[1], row[2] = now, row[2] + 1

    def pause(self) -> float | None:
        """Return how long to wait for the next look; None: the time was over before this one."""
        left = self._within - self.elapsed
        if left <= 0:
            return None
        pause = min(self._pause, left)
        if self._grows:
            self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
        return pause

    def told(self) -> str:
        rows = [
            f"  {first:8.3f} s - {last:.3f} s: {what}" + (f" ({count:.0f} times)" if count > 1 else "")
            for what, (first, last, count) in self._seen.items()
        ]
        left_out = len(rows) - SHOWN
        if left_out > 0:
            rows[SHOWN - 1 : -1] = [f"  … {left_out} more …"]
        return "\n".join(rows)


def eventually(
    probe: Callable[[], T],
    *,
    within: float = 5.0,
    every: float | None = None,
    ignoring: Refusals = AssertionError,
    what: str = "",
) -> T:
    """Ask until a probe returns something true; return that.

    Args:
        probe: returns something true when it holds. For one that only asserts: ``eventually_passes``.
        within: seconds. The probe is asked at least once, and once more at the end.
        every: seconds between two looks; None: growing from 1 ms to 100 ms.
        ignoring: exceptions that mean "not yet"; others end the waiting at once.
        what: what is awaited, for the message; empty: the name of the probe.

    Raises:
        AssertionError: it did not hold in time; tells what was seen, from when to when.
    """
    __tracebackhide__ = True
    watch = _Watch(within, every)
    while True:
        try:
            found = probe()
        except _as_tuple(ignoring) as error:
            watch.note(_raised(error))
        else:
            if found:
                return found
            watch.note(f"returned {_short(found)}")
        _wait_or_fail(watch, probe, what)


def eventually_passes(
    check: Callable[[], object],
    *,
    within: float = 5.0,
    every: float | None = None,
    ignoring: Refusals = AssertionError,
    what: str = "",
) -> None:
    """Call a function that asserts until it raises nothing. See :func:`eventually`.

    Raises:
        AssertionError: it never passed in time. The last refusal is the cause.
    """
    __tracebackhide__ = True
    watch = _Watch(within, every)
    while True:
        try:
            check()
        except _as_tuple(ignoring) as error:
            watch.note(_raised(error))
            _wait_or_fail(watch, check, what, cause=error)
        else:
            return


async def eventually_async(
    probe: Callable[[], Any],
    *,
    within: float = 5.0,
    every: float | None = None,
    ignoring: Refusals = AssertionError,
    what: str = "",
) -> Any:
    """Like :func:`eventually` for asynchronous tests: the probe may be a coroutine function (asyncio)."""
    import asyncio

    __tracebackhide__ = True
    watch = _Watch(within, every)
    while True:
        try:
            answer = probe()
            found = await answer if inspect.isawaitable(answer) else answer
        except _as_tuple(ignoring) as error:
            watch.note(_raised(error))
        else:
            if found:
                return found
            watch.note(f"returned {_short(found)}")
        pause = watch.pause()
        if pause is None:
            raise AssertionError(_message(watch, probe, what))
        await asyncio.sleep(pause)


def stays(probe: Callable[[], object], *, during: float, every: float = 0.02, what: str = "") -> None:
    """Ask again and again for some time; fail at the first time that it does not hold.

    Args:
        probe: returns something true while it holds.
        during: seconds.
        every: seconds between two looks: what lasts shorter may be missed.
        what: what shall stay so, for the message.

    Raises:
        AssertionError: when it stopped to hold, and what was seen then.
    """
    __tracebackhide__ = True
    watch = _Watch(during, every)
    while True:
        try:
            found = probe()
            seen = "" if found else f"returned {_short(found)}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it does not hold
            seen = _raised(error)
        if seen:
            name = what or _name(probe)
            held = f"held {watch.looks} times for {watch.elapsed:.3f} s, then: {seen}"
            raise AssertionError(f"{name}: did not stay so for {during:g} s: {held}")
        watch.looks += 1
        pause = watch.pause()
        if pause is None:
            return
        time.sleep(pause)


def _wait_or_fail(
    watch: _Watch, probe: Callable[..., object], what: str, cause: BaseException | None = None
) -> None:
    __tracebackhide__ = True
    pause = watch.pause()
    if pause is None:
        raise AssertionError(_message(watch, probe, what)) from cause
    time.sleep(pause)


def _message(watch: _Watch, probe: Callable[..., object], what: str) -> str:
    heading = f"{what or _name(probe)}: not so within {watch.elapsed:.3f} s, {watch.looks} looks; seen:"
    text = f"{heading}\n{watch.told()}"
    if "returned None" in text:
        text += "\n  A probe that only asserts returns None: use eventually_passes for it."
    return text


def _as_tuple(refusals: Refusals) -> tuple[type[BaseException], ...]:
    return refusals if isinstance(refusals, tuple) else (refusals,)


def _raised(error: BaseException) -> str:
    return f"raised {type(error).__name__}: {_first_lines(str(error))}"


def _first_lines(text: str) -> str:
    return " / ".join(_filled(text.splitlines()))


def _filled(lines: Iterable[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()][:3]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= CUT else f"{text[:CUT]}…"


def _name(probe: Callable[..., object]) -> str:
    """Return the source of a lambda where it can be had, else the name of the function."""
    name = getattr(probe, "__qualname__", None) or repr(probe)
    if name.endswith("<lambda>"):
        try:
            return inspect.getsource(probe).strip()[:CUT]
        except (OSError, TypeError):
            return "the probe"
    return str(name).rpartition("<locals>.")[2]
