"""What the history answers with. Times are Unix seconds, durations seconds, memory bytes."""

from collections.abc import Iterator
from typing import TypedDict

import msgspec

from toolkit.history.letters import OUTCOMES
from toolkit.records import Attempt, Evidence, Failure, NodeId, Outcome


class Chosen(TypedDict, total=False):
    """Which runs are meant: all whose value is the given one; None: any."""

    run: str | None
    origin: str | None
    build: str | None
    project: str | None
    profile: str | None
    python: str | None
    environment: str | None
    commit: str | None
    branch: str | None


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run in one line."""

    run: str
    origin: str  # journal | junit
    build: str
    project: str
    profile: str
    python: str
    environment: str
    commit: str
    branch: str
    host: str
    started: float
    finished: float | None  # None: interrupted
    exit_code: int | None
    tests: int
    passed: int
    failed: int
    errors: int
    skipped: int
    xfailed: int
    xpassed: int
    crashed: int
    flaky: int  # good only after a retry
    missing: int  # collected, but without a result
    attempts: int
    duration: float  # of all attempts of all tests: work, not wall time

    @property
    def wall(self) -> float | None:
        """Seconds from start to end; None when it was interrupted."""
        return None if self.finished is None else self.finished - self.started

    @property
    def bad(self) -> int:
        """How many tests fail a build."""
        return self.failed + self.errors + self.crashed


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One test in one run."""

    test: NodeId
    run: str
    started: float  # of the run
    profile: str
    python: str
    environment: str
    commit: str
    branch: str
    outcome: Outcome
    flaky: bool
    duration: float
    attempts: tuple[Attempt, ...]  # without their failures: see History.failures


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The newest results of one test, oldest first."""

    test: NodeId
    runs: tuple[str, ...]
    verdicts: str  # one letter per result, see toolkit.history.letters; a capital is flaky
    durations: tuple[float, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcome of every result, oldest first."""
        return tuple(map(OUTCOMES.__getitem__, self.verdicts))

    @property
    def flaky(self) -> int:
        """How many of the results were good only after a retry."""
        return sum(map(str.isupper, self.verdicts))

    def __iter__(self) -> Iterator[tuple[str, Outcome, float]]:
        """Yield run, outcome and duration of every result, oldest first."""
        return zip(self.runs, self.outcomes, self.durations, strict=True)


class KnownTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that the history has seen; its place and markers are those of its newest run."""

    test: NodeId
    file: str
    line: int | None
    markers: tuple[str, ...]
    first_run: str
    last_run: str


class SlowTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test and how long it takes."""

    test: NodeId
    typical: float  # median of its recent results
    longest: float
    results: int  # how many results that is based on


class PastFailure(msgspec.Struct, frozen=True, kw_only=True):
    """One failed phase of one attempt."""

    test: NodeId
    run: str
    started: float  # of the attempt
    commit: str
    number: int  # of the attempt
    worker: str
    outcome: Outcome  # of the attempt
    failure: Failure
    evidence: Evidence | None = None  # what was around it


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed, or would be."""

    runs: tuple[str, ...]
    results: int
    dry_run: bool


class DurationTotals(msgspec.Struct, frozen=True, kw_only=True):
    """How often tests ended in one way, and how long they took, over all runs of one profile and Python."""

    profile: str
    python: str
    outcome: Outcome
    count: int
    seconds: float  # of all together
    within: tuple[int, ...]  # how many took at most so long, for each bound


class Soundness(msgspec.Struct, frozen=True, kw_only=True):
    """What the history holds, and what a check of it found."""

    where: str
    schema: int
    runs: int
    tests: int
    attempts: int
    bytes: int
    problems: tuple[str, ...]
