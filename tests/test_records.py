"""The vocabulary: identities, outcomes, and counting as pytest counts."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.records import (
    Attempt,
    CaseResult,
    NodeId,
    Outcome,
    RunRecord,
    RunStarted,
    node_id,
    pytest_counts,
)


def case(name: str, *outcomes: Outcome, counted: tuple[Outcome, ...] = ()) -> CaseResult:
    attempts = tuple(
        Attempt(test=NodeId(name), number=number, outcome=outcome, duration=1.0, counted=counted)
        for number, outcome in enumerate(outcomes, start=1)
    )
    return CaseResult(test=NodeId(name), attempts=attempts)


def run(*cases: CaseResult, deselected: int = 0) -> RunRecord:
    return RunRecord(header=RunStarted(run="r", started=0.0), cases=cases, deselected=deselected)


@pytest.mark.parametrize(
    ("raw", "group", "expected"),
    [
        ("tests/test_a.py::test_b", None, "tests/test_a.py::test_b"),
        ("./tests/test_a.py::test_b", None, "tests/test_a.py::test_b"),
        ("tests\\test_a.py::test_b[a\\b]", None, "tests/test_a.py::test_b[a\\b]"),
        ("t.py::test_b[x@g]@g", "g", "t.py::test_b[x@g]"),
        ("t.py::test_b[x@g]", None, "t.py::test_b[x@g]"),
        ("t.py", None, "t.py"),
    ],
)
def test_one_identity_for_every_way_to_write_it(raw: str, group: str | None, expected: str) -> None:
    assert node_id(raw, group=group) == expected


@given(st.text(), st.text(min_size=1))
def test_an_identity_stays_what_it_is(path: str, rest: str) -> None:
    once = node_id(f"{path}::{rest}")
    assert node_id(once) == once or once.startswith("./")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_failures_errors_and_crashes_fail_a_build(outcome: Outcome) -> None:
    assert outcome.bad == (outcome in {Outcome.FAILED, Outcome.ERROR, Outcome.CRASHED})


def test_a_late_pass_is_flaky_and_a_late_failure_is_not() -> None:
    assert case("a", Outcome.FAILED, Outcome.PASSED).flaky
    assert not case("a", Outcome.PASSED).flaky
    assert not case("a", Outcome.FAILED, Outcome.FAILED).flaky
    assert case("a", Outcome.FAILED, Outcome.PASSED).duration == 2.0


def test_counts_are_of_tests_in_their_last_attempt() -> None:
    found = run(
        case("a", Outcome.FAILED, Outcome.PASSED),
        case("b", Outcome.CRASHED),
        case("c", Outcome.ERROR, counted=(Outcome.PASSED, Outcome.ERROR)),
        case("d", Outcome.XPASSED),
        deselected=3,
    )
    assert pytest_counts(found) == {
        "passed": 2,
        "failed": 1,
        "errors": 1,
        "skipped": 0,
        "xfailed": 0,
        "xpassed": 1,
        "deselected": 3,
    }


def test_a_run_is_complete_when_it_ended_and_nothing_is_missing() -> None:
    record = run()
    ended = msgspec.structs.replace(record, finished=1.0)
    assert not record.complete
    assert ended.complete
    assert not msgspec.structs.replace(ended, missing=(NodeId("a"),)).complete


def test_a_failure_in_quarantine_is_counted_as_expected_and_keeps_its_outcome() -> None:
    """Only the last attempt counts, and of what pytest counts for it only the failures are shielded."""
    (attempt,) = case("a", Outcome.ERROR, counted=(Outcome.PASSED, Outcome.ERROR)).attempts
    attempt = msgspec.structs.replace(attempt, quarantined=True)
    shielded = CaseResult(test=attempt.test, attempts=(attempt,))
    assert (shielded.outcome, shielded.counted_as) == (Outcome.ERROR, Outcome.XFAILED)
    good = msgspec.structs.replace(attempt, outcome=Outcome.PASSED, quarantined=False, counted=())
    late = CaseResult(test=attempt.test, attempts=(attempt, good))
    assert (late.counted_as, late.flaky) == (Outcome.PASSED, True)
    found = pytest_counts(run(shielded, case("b", Outcome.FAILED)))
    assert (found["passed"], found["xfailed"], found["errors"], found["failed"]) == (1, 1, 0, 1)
