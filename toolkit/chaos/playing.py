"""Playing a scenario: its faults come and go at their times while something else runs."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from toolkit.chaos.experiments import Chaos, Recovery
from toolkit.chaos.files import ChaosScenario, Timed, timeline
from toolkit.services.environment import Endpoint

Mend = Callable[[], Endpoint | None]


@contextlib.contextmanager
def playing(
    chaos: Chaos, scenario: ChaosScenario, *, say: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Play a scenario in the background while a block runs; wait for its end, and until all is well again.

    Raises:
        AssertionError: not steady before, or not again within ``recovers_within``.
        ToolkitError: a fault could not be done or undone; whatever was done is undone.
    """
    __tracebackhide__ = True
    chaos.within = scenario.recovers_within
    chaos.prove_steady("before the scenario")
    player = _Player(chaos, scenario, say)
    player.start()
    try:
        yield
    except BaseException:
        player.end_now()
        raise
    player.wait()


class _Player:
    """Does and undoes faults at their times, in a thread."""

    def __init__(self, chaos: Chaos, scenario: ChaosScenario, say: Callable[[str], None]) -> None:
        self._chaos, self._steps, self._say = chaos, timeline(scenario), say
        self._over = threading.Event()
        self._mends: dict[int, tuple[Timed, float, Mend]] = {}
        self._mended: list[tuple[Timed, float, float, Endpoint | None]] = []
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._play, name="toolkit-chaos")

    def start(self) -> None:
        self._thread.start()

    def _play(self) -> None:
        begun = time.monotonic()
        try:
            for step in self._steps:
                if self._over.wait(max(0.0, begun + step.at - time.monotonic())):
                    break
                if step.begins:
                    self._say(f"{step.at:g} s: {step.fault.action} of {step.fault.service}")
                    mend = self._chaos.begin(step.fault)
                    self._mends[id(step.fault)] = step.fault, time.monotonic(), mend
                else:
                    self._mend(*self._mends.pop(id(step.fault)))
        except BaseException as problem:  # noqa: BLE001 - told by whoever waits
            self._problem = problem
        finally:
            self._mend_all()

    def _mend(self, fault: Timed, begun: float, mend: Mend) -> None:
        ended = time.monotonic()
        self._mended.append((fault, ended - begun, ended, mend()))
        self._say(f"{fault.action} of {fault.service} is undone")

    def _mend_all(self) -> None:
        while self._mends:
            try:
                self._mend(*self._mends.popitem()[1])
            except Exception as problem:  # noqa: BLE001 - the others are undone first
                self._note(problem)

    def _note(self, problem: Exception) -> None:
        if self._problem is None:
            self._problem = problem
        else:
            self._problem.add_note(f"and then: {type(problem).__name__}: {problem}")

    def end_now(self) -> None:
        """Undo everything, and give the servers time to answer again: what failed is told by the caller."""
        self._over.set()
        self._thread.join()
        for fault, _, _, endpoint in self._mended:
            with contextlib.suppress(AssertionError):
                self._chaos.await_answer(fault, endpoint)

    def wait(self) -> None:
        """Wait for the end and until all is well again."""
        __tracebackhide__ = True
        self._thread.join()
        if self._problem is not None:
            raise self._problem
        for fault, lasted, ended, endpoint in self._mended:
            recovery = self._chaos.recover(fault, endpoint, lasted=lasted, begun=ended)
            self._told(recovery)

    def _told(self, recovery: Recovery) -> None:
        answered, recovered = recovery.answered, recovery.recovered
        self._say(f"{recovery.service}: answered after {answered:.2f} s, well after {recovered:.2f} s")
