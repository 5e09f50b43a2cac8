"""A test as the scheduler sees it: what it needs, how long it takes, how likely it fails."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from toolkit.records import NodeId

UNKNOWN_SECONDS = 0.1
"""Assumed for a test when nothing at all has been measured. Only its relation to others matters."""

UNKNOWN_COST = 0.25
"""Seconds assumed for the set-up of a shared module or class fixture that was never measured."""

NEW_RISK = 0.5
"""Probability to fail given to a test without history; the value that ranks best on public CI histories
(exponentially weighted failure rate with this prior: see ``benchmarks``)."""


class Traits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the collection says about a test; made by the plugin where the tests are collected."""

    test: NodeId
    serial: bool = False
    """Must run while no other test runs."""
    uses: tuple[str, ...] = ()
    """Names of exclusive resources: never two users of one at a time."""
    group: str = ""
    """Name of its ``xdist_group``: all of a group run on one worker, one after the other."""
    affinity: str = ""
    """Tests with the same non-empty value share a set-up (module or class fixtures): better together."""
    isolated: bool = False
    """Runs in a process of its own."""


class Experience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What earlier runs say about a test. Times are seconds, memory is bytes."""

    duration: float
    setup: float = 0.0
    cpu: float | None = None
    memory: int | None = None
    failure_rate: float = 0.0
    """Exponentially weighted, 0 to 1, newest result heaviest."""
    urgency: float | None = None
    """Its number in a forecast that knows all results: higher runs earlier. None: the failure rate orders."""
    runs: int = 1


class Job(msgspec.Struct, frozen=True, kw_only=True, gc=False, weakref=False):
    """A test with everything that decides when and where it runs."""

    test: NodeId
    duration: float
    known: bool = False
    """Whether the duration was measured; otherwise it is the median of its file or of all tests."""
    setup: float = 0.0
    cpu: float | None = None
    memory: int | None = None
    risk: float = 0.0
    """Probability to fail, 0 to 1."""
    urgency: float | None = None
    """Of the likely failures, higher runs earlier; None: by ``risk``."""
    serial: bool = False
    uses: tuple[str, ...] = ()
    group: str = ""
    affinity: str = ""
    isolated: bool = False

    @property
    def file(self) -> str:
        """The file of the test."""
        return self.test.partition("::")[0]


def make_jobs(traits: Iterable[Traits], experience: Mapping[NodeId, Experience]) -> list[Job]:
    """Join what was collected with what was measured.

    A test without measurements takes the median of its file, else of all, and counts as likely to fail
    (:data:`NEW_RISK`) if there is any history at all.
    """
    traits = list(traits)
    everything_known = all(trait.test in experience for trait in traits)
    guess = {} if everything_known else _guesses(traits, experience)
    new_risk = NEW_RISK if experience else 0.0
    return [_job(trait, experience.get(trait.test), guess, new_risk) for trait in traits]


def _job(trait: Traits, seen: Experience | None, guess: Mapping[str, float], new_risk: float) -> Job:
    duration = guess.get(trait.test.partition("::")[0], guess[""]) if seen is None else seen.duration
    return Job(
        test=trait.test,
        duration=max(duration, 0.0),
        known=seen is not None,
        setup=0.0 if seen is None else seen.setup,
        cpu=None if seen is None else seen.cpu,
        memory=None if seen is None else seen.memory,
        risk=new_risk if seen is None else seen.failure_rate,
        urgency=None if seen is None else seen.urgency,
        serial=trait.serial,
        uses=trait.uses,
        group=trait.group,
        affinity=trait.affinity,
        isolated=trait.isolated,
    )


def _guesses(traits: Sequence[Traits], experience: Mapping[NodeId, Experience]) -> dict[str, float]:
    """Median duration per file; under ``""`` that of all."""
    import statistics  # 10 ms: not in every session

    by_file: dict[str, list[float]] = {}
    for trait in traits:
        seen = experience.get(trait.test)
        if seen is not None:
            by_file.setdefault(trait.test.partition("::")[0], []).append(seen.duration)
    everything = [duration for durations in by_file.values() for duration in durations]
    guesses = {file: statistics.median(durations) for file, durations in by_file.items()}
    guesses[""] = statistics.median(everything) if everything else UNKNOWN_SECONDS
    return guesses
