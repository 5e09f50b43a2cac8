"""The vocabulary: what crosses the borders between plan, run, record and learn.

All records are frozen ``msgspec.Struct`` types, so one definition serves as value, as JSON line and as
schema. Times are Unix seconds (UTC), durations are seconds, memory is bytes.
"""

from enum import StrEnum
from typing import Literal, NewType

import msgspec

NodeId = NewType("NodeId", str)
"""The identity of a test: pytest's node id relative to the project root, with ``/`` separators.

The same on every worker, shard, Python and machine. Use :func:`node_id` to make one from a raw string.
"""


def node_id(raw: str, *, group: str | None = None) -> NodeId:
    r"""Make the one identity of a test out of what a runner calls it.

    Args:
        raw: node id as reported by pytest, possibly with ``\`` separators on Windows or with the
            ``@group`` that xdist's ``loadgroup`` appends.
        group: the name of the xdist group, if the test has one; only this exact suffix is removed,
            since an ``@`` may be part of a parameter.
    """
    path, separator, rest = raw.partition("::")
    path = path.replace("\\", "/").removeprefix("./")
    whole = f"{path}{separator}{rest}"
    return NodeId(whole.removesuffix(f"@{group}") if group else whole)


class Outcome(StrEnum):
    """How one attempt of a test, or the test as a whole, ended."""

    PASSED = "passed"
    FAILED = "failed"  # the test itself (call phase) failed
    ERROR = "error"  # set-up or tear-down failed, or the file could not be collected
    SKIPPED = "skipped"
    XFAILED = "xfailed"  # failed as expected
    XPASSED = "xpassed"  # passed although expected to fail (not strict)
    CRASHED = "crashed"  # the process that ran it died

    @property
    def bad(self) -> bool:
        """Whether a build with this outcome must fail."""
        return self in _BAD


_BAD = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.CRASHED})

Phase = Literal["setup", "call", "teardown", "collect"]


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame of a traceback, innermost last. ``path`` is relative to the project root when inside it."""

    path: str
    line: int
    function: str


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong in one phase of one attempt."""

    phase: Phase
    exception: str  # qualified type name, e.g. "builtins.AssertionError"; "" when unknown
    message: str  # str(exception), cut at 10,000 characters
    traceback: str = ""  # as pytest printed it, cut at 100,000 characters from the middle
    frames: tuple[Frame, ...] = ()
    sections: dict[str, str] = {}  # captured output: "stdout", "stderr", "log" → text, each cut


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether anybody listened at the address of a server, just when a test failed."""

    variable: str  # that holds its URL, such as "DATABASE_URL"
    address: str  # "localhost:5432", never with a password
    state: str = "open"  # "open", "refused", "timeout", or what else the system said
    seconds: float = 0.0  # until the answer


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was around a test when it failed. What could not be found out within its time is left out."""

    elapsed: float = 0.0  # seconds since the process began to run tests
    services: tuple[ServiceHealth, ...] = ()
    memory: int | None = None  # bytes that programs could still get
    memory_total: int | None = None
    disk: int | None = None  # bytes free where the project is
    scratch: int | None = None  # bytes free where temporary files are
    load: float | None = None  # mean number of processes that wanted a core in the last minute
    cores: int | None = None
    ports: tuple[int, ...] = ()  # on which this process listens
    neighbours: tuple[NodeId, ...] = ()  # tests that ran on the other workers
    timeout: float | None = None  # seconds that the test was allowed
    left: float | None = None  # of these, seconds that were left
    seconds: float = 0.0  # that it took to find all this out


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="attempt", tag_field="kind"):
    """One execution of one test: all its phases together."""

    test: NodeId
    number: int = 1  # 1 = first try; a retry counts up
    outcome: Outcome
    worker: str = "main"  # "gw0" …, or "main" without xdist
    order: int = 0  # position among the tests that this worker ran, from 0
    started: float = 0.0
    duration: float = 0.0  # wall time of all phases
    setup: float = 0.0
    call: float = 0.0
    teardown: float = 0.0
    cpu: float | None = None  # user + system time of the process and of the children it waited for
    memory: int | None = None  # peak resident memory of the process during the attempt
    reason: str = ""  # of a skip or an expected failure
    quarantined: bool = False  # it failed, but a quarantine keeps that from failing the build
    counted: tuple[Outcome, ...] = ()  # what pytest's own summary counts for it, when that is not `outcome`
    failures: tuple[Failure, ...] = ()
    evidence: Evidence | None = None  # of an attempt that failed
    file: str = ""  # relative to the project root
    line: int | None = None  # from 1
    markers: tuple[str, ...] = ()
    measures: dict[str, float] = {}  # what the test measured: name, with the unit at its end ("…_s") → value


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run", tag_field="kind"):
    """First line of the controller's journal: which run this is and where."""

    run: str  # sortable and unique: "20261122T010203-a1b2c3"
    build: str = ""  # runs of one command or one CI pipeline share it
    started: float
    project: str = ""
    profile: str = ""
    python: str = ""  # "3.12.1"
    implementation: str = "cpython"
    platform: str = ""
    host: str = ""
    environment: str = "local"  # local | ci | staging
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    workers: int = 0  # 0 = tests run in the controller
    shard: str = ""  # "2/8"
    seed: int | None = None
    arguments: tuple[str, ...] = ()
    toolkit: str = ""
    root: str = ""  # absolute project root on the machine of the run


class TestsCollected(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="collected", tag_field="kind"
):
    """Which tests this run means to execute; what is missing at the end is named from this list."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    tests: tuple[NodeId, ...]
    deselected: int = 0


class TestBegun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="begun", tag_field="kind"):
    """A worker is about to run a test: if no attempt follows, this test killed it."""

    __test__ = False

    test: NodeId
    worker: str = "main"
    number: int = 1
    started: float = 0.0


class WorkerStarted(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="worker", tag_field="kind"
):
    """First line of a worker's journal."""

    worker: str
    pid: int
    started: float
    python: str = ""
    host: str = ""


class WorkerFinished(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ended", tag_field="kind"
):
    """A process that ran tests ended by itself: a test that it had begun was given up, not killed."""

    worker: str
    at: float
    dropped: int = 0  # lines that could not be written (a full disk)


class WorkerLost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lost", tag_field="kind"):
    """The controller saw a worker die."""

    worker: str
    test: NodeId | None = None  # the test that it ran, when known
    reason: str = ""
    at: float = 0.0


class RunFinished(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="finished", tag_field="kind"
):
    """Last line of the controller's journal. A run without it was interrupted."""

    finished: float
    exit_code: int


Line = (
    RunStarted
    | TestsCollected
    | TestBegun
    | Attempt
    | WorkerStarted
    | WorkerFinished
    | WorkerLost
    | RunFinished
)


class CaseResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test in one run: every attempt, one verdict."""

    test: NodeId
    attempts: tuple[Attempt, ...]

    @property
    def outcome(self) -> Outcome:
        """The outcome of the last attempt."""
        return self.attempts[-1].outcome

    @property
    def counted_as(self) -> Outcome:
        """What a build counts: a failure that a quarantine covers is an expected one."""
        return Outcome.XFAILED if self.attempts[-1].quarantined else self.outcome

    @property
    def flaky(self) -> bool:
        """Whether it failed and then passed on the same code in the same run."""
        return not self.outcome.bad and any(attempt.outcome.bad for attempt in self.attempts)

    @property
    def duration(self) -> float:
        """Seconds of all attempts."""
        return sum(attempt.duration for attempt in self.attempts)


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole run, read back from its journals, however it ended."""

    header: RunStarted
    cases: tuple[CaseResult, ...]  # in the order of first execution
    finished: float | None = None  # None: the run was interrupted
    exit_code: int | None = None
    deselected: int = 0
    lost: tuple[WorkerLost, ...] = ()
    missing: tuple[NodeId, ...] = ()  # collected, but no attempt was recorded
    problems: tuple[str, ...] = ()  # torn lines, unknown kinds, unreadable files: for the summary

    @property
    def complete(self) -> bool:
        """Whether the run ended by itself and every collected test has a result."""
        return self.finished is not None and not self.missing


_IN_PYTEST = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "errors",
    Outcome.SKIPPED: "skipped",
    Outcome.XFAILED: "xfailed",
    Outcome.XPASSED: "xpassed",
    Outcome.CRASHED: "failed",  # xdist reports the test of a dead worker as failed
}


def pytest_counts(run: RunRecord) -> dict[str, int]:
    """Count a run the way pytest's last line does, to compare the two.

    pytest counts reports, we count tests: a test that passed and whose tear-down failed is one test here
    (``error``) and "1 passed, 1 error" there; failed subtests are counted there each. What our plugin calls
    quarantined there is xfailed here.

    Returns:
        Counts of passed, failed, errors, skipped, xfailed, xpassed and deselected.
    """
    counts = dict.fromkeys((*_IN_PYTEST.values(), "deselected"), 0)
    for case in run.cases:
        last = case.attempts[-1]
        for outcome in last.counted or (last.outcome,):
            shielded = last.quarantined and outcome.bad
            counts[_IN_PYTEST[Outcome.XFAILED if shielded else outcome]] += 1
    counts["deselected"] = run.deselected
    return counts
