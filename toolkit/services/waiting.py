"""Waiting for something that is not ready yet, with a bound and an explanation."""

import time
from collections.abc import Callable
from typing import TypeVar

from toolkit.errors import ServiceNotReady

T = TypeVar("T")

FIRST_PAUSE = 0.004
LONGEST_PAUSE = 0.25


class NotYet(Exception):
    """The thing is not ready: the probe's way to say "ask again"; says in which state it is."""


def wait_until(
    probe: Callable[[], T],
    *,
    timeout: float,
    what: str,
    hint: str | None = None,
    ended: Callable[[], str | None] = lambda: None,
) -> T:
    """Ask until a probe answers, with growing pauses; return its answer.

    Args:
        probe: returns when ready; raises :class:`NotYet` or :class:`OSError` while not.
        timeout: seconds.
        what: what is awaited, for the message.
        hint: what to try when it does not come.
        ended: returns why waiting is pointless (the process exited), else None.

    Raises:
        ServiceNotReady: it did not come in time; says what was awaited, how long, and the last state.
    """
    begun = time.monotonic()
    pause = FIRST_PAUSE
    while True:
        try:
            return probe()
        except (NotYet, OSError) as error:
            state = str(error) or type(error).__name__
        waited = time.monotonic() - begun
        reason = ended()
        if reason is not None:
            raise ServiceNotReady(f"{what}: {reason} after {waited:.1f} s; last state: {state}", hint=hint)
        if waited >= timeout:
            raise ServiceNotReady(f"{what}: not ready after {waited:.1f} s; last state: {state}", hint=hint)
        time.sleep(min(pause, max(0.0, timeout - waited)))
        pause = min(pause * 1.5, LONGEST_PAUSE)
