"""A small shop with everything that a dashboard can show, and names that would like to do harm."""

from pathlib import Path

from toolkit.history.store import History, open_history
from toolkit.records import Attempt, CaseResult, Failure, Frame, NodeId, Outcome, RunRecord, RunStarted
from toolkit.reports.dashboard.benchmarks import Judged
from toolkit.reports.dashboard.facts import (
    Compared,
    CoverageFacts,
    FuzzFacts,
    LoadFacts,
    ProfileFacts,
    ServiceFacts,
    StrainFacts,
)
from toolkit.reports.dashboard.sources import Sources, newest_build, read_sources

EPOCH = 1_750_000_000.0
HOUR = 3600.0
NASTY = (
    "tests/test_bad.py::test_it[</script><script>alert(1)</script>]",
    "tests/test_bad.py::test_it[<img src=x onerror=alert(1)>]",
    "tests/test_bad.py::test_it['\"><svg onload=alert(1)>]",
    "tests/test_bad.py::test_it[{{7*7}} ${x} @@FACTS@@ @@TESTS@@]",
    "tests/test_bad.py::test_it[a|b`c``d*e_[x](javascript:alert(1))]",
    "tests/test_bad.py::test_it[\x1b[31m\u202e\u2028%00 50% #/?&]",
    "javascript:alert(1)::test",
)
DOWN = 'connection to server at "127.0.0.1", port 5432 failed: Connection refused'

BENCHMARKS = ("tests/test_cart.py::test_total", NASTY[3])
MARKERS = {"tests/test_orders.py": ("integration",), "tests/test_bad.py": ("security", "unit")}
LETTERS = {
    "tests/test_cart.py::test_total": "pppppp",
    "tests/test_cart.py::test_discount[10]": "pppppf",  # new
    "tests/test_cart.py::test_discount[20]": "pfppff",  # known
    "tests/test_cart.py::test_empty": "pppfpf",  # regressed
    "tests/test_cart.py::test_refund": "ppppfp",  # fixed
    "tests/test_mail.py::test_sent": "pPppPP",  # flaky: good after a retry
    "tests/test_mail.py::test_slow": "pppppp",
    "tests/test_mail.py::test_later": "ssssss",
    **{f"tests/test_orders.py::test_order[{number}]": "pppppe" for number in range(6)},  # an outage
    **{name: "pppppf" if place < 3 else "pppppp" for place, name in enumerate(NASTY)},
}


def failure_of(test: str, letter: str) -> Failure:
    """Make what the failure of a test leaves behind."""
    if letter == "e":
        text = f"E   psycopg.OperationalError: {DOWN}"
        return Failure(phase="setup", exception="psycopg.OperationalError", message=DOWN, traceback=text)
    return Failure(
        phase="call",
        exception="builtins.AssertionError",
        message=f"assert 1 == 2, {test}",
        traceback=f">   assert 1 == 2\nE   AssertionError: {test}\n\ntests/test_cart.py:3: AssertionError",
        frames=(Frame(path="tests/test_cart.py", line=3, function="test"),),
        sections={"stdout": f"printed by {test}"},
    )


def case_of(test: str, letter: str, index: int, place: int) -> CaseResult:
    """Make a result; a capital letter is good after a retry."""
    outcomes = {"p": Outcome.PASSED, "f": Outcome.FAILED, "e": Outcome.ERROR, "s": Outcome.SKIPPED}
    tries = [Outcome.FAILED, Outcome.PASSED] if letter == "P" else [outcomes[letter]]
    slow = 6.0 if test.endswith("test_slow") and index == len("pppppp") - 1 else 0.2 + place / 50
    attempts = tuple(
        Attempt(
            test=NodeId(test),
            number=number,
            outcome=outcome,
            worker=f"gw{place % 2}",
            started=EPOCH + index * HOUR + 1 + place / 4 + number / 100,
            duration=slow,
            call=slow,
            cpu=slow / 2,
            memory=(50 + place) << 20,
            failures=(failure_of(test, "e" if letter == "e" else "f"),) if outcome.bad else (),
            file=test.partition("::")[0],
            line=place + 1,
            measures={"benchmark.median_s": 0.004 + index / 1000} if test in BENCHMARKS else {},
            markers=MARKERS.get(test.partition("::")[0], ("unit",)),
        )
        for number, outcome in enumerate(tries, start=1)
    )
    return CaseResult(test=NodeId(test), attempts=attempts)


def record_of(index: int) -> RunRecord:
    """Make run number ``index`` of the shop, 0 to 5."""
    started = EPOCH + index * HOUR
    header = RunStarted(
        run=f"run-{index}",
        build=f"build-{index}",
        started=started,
        project="Shop <b>",
        profile="unit",
        python="3.12.1",
        commit=f"c{index}" * 10,
        branch="main",
        workers=2,
    )
    cases = tuple(
        case_of(test, letters[index], index, place) for place, (test, letters) in enumerate(LETTERS.items())
    )
    return RunRecord(header=header, cases=cases, finished=started + 12, exit_code=1)


def filled(folder: Path) -> History:
    """Make a history of the shop's six runs; the caller closes it."""
    history = open_history(str(folder / "history.sqlite"))
    for index in range(6):
        history.import_run(record_of(index))
    return history


COVERAGE = CoverageFacts(
    percent=91.25, statements=400, missing=35, files_in_all=9, measured=EPOCH,
    files=(("src/shop/cart.py", 70.0, 30), ("src/shop/mail.py", 97.0, 5)),
)  # fmt: skip
SERVICES = (
    ServiceFacts(
        service="database", environment="default", runtime="embedded", state="ready",
        address="postgresql://toolkit:***@127.0.0.1:40001/app", owner="session of pid 12",
    ),
    ServiceFacts(service="cache", environment="default", runtime="embedded", state="connection refused"),
)  # fmt: skip


LOAD = LoadFacts(
    scenario="browse", verdict="failed", wanted=50, throughput=49.8, p50_ms=4, p95_ms=80, p99_ms=160,
    error_rate=0.001, client_share=0.2, findings=("p99_ms: 160.0, expected at most 100",), commit="c5" * 10,
    measured=EPOCH,
)  # fmt: skip
STRAIN = StrainFacts(
    loads=(LOAD,),
    fuzz=FuzzFacts(
        operations=12,
        findings=(("GET /boom<b>", "Server error", "curl -X GET 'http://x/boom'"),),
        measured=EPOCH,
    ),
    unread=("reports/load/<i>.json: is cut",),
)
COMPARED = Compared(base="c4" * 10, head="c5" * 10, ratio=1.2, low=1.1, high=1.3, noise=1.01, slower=True)
JUDGED = Judged(limit=lambda name: 0.005 if "total" in name else None, compared={BENCHMARKS[1]: COMPARED})


PROFILE = ProfileFacts(
    test=NodeId(BENCHMARKS[0]), kind="memory", page="./profiles/a-memory.html", seconds=3.5, made=EPOCH
)


def made_sources(folder: Path) -> Sources:
    """Make everything that the shop's dashboard is made of."""
    with filled(folder) as history:
        return read_sources(
            history,
            newest_build(history),
            created=EPOCH + 6 * HOUR,
            coverage=COVERAGE,
            services=SERVICES,
            strain=STRAIN,
            judged=JUDGED,
            profiles=(PROFILE,),
        )
