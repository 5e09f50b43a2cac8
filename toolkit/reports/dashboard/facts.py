"""What the dashboard says. Times are Unix seconds, durations seconds, memory bytes, rates from 0 to 1.

Every list is complete up to its stated limit, and says by a count of its own how long it would be.
"""

from typing import Any, Literal

import msgspec

from toolkit.analysis.comparing import State
from toolkit.analysis.rules import Category
from toolkit.records import NodeId, Outcome
from toolkit.reports.summary import Verdict

SCHEMA = 1
"""Version of the JSON; it grows when a key changes its meaning."""

Weight = Literal["bad", "warning", "good", "note"]


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence that a person should read, and what to do about it."""

    weight: Weight
    text: str
    action: str = ""
    tests: tuple[NodeId, ...] = ()  # the tests it is about, a few of them
    view: str = ""  # of the page: where to read on


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A test whose state is worth telling."""

    test: NodeId
    state: State
    outcome: Outcome
    group: str = ""  # of its failure


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One explanation of a failure."""

    cause: str
    confidence: float
    evidence: str


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Failures with one cause."""

    group: str
    category: Category
    causes: tuple[Reason, ...]
    count: int
    tests: tuple[NodeId, ...]  # a few of them
    outage: bool  # a server or machine was at fault: it says nothing about the tests
    signature: str
    known: str = ""  # what earlier runs say of the same signature


class FlakyTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that was good and bad on the same code."""

    test: NodeId
    state: str  # flaky: proven | suspect
    kind: str  # chance | order | infrastructure
    rate: float
    low: float  # of an interval for the rate
    high: float
    results: int
    last: str  # letters of the last outcomes, oldest first
    evidence: str = ""


class Slow(msgspec.Struct, frozen=True, kw_only=True):
    """How long a test takes, and took before."""

    test: NodeId
    duration: float
    typical: float | None = None  # median of earlier results
    share: float = 0.0  # of the time of all tests


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """How likely a test is to fail next."""

    test: NodeId
    probability: float
    risk: str  # high | listed | low
    factors: tuple[str, ...] = ()
    action: str = ""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures of the history advise, see :mod:`toolkit.analysis.advice`."""

    rule: str
    subject: str  # a test, a file or a profile
    evidence: str
    action: str


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that changed for good at some run, see :mod:`toolkit.analysis.trends`."""

    metric: str  # wall | work | tests | success | late | duration
    label: str  # profile, Python and place, or a test
    run: str
    commit: str
    before: float
    after: float


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the trend."""

    run: str
    started: float
    profile: str
    python: str
    branch: str
    commit: str
    tests: int
    bad: int
    skipped: int
    flaky: int
    duration: float  # of all tests together
    wall: float | None
    present: bool = False  # one of the runs that the page is about


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests of one file cost and how they end."""

    file: str
    tests: int
    bad: int
    duration: float
    memory: int | None = None  # the highest peak among them


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one process did in one run."""

    run: str
    worker: str
    tests: int
    busy: float
    first: float  # seconds after the start of the run
    last: float


class Hungry(msgspec.Struct, frozen=True, kw_only=True):
    """What a test needed of the machine."""

    test: NodeId
    memory: int | None
    cpu: float | None
    duration: float


class CoverageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the code the tests reach."""

    percent: float
    statements: int
    missing: int
    files: tuple[tuple[str, float, int], ...] = ()  # path, percent, missing statements; least covered first
    files_in_all: int = 0
    measured: float = 0.0  # when


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark has another level since some commit. Seconds."""

    commit: str
    before: float
    after: float


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """How a benchmark did against older code on the same machine, see :mod:`toolkit.gates.pairing`."""

    base: str
    head: str
    ratio: float  # new ÷ old
    low: float
    high: float
    noise: float
    slower: bool


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark on one Python and machine."""

    test: NodeId
    python: str
    host: str
    at: tuple[int, ...]  # places of its commits in the list of all
    seconds: tuple[float, ...]  # the median of the runs of each of them
    runs: int
    change: float | None = None  # the newest ÷ the one before
    moved: Moved | None = None  # the last change of level
    budget: float | None = None  # seconds; None: any
    compared: Compared | None = None


class BenchmarksFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Benchmarks from commit to commit, those first that need a look."""

    commits: tuple[tuple[str, float], ...] = ()  # and when each was measured first, in that order
    rows: tuple[Benchmark, ...] = ()
    in_all: int = 0


class LoadFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a load scenario the last time."""

    scenario: str
    verdict: str  # passed | failed | refused
    wanted: float  # requests per second
    throughput: float  # right answers per second
    p50_ms: float
    p95_ms: float
    p99_ms: float
    error_rate: float
    client_share: float  # of a core, in the busiest process of the generator
    findings: tuple[str, ...] = ()
    commit: str = ""
    measured: float = 0.0  # when


class FuzzFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What schemathesis found the last time."""

    operations: int
    findings: tuple[tuple[str, str, str], ...] = ()  # operation, check, the command that asks again
    measured: float = 0.0  # when


class StrainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What load, fuzzing and the security tests found on the running system."""

    loads: tuple[LoadFacts, ...] = ()
    fuzz: FuzzFacts | None = None
    security: int = 0  # security tests of the present runs
    attacks: tuple[NodeId, ...] = ()  # those that failed
    unread: tuple[str, ...] = ()  # reports that could not be read, and why


class ProfileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A page with the profile of a test."""

    test: NodeId
    kind: str  # time | memory
    page: str  # address relative to the dashboard's page
    seconds: float  # that the test took while it was profiled
    made: float  # when


class ServiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A real server that tests talk to."""

    service: str
    environment: str
    runtime: str
    state: str
    address: str = ""
    owner: str = ""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is that still goes on."""

    run: str
    done: int
    wanted: int
    bad: int
    elapsed: float
    remaining: float | None  # seconds, estimated; None: too little is known
    running: tuple[tuple[str, NodeId, float], ...] = ()  # worker, test, since


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dashboard but for the table of all tests."""

    schema: int = SCHEMA
    toolkit: str
    title: str
    created: float
    verdict: Verdict
    headline: str
    summary: dict[str, Any]  # counts, as in summary.json
    complaints: tuple[str, ...]
    insights: tuple[Insight, ...]
    against: tuple[str, ...]  # the runs before, which changes are seen against
    states: dict[str, int]  # state → how many tests
    changes: tuple[Change, ...]
    groups: tuple[Group, ...]
    flaky: tuple[FlakyTest, ...]
    slowest: tuple[Slow, ...]
    slower: tuple[Slow, ...]
    risks: tuple[Risk, ...]
    risk_model: str
    advice: tuple[Recommendation, ...]
    trend: tuple[Point, ...]
    shifts: tuple[Shift, ...]
    modules: tuple[Module, ...]
    workers: tuple[WorkerFacts, ...]
    memory: tuple[Hungry, ...]
    cpu: tuple[Hungry, ...]
    coverage: CoverageFacts | None = None
    services: tuple[ServiceFacts, ...] = ()
    benchmarks: BenchmarksFacts = BenchmarksFacts()
    strain: StrainFacts = StrainFacts()
    profiles: tuple[ProfileFacts, ...] = ()
    progress: Progress | None = None
