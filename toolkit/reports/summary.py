"""What one summary says, however many files and runs it is made of."""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from toolkit.records import NodeId, Outcome

PASS_RATE = 0.95
"""From this success rate on the verdict is PASS."""
WARNING_RATE = 0.80
"""From this success rate on the verdict is WARNING; below it is FAIL."""
SCHEMA = 1
"""Version of ``summary.json``; it grows when a key changes its meaning."""


class Verdict(StrEnum):
    """The summary in one word."""

    PASS = "PASS"  # noqa: S105 - not a password
    WARNING = "WARNING"
    FAIL = "FAIL"


class Counts(msgspec.Struct, kw_only=True):
    """Tests by verdict. ``tests`` = ``passed`` + ``failed`` + ``errors`` + ``skipped``."""

    tests: int = 0
    passed: int = 0  # with xpassed
    failed: int = 0
    errors: int = 0  # set-up, tear-down, collection; with crashed
    skipped: int = 0  # with xfailed
    flaky: int = 0  # of passed and skipped: failed before, on the same code
    xfailed: int = 0
    xpassed: int = 0
    crashed: int = 0
    attempts: int = 0
    duration: float = 0.0  # seconds of all attempts of all tests

    def add(self, outcome: Outcome, sign: int = 1) -> None:
        """Count one verdict, or take one back."""
        self.tests += sign
        for name in _COUNTED_AS[outcome]:
            setattr(self, name, getattr(self, name) + sign)

    def include(self, other: "Counts") -> None:
        """Add what another count has."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def bad(self) -> int:
        """Tests for which a build must fail."""
        return self.failed + self.errors

    @property
    def success_rate(self) -> float | None:
        """``passed ÷ (tests - skipped)``, from 0 to 1; None if nothing ran."""
        ran = self.tests - self.skipped
        return self.passed / ran if ran else None


_COUNTED_AS = {
    Outcome.PASSED: ("passed",),
    Outcome.FAILED: ("failed",),
    Outcome.ERROR: ("errors",),
    Outcome.SKIPPED: ("skipped",),
    Outcome.XFAILED: ("skipped", "xfailed"),
    Outcome.XPASSED: ("passed", "xpassed"),
    Outcome.CRASHED: ("errors", "crashed"),
}


class Row(msgspec.Struct, kw_only=True, gc=False):
    """One test in the list."""

    test: str
    outcome: Outcome
    duration: float = 0.0
    attempts: int = 1
    flaky: bool = False
    source: int = 0  # index of the part


class Mishap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong in one phase of one attempt, shortened."""

    attempt: int = 1
    phase: str = "call"
    exception: str = ""
    message: str = ""
    traceback: str = ""
    output: dict[str, str] = {}


class Detail(msgspec.Struct, kw_only=True):
    """A bad or flaky test with what is known about it."""

    test: str
    outcome: Outcome
    flaky: bool = False
    source: str = ""
    duration: float = 0.0
    attempts: int = 1
    file: str = ""
    line: int | None = None
    mishaps: list[Mishap] = []


class Slow(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One of the slowest tests; ordered by duration."""

    duration: float
    test: str
    outcome: Outcome
    source: str = ""


class CauseRow(msgspec.Struct, frozen=True, kw_only=True):
    """Failures with one cause."""

    group: str
    category: str
    cause: str
    evidence: str
    confidence: float  # 0 to 1
    count: int
    outage: int = 0  # so many of them came of an outage: they say nothing about the tests
    tests: list[str] = []  # a few of them


class RecoveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """How long a server took to recover from a fault of a chaos test, in seconds after that was undone."""

    test: str
    action: str
    service: str
    answered: float  # until a query was answered
    recovered: float  # until everything that the test calls steady held again


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Which run a part is, and whether it is complete."""

    run: str
    profile: str = ""
    python: str = ""
    host: str = ""
    environment: str = ""
    commit: str = ""
    shard: str = ""
    workers: int = 0
    started: float | None = None
    elapsed: float | None = None  # seconds from begin to end; None: the run was interrupted
    exit_code: int | None = None
    deselected: int = 0
    missing: tuple[NodeId, ...] = ()
    lost_workers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def complaints(self) -> list[str]:
        """Sentences about what is not as it should be."""
        name = " ".join(filter(None, (self.profile, self.python))) or self.run
        told = [f"{name}: no result of {test}" for test in self.missing]
        told += [f"{name}: {lost}" for lost in self.lost_workers]
        told += [f"{name}: {problem}" for problem in self.problems]
        return told if self.elapsed is not None else [f"{name}: the run was interrupted", *told]


class Part(msgspec.Struct, kw_only=True):
    """One file or one run, counted."""

    source: str  # the path as it was given, or the name of the run
    counts: Counts = msgspec.field(default_factory=Counts)
    rows: list[Row] = msgspec.field(default_factory=list)
    details: list[Detail] = msgspec.field(default_factory=list)
    slowest: list[Slow] = msgspec.field(default_factory=list)
    missing: int = 0  # tests without a result
    bad: str | None = None  # why the file could not be read; then nothing of it is counted
    run: RunFacts | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept besides the counts, which are always complete."""

    rows: int = 100_000  # tests that are listed by name
    good: bool = True  # whether good tests are listed, too, or only bad and flaky ones
    details: int = 500  # bad and flaky tests that are told with message, traceback and output
    slowest: int = 50
    text: int = 10_000  # characters of a traceback
    output: int = 4_000  # characters of one captured output

    def without(self, part: "Part") -> "Limits":
        """What may be kept beside a part."""
        return replace(
            self, rows=max(self.rows - len(part.rows), 0), details=max(self.details - len(part.details), 0)
        )


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was not counted, and why."""

    path: str
    reason: str


class Summary(msgspec.Struct, kw_only=True):
    """Everything that a report tells."""

    counts: Counts
    parts: list[Part]
    rows: list[Row]
    details: list[Detail]
    slowest: list[Slow]
    bad_files: list[Unread]
    ignored_files: list[Unread]
    missing: int = 0
    created: float = 0.0
    title: str = ""
    coverage: float | None = None  # percent of all profiles together
    causes: list[CauseRow] = []  # of the failures of runs; of files see `invoke failures.classify`
    recoveries: list[RecoveryRow] = []  # from the faults of chaos tests, the slowest first

    @property
    def verdict(self) -> Verdict:
        """PASS from 95 % on, WARNING from 80 % on; never PASS while something is missing."""
        rate = self.counts.success_rate
        if self.counts.tests == 0 or (rate is not None and rate < WARNING_RATE):
            return Verdict.FAIL
        return Verdict.WARNING if rate is None or rate < PASS_RATE or self.complaints else Verdict.PASS

    @property
    def complaints(self) -> list[str]:
        """Sentences about what is missing: files, tests, workers, lines."""
        told = [f"{unread.path}: not counted: {unread.reason}" for unread in self.bad_files]
        for part in self.parts:
            if part.run is not None:
                told += part.run.complaints
            elif part.missing:
                told.append(f"{part.source}: no result of {part.missing} collected tests")
        return told

    @property
    def elapsed(self) -> float | None:
        """Seconds from the first start to the last end of the runs, if all are known."""
        runs = [part.run for part in self.parts if part.run is not None]
        spans = [(run.started, run.elapsed) for run in runs]
        known = [
            (begin, begin + length) for begin, length in spans if begin is not None and length is not None
        ]
        if not known or len(known) < len(self.parts):
            return None
        return max(end for _, end in known) - min(begin for begin, _ in known)


def summary_json(summary: Summary) -> dict[str, Any]:
    """Arrange ``summary.json``; ``docs/reference/summary.md`` describes every key."""
    counts = summary.counts
    return {
        "schema": SCHEMA,
        "title": summary.title,
        "created": summary.created,
        "summary": {
            **_rounded(counts),
            "success_rate": counts.success_rate,
            "verdict": summary.verdict,
            "missing": summary.missing,
            "elapsed": summary.elapsed,
            "coverage": summary.coverage,
        },
        "files": [
            {"path": part.source, **_rounded(part.counts)} for part in summary.parts if part.run is None
        ],
        "bad_files": summary.bad_files,
        "ignored_files": summary.ignored_files,
        "runs": [_run(part) for part in summary.parts if part.run is not None],
        "complaints": summary.complaints,
        "causes": summary.causes,
        "recoveries": summary.recoveries,
        "failures": [detail for detail in summary.details if not detail.flaky],
        "flaky": [detail for detail in summary.details if detail.flaky],
        "details_left_out": max(counts.bad + counts.flaky - len(summary.details), 0),
        "slowest": summary.slowest,
    }


def _run(part: Part) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(part.run)
    return {"name": part.source, **facts, **_rounded(part.counts)}


def _rounded(counts: Counts) -> dict[str, Any]:
    figures: dict[str, Any] = msgspec.to_builtins(counts)
    return {**figures, "duration": round(counts.duration, 6)}
