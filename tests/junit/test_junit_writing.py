"""What is written is read back as the same tests, attempts and failures."""

import io
import xml.etree.ElementTree as ET

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from toolkit.junit.reading import read_cases
from toolkit.junit.runs import runs_of
from toolkit.junit.writing import junit_xml
from toolkit.records import (
    Attempt,
    CaseResult,
    Failure,
    NodeId,
    Outcome,
    RunRecord,
    RunStarted,
    WorkerLost,
    node_id,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
LEGAL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=30)
NODES = st.one_of(
    st.builds("tests/test_{}.py::Test{}::test_{}[{}]".format, *[st.integers(0, 9)] * 3, TEXTS),
    st.builds("{}::{}".format, TEXTS, TEXTS),
    LEGAL,
)


def written(run: RunRecord) -> bytes:
    return "".join(junit_xml([run])).encode("utf-8", "backslashreplace")


def read_back(run: RunRecord) -> RunRecord:
    (back,) = runs_of(read_cases(io.BytesIO(written(run))), run="other", started=0.0)
    return back


def run_of(*cases: CaseResult, **facts: object) -> RunRecord:
    header = RunStarted(run="r1", started=1_700_000_000.5, project="shop", profile="unit", python="3.12.1")
    return RunRecord(header=header, cases=cases, finished=1_700_000_010.0, **facts)  # type: ignore[arg-type]


def failed(
    message: str = "no", phase: str = "call", outcome: Outcome = Outcome.FAILED, number: int = 1
) -> Attempt:
    failure = Failure(phase=phase, exception="ValueError", message=message, traceback=f"E {message}")  # type: ignore[arg-type]
    return Attempt(test=NodeId("t.py::a"), number=number, outcome=outcome, duration=0.25, failures=(failure,))


def case(*attempts: Attempt) -> CaseResult:
    return CaseResult(test=attempts[0].test, attempts=attempts)


@given(st.lists(NODES.map(node_id), unique=True, min_size=1, max_size=8))
def test_any_name_comes_back(tests: list[NodeId]) -> None:
    """Identities survive: control characters, markup, brackets, colons, whatever a parameter holds."""
    cases = [CaseResult(test=t, attempts=(Attempt(test=t, outcome=Outcome.PASSED),)) for t in tests]
    back = read_back(run_of(*cases))
    assert {result.test for result in back.cases} == set(tests)
    assert back.header.run == "r1"


@given(st.text(), st.text())
def test_any_text_is_well_formed(message: str, trace: str) -> None:
    """A message may hold anything, also what XML forbids and lone surrogates."""
    failure = Failure(
        phase="call", exception="E", message=message, traceback=trace, sections={"stdout": trace}
    )
    attempt = Attempt(test=NodeId("t.py::a"), outcome=Outcome.FAILED, failures=(failure,))
    document = written(run_of(case(attempt)))
    assert ET.fromstring(document).find(".//failure") is not None  # our own text


@given(LEGAL.map(str.strip).filter(bool), st.sampled_from(["call", "setup", "teardown", "collect"]))
def test_messages_and_phases_come_back(message: str, phase: str) -> None:
    outcome = Outcome.FAILED if phase == "call" else Outcome.ERROR
    (back,) = read_back(run_of(case(failed(message, phase, outcome)))).cases
    (failure,) = back.attempts[0].failures
    assert (failure.message, failure.phase, failure.exception) == (message, phase, "ValueError")
    assert failure.traceback == f"E {message}"
    assert back.outcome is outcome


def test_every_outcome_comes_back() -> None:
    """Also those for which JUnit has no word."""
    for outcome in Outcome:
        attempt = Attempt(test=NodeId("t.py::a"), outcome=outcome, duration=1.5, reason="why")
        (back,) = read_back(run_of(case(attempt))).cases
        assert back.outcome is outcome
        assert back.duration == 1.5
        if outcome in {Outcome.SKIPPED, Outcome.XFAILED}:
            assert back.attempts[0].reason == "why"


def test_attempts_come_back() -> None:
    """Failures before a pass, and failures to the end, each with its own time and message."""
    good = Attempt(test=NodeId("t.py::a"), number=3, outcome=Outcome.PASSED, duration=0.5)
    flaky = case(failed("one"), failed("two", "setup", Outcome.ERROR, 2), good)
    (back,) = read_back(run_of(flaky)).cases
    assert [a.outcome for a in back.attempts] == [Outcome.FAILED, Outcome.ERROR, Outcome.PASSED]
    assert [a.duration for a in back.attempts] == [0.25, 0.25, 0.5]
    assert back.attempts[1].failures[0].message == "two"
    assert back.flaky
    broken = case(failed("one"), failed("two", "call", Outcome.CRASHED, 2))
    (back,) = read_back(run_of(broken)).cases
    assert [a.outcome for a in back.attempts] == [Outcome.FAILED, Outcome.CRASHED]
    assert back.outcome is Outcome.CRASHED


def test_what_is_missing_is_told() -> None:
    """Lost workers, missing tests and torn lines are in the file, without inventing results."""
    run = run_of(
        case(failed()),
        missing=(NodeId("t.py::never"),),
        lost=(WorkerLost(worker="gw1", test=NodeId("t.py::b"), reason="killed"),),
        problems=("gw1.jsonl:7: torn line",),
    )
    document = written(run).decode()
    for told in (
        "no result: t.py::never",
        "worker gw1 was lost (killed) at t.py::b",
        "gw1.jsonl:7: torn line",
    ):
        assert told in document
    assert 'tests="1"' in document
    interrupted = RunRecord(header=run.header, cases=())
    assert "interrupted" in written(interrupted).decode()


def test_a_matrix_in_one_file_becomes_several_runs() -> None:
    """One result per test and run: the same test of two Pythons is no retry."""
    runs = [run_of(case(failed())), run_of(case(Attempt(test=NodeId("t.py::a"), outcome=Outcome.PASSED)))]
    document = "".join(junit_xml(runs)).replace('"r1"', '""').encode()
    back = runs_of(read_cases(io.BytesIO(document)), run="junit-1", started=5.0)
    assert [record.header.run for record in back] == ["junit-1", "junit-1-2"]
    assert [record.cases[0].outcome for record in back] == [Outcome.FAILED, Outcome.PASSED]
    assert back[0].header.started == 1_700_000_000.5


def test_a_failure_in_quarantine_is_an_expected_one() -> None:
    """As in pytest's own file: skipped, neither failure nor flaky failure nor rerun, whatever came before."""
    last = msgspec.structs.replace(failed("two", number=2), quarantined=True, reason="quarantined")
    document = ET.fromstring(written(run_of(case(failed("one"), last))))  # our own text
    suite, element = document[0], document[0].find("testcase")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["1", "0", "0", "1"]
    assert element is not None
    assert [(child.tag, child.get("type")) for child in element] == [("skipped", "pytest.xfail")]
    (back,) = read_back(run_of(case(failed("one"), last))).cases
    assert (back.outcome, back.attempts[0].reason, back.flaky) == (Outcome.XFAILED, "quarantined", False)


def test_a_quarantine_that_covers_the_first_try_only_hides_nothing() -> None:
    """In the last try something else failed as well: the case has failed, and says so."""
    first = msgspec.structs.replace(failed("one"), quarantined=True, reason="quarantined")
    (element,) = ET.fromstring(written(run_of(case(first, failed("two", number=2))))).iter(
        "testcase"
    )  # our own
    assert [child.tag for child in element] == ["failure", "rerunFailure"]
