"""Old runs go without leaving anything behind, and a check finds whatever does not belong together."""

import pytest

from tests.history.made_runs import EPOCH, HOUR, made_run
from toolkit.errors import HistoryDamaged
from toolkit.history import recent, schema
from toolkit.history.checks import _MUST_BE_EMPTY
from toolkit.history.store import History
from toolkit.records import NodeId

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

A, B = NodeId("a.py::a"), NodeId("b.py::b")


def filled(history: History, count: int = 6) -> History:
    for index in range(count):
        tests: dict[str, str] = {A: "fp"} if index else {A: "fp", B: "f"}
        history.import_run(made_run(index, tests, profile="unit" if index % 2 else "smoke"))
    return history


def test_runs_before_a_time_go(history: History) -> None:
    done = filled(history).prune(before=EPOCH + 2 * HOUR)
    assert (done.runs, done.results, done.dry_run) == (("run-0000", "run-0001"), 3, False)
    assert [row.run for row in history.runs()][-1] == "run-0002"
    assert history.require_sound().tests == 1


def test_the_newest_runs_of_each_profile_stay(history: History) -> None:
    assert filled(history).prune(keep=1).runs == ("run-0000", "run-0001", "run-0002", "run-0003")
    assert history.recent()[A].runs == ("run-0004", "run-0005")


def test_a_dry_run_changes_nothing(history: History) -> None:
    before = filled(history).totals().runs, history.recent()
    assert len(history.prune(keep=1, dry_run=True).runs) == 4
    assert (history.totals().runs, history.recent()) == before


def test_nothing_of_a_removed_run_is_left(history: History) -> None:
    filled(history).prune(keep=0)
    for name in schema.tables():
        rows = history.database.rows(f"SELECT count(*) FROM {name}")[0][0]
        assert rows == {"facts": rows, "pruned": 6}.get(name, 0), name
    assert history.prune(keep=0).runs == ()


def test_older_results_come_back_when_newer_ones_go(history: History) -> None:
    """The kept rows hold fifty; when ten of these are removed, ten older ones take their place."""
    for index in range(70):
        history.import_run(made_run(index, {A: "p"}, profile="old" if index < 60 else "new"))
    recent.fold(history.database)
    assert history.recent()[A].runs[0] == "run-0020"
    history.database.rows("DELETE FROM runs WHERE profile = 'new'")
    history.database.rows("DELETE FROM attempts WHERE run NOT IN (SELECT number FROM runs)")
    recent.rebuild(history.database)
    assert history.recent()[A].runs[0] == "run-0010"


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (3, 1, 4, 0, 2), (4, 3, 2, 1, 0)])
@pytest.mark.parametrize("folds", [(), (1,), (2, 4)])
def test_the_latest_results_are_those_of_the_kept_rows(
    history: History, order: tuple[int, ...], folds: tuple[int, ...]
) -> None:
    """Folded or not, and whichever run is imported late."""
    for turn, index in enumerate(order):
        history.import_run(made_run(index, {A: "pfpfp"[index], B: "p"} if index else {A: "p"}))
        if turn in folds:
            recent.fold(history.database)
    for limit in (1, 2, 50):
        known = history.recent(limit)
        rows = {test: (verdicts, durations) for test, verdicts, durations in history.lately(limit)}
        assert {test: verdicts for test, (verdicts, _durations) in rows.items()} == {
            test: seen.verdicts for test, seen in known.items()
        }
        for test, (_verdicts, durations) in rows.items():
            assert durations == pytest.approx(known[test].durations)


def test_what_tests_need_is_known_although_the_newest_runs_selected_the_same_few(history: History) -> None:
    """Two runs of one test say nothing of the others, and must not end the search."""
    some = [NodeId(f"a.py::t{number}") for number in range(5)]
    history.import_run(made_run(0, dict.fromkeys([*some, A], "p")))
    for index in (1, 2, 3):
        history.import_run(made_run(index, {A: "p"}))
    assert set(history.usage()) == {*some, A}


DAMAGE = {
    "1 attempts of unknown tests": "DELETE FROM tests WHERE node = 'b.py::b'",
    "1 failures without their attempt": "UPDATE failures SET number = 7 WHERE test = 2",
    "7 failures whose message is lost": "DELETE FROM texts",
    "runs whose results do not add up": "UPDATE runs SET tests = 5",
    "1 runs whose results do not add up": "DELETE FROM attempts WHERE test = 2",
    "the kept recent results differ": "UPDATE recent SET verdicts = 'xxxxxx' WHERE test = 1",
    "attempts of unknown runs": "DELETE FROM runs",
}


@pytest.mark.parametrize("problem", DAMAGE)
def test_what_does_not_belong_together_is_found(history: History, problem: str) -> None:
    recent.fold(filled(history).database)
    assert history.check().problems == ()
    history.database.rows(DAMAGE[problem])
    assert problem in "; ".join(history.check().problems)
    with pytest.raises(HistoryDamaged, match=r"invoke history\.export"):
        history.require_sound()


@pytest.mark.parametrize("body", [b"rubbish", b"x\x9cK\x04\x00\x00b\x00b"])
def test_damaged_texts_are_found(history: History, body: bytes) -> None:
    filled(history, 1)
    key = history.database.rows("SELECT hash FROM texts LIMIT 1")[0][0]
    history.database.replace("texts", ("hash", "body"), [(key, body)])
    assert "1 texts are damaged" in history.check().problems


def test_a_damaged_text_is_no_answer(history: History) -> None:
    filled(history, 1)
    history.database.rows("UPDATE texts SET body = hash")
    with pytest.raises(HistoryDamaged, match="a text in the history is damaged"):
        history.failures()


def test_every_question_of_the_check_is_proved() -> None:
    """No check without a damage above that it finds."""
    shown = " ".join(DAMAGE)
    assert [name for name in _MUST_BE_EMPTY if name not in shown] == ["failures whose traceback is lost"]
