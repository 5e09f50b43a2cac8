"""Runs go in once, whole, and come out as they were."""

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.made_runs import made_case, made_run
from toolkit.history import writing
from toolkit.history.store import History, open_history
from toolkit.records import Attempt, CaseResult, Failure, NodeId, Outcome, RunRecord, RunStarted, WorkerLost

A, B = NodeId("tests/test_a.py::test_a"), NodeId("tests/test_b.py::test_b[x]")


def test_a_run_comes_out_as_it_went_in(history: History) -> None:
    record = made_run(1, {A: "fp", B: "s", "tests/test_c.py::test_c": "e"}, commit="abc", branch="main")
    assert history.import_run(record)
    assert history.record("run-0001") == record
    assert history.record("nothing") is None
    assert history.check().problems == ()


def test_whatever_else_is_known_of_an_attempt_is_kept(history: History) -> None:
    """Fields without a column of their own, also those that a later vocabulary adds."""
    attempt = Attempt(test=A, outcome=Outcome.ERROR, counted=(Outcome.PASSED, Outcome.ERROR))
    record = RunRecord(
        header=RunStarted(run="r", started=1.0, arguments=("-x",), seed=2**70),
        cases=(CaseResult(test=A, attempts=(attempt,)),),
        deselected=4,
        missing=(B,),
        lost=(WorkerLost(worker="gw0", test=A),),
        problems=("torn line",),
    )
    history.import_run(record)
    assert history.record("r") == record
    assert history.results(A)[0].attempts == (attempt,)


def test_two_runs_of_one_moment_are_two(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the hashes of their ids were equal."""
    monkeypatch.setattr(writing, "run_number", lambda *_: 5)
    for run in ("one", "two", "three"):
        assert history.import_run(made_run(1, {A: "p"}, run=run))
    assert history.recent()[A].runs == ("one", "two", "three")
    history.require_sound()


def test_a_second_import_changes_nothing(history: History) -> None:
    record = made_run(1, {A: "p"})
    assert history.import_run(record)
    assert not history.import_run(record)
    assert history.totals().attempts == 1


def test_a_more_complete_record_replaces_an_interrupted_one(history: History) -> None:
    """Whichever of two versions of a run comes first, the one that says more stays."""
    partial, whole = made_run(1, {A: "f"}, finished=False), made_run(1, {A: "fp", B: "p"})
    for first, second in ((partial, whole), (whole, partial)):
        history.import_run(first)
        history.import_run(second)
        assert history.record("run-0001") == whole
        assert history.recent()[A].verdicts == "P"


def test_a_journal_is_kept_when_its_junit_file_comes_in(history: History) -> None:
    history.import_run(made_run(1, {A: "p"}, finished=False))
    assert not history.import_run(made_run(1, {A: "p"}), origin="junit")
    assert history.runs()[0].origin == "journal"


def test_runs_are_listed_newest_first_and_chosen(history: History) -> None:
    for index in (2, 0, 3, 1):
        history.import_run(made_run(index, {A: "p", B: "fp"}, profile="unit" if index % 2 else "smoke"))
    assert [row.run for row in history.runs()] == ["run-0003", "run-0002", "run-0001", "run-0000"]
    assert [row.run for row in history.runs(profile="smoke", limit=1)] == ["run-0002"]
    assert history.runs(since=made_run(3, {}).header.started)[0].run == "run-0003"
    row = history.runs(run="run-0001")[0]
    assert (row.tests, row.passed, row.flaky, row.bad, row.attempts, row.wall) == (2, 2, 1, 0, 3, 60.0)


def test_results_of_a_test_have_all_attempts(history: History) -> None:
    history.import_run(made_run(0, {A: "f"}, commit="one"))
    history.import_run(made_run(1, {A: "fp"}, commit="two"))
    history.import_run(made_run(2, {B: "p"}))
    newest, oldest = history.results(A)
    assert (newest.outcome, newest.flaky, newest.commit, newest.duration) == (
        Outcome.PASSED,
        True,
        "two",
        1.0,
    )
    assert [attempt.outcome for attempt in newest.attempts] == [Outcome.FAILED, Outcome.PASSED]
    assert (oldest.outcome, oldest.run) == (Outcome.FAILED, "run-0000")
    assert history.results(A, commit="one") == (oldest,)
    assert history.results(NodeId("no::such")) == ()


def test_failures_keep_their_text(history: History) -> None:
    history.import_run(made_run(0, {A: "f", B: "p"}))
    history.import_run(made_run(1, {A: "p", B: "cf"}))
    found = history.failures()
    assert [(row.test, row.run, row.number) for row in found] == [
        (B, "run-0001", 1), (B, "run-0001", 2), (A, "run-0000", 1),
    ]  # fmt: skip
    assert found[2].failure == made_case(A, "f").attempts[0].failures[0]
    assert history.failures(test=A) == found[2:]
    assert history.failures(run="run-0001", limit=1) == found[:1]


def test_typical_durations_ignore_skips_and_outliers(history: History) -> None:
    """Three results of 0.5 s and one of 90 s: 0.5 s is typical; a test that never ran has no duration."""
    for index in range(3):
        history.import_run(made_run(index, {A: "p", B: "s"}))
    slow = RunRecord(header=RunStarted(run="slow", started=2e9), cases=(made_case(A, "p", 2e9, 90.0),))
    history.import_run(slow)
    assert history.durations() == {A: 0.5}
    row = history.slowest()[0]
    assert (row.test, row.typical, row.longest, row.results) == (A, 0.5, 90.0, 4)


def test_recent_results_are_the_newest_fifty_in_the_order_of_the_runs(history: History) -> None:
    """However the imports were ordered, and whether they are folded into the kept rows or not."""
    indexes = list(range(120))
    random.Random(7).shuffle(indexes)
    tests = [f"tests/test_{number}.py::test" for number in range(20)]
    for index in indexes:
        history.import_run(made_run(index, dict.fromkeys(tests, "f" if index % 7 == 0 else "p")))
    row = history.recent()[NodeId(tests[0])]
    assert row.runs == tuple(f"run-{index:04}" for index in range(70, 120))
    assert row.verdicts == "".join("f" if index % 7 == 0 else "p" for index in range(70, 120))
    assert list(row)[-1] == ("run-0119", Outcome.FAILED, 0.5)
    assert history.recent(3)[NodeId(tests[0])].verdicts == "ppf"
    assert history.recent()[NodeId(tests[0])].flaky == 0
    assert history.check().problems == ()


def test_known_tests_show_their_newest_place(history: History) -> None:
    def at(index: int, line: int) -> RunRecord:
        attempt = Attempt(test=A, outcome=Outcome.PASSED, line=line, file="f.py")
        header = RunStarted(run=f"r{index}", started=float(index))
        return RunRecord(header=header, cases=(CaseResult(test=A, attempts=(attempt,)),))

    for index, line in ((2, 20), (1, 10), (5, 20), (4, 40), (3, 20)):
        history.import_run(at(index, line))
    (known,) = history.tests()
    assert (known.line, known.first_run, known.last_run) == (20, "r1", "r5")


def test_a_moved_file_is_the_same_history(history_file: Path, tmp_path: Path) -> None:
    with open_history(str(history_file)) as history:
        history.import_run(made_run(1, {A: "p"}))
    moved = history_file.rename(tmp_path / "elsewhere.sqlite")
    with open_history(f"sqlite:///{moved}") as history:
        assert history.runs()[0].run == "run-0001"


TEXT = st.text(max_size=30)
SECONDS = st.floats(0, 1e6, width=32)


@st.composite
def run_records(draw: st.DrawFn) -> RunRecord:
    tests = draw(st.lists(TEXT.filter(bool), unique=True, max_size=4))
    failures = st.builds(
        Failure,
        phase=st.sampled_from(["setup", "call"]),
        exception=TEXT,
        message=TEXT,
        traceback=TEXT,
        sections=st.dictionaries(TEXT, TEXT, max_size=2),
    )
    cases = []
    for test in tests:
        attempts = draw(
            st.lists(
                st.builds(
                    Attempt,
                    test=st.just(NodeId(test)),
                    outcome=st.sampled_from(Outcome),
                    worker=TEXT,
                    started=SECONDS,
                    duration=SECONDS,
                    cpu=st.none() | SECONDS,
                    memory=st.none() | st.integers(0, 2**70),
                    reason=TEXT,
                    failures=st.lists(failures, max_size=2).map(tuple),
                ),
                min_size=1,
                max_size=3,
            )
        )
        cases.append(CaseResult(test=NodeId(test), attempts=tuple(attempts)))
    header = draw(st.builds(RunStarted, run=TEXT, started=SECONDS, profile=TEXT, branch=TEXT, project=TEXT))
    return RunRecord(header=header, cases=tuple(cases), finished=draw(st.none() | SECONDS))


@given(run_records())
def test_any_record_goes_in_and_its_verdicts_come_out(record: RunRecord) -> None:
    """NUL, emoji, lone surrogates, empty names, huge numbers: whatever a suite calls its tests."""
    with open_history(":memory:") as history:
        assert history.import_run(record)
        assert not history.import_run(record)
        assert history.check().problems == ()
        row = history.runs()[0]
        back = history.record(row.run)
    assert back is not None
    assert [case.outcome for case in back.cases] == [case.outcome for case in record.cases]
    assert row.tests == len(record.cases)
    assert row.flaky == sum(case.flaky for case in record.cases)


def test_lone_surrogates_and_nul_are_written_out(history: History) -> None:
    """A file name that is no UTF-8 reaches pytest as lone surrogates; no database takes those."""
    test = "tests/\udcff.py::test\x00"
    failure = Failure(phase="call", exception="E", message="\udcff", sections={"stdout": "\ud800"})
    attempt = Attempt(test=NodeId(test), outcome=Outcome.FAILED, failures=(failure,), markers=("\udcfe",))
    case = CaseResult(test=NodeId(test), attempts=(attempt,))
    history.import_run(RunRecord(header=RunStarted(run="\udcff", started=1.0), cases=(case, case)))
    (row,) = history.failures(limit=1)
    assert row.test == "tests/\\udcff.py::test\\x00"
    assert row.failure.message == "\\udcff"
    assert len(history.results(NodeId(test))[0].attempts) == 2


def test_a_failure_in_quarantine_fails_no_run_and_is_still_a_failure_of_its_test(history: History) -> None:
    """The run counts it as expected; what is looked at for flakiness sees the failure."""
    case = made_case(A, "f")
    shielded = msgspec.structs.replace(case.attempts[0], quarantined=True)
    record = made_run(1, {B: "p"})
    record = msgspec.structs.replace(record, cases=(CaseResult(test=A, attempts=(shielded,)), *record.cases))
    history.import_run(record)
    (row,) = history.runs(limit=None)
    assert (row.tests, row.passed, row.bad, row.xfailed) == (2, 1, 0, 1)
    assert history.recent()[A].verdicts == "f"
    assert history.record("run-0001") == record
