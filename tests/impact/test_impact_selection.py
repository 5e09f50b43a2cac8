"""Selection: pure, and never less than it must be."""

from hypothesis import given
from hypothesis import strategies as st

from toolkit.config.settings import Impact
from toolkit.impact.inputs import CaseRecord
from toolkit.impact.policy import DAY, PastRun, full_reason, track
from toolkit.impact.selection import is_flaky, select
from toolkit.records import NodeId

TESTS = st.sampled_from([NodeId(f"t.py::t{n}") for n in range(6)])
RECORDS = st.dictionaries(
    TESTS, st.tuples(st.text("PFESxXC", min_size=1, max_size=10), st.floats(0, 9), st.integers(0, 9))
).map(
    lambda rows: {
        test: CaseRecord(test=test, outcomes=outcomes, duration=seconds, runs_since_bad=since)
        for test, (outcomes, seconds, since) in rows.items()
    }
)
CHANGED = st.dictionaries(TESTS, st.just("lib.py::f"))


@given(RECORDS, CHANGED, CHANGED)
def test_only_known_good_unchanged_tests_are_left_out(
    known: dict[NodeId, CaseRecord], changed: dict[NodeId, str], since: dict[NodeId, str]
) -> None:
    chosen = select(known, changed, since)
    for test in chosen.left_out:
        assert test in known
        assert test not in changed
        assert test not in since
        assert known[test].outcomes[-1] in "PxX"
        assert not {"x", "X"} <= set(known[test].outcomes)
        assert known[test].runs_since_bad >= 3
        assert not is_flaky(known[test].outcomes)
        assert chosen.verdicts[test].cause == "unaffected"
    assert set(chosen.verdicts) == set(known)


@given(RECORDS, CHANGED, CHANGED)
def test_more_changes_never_leave_out_more(
    known: dict[NodeId, CaseRecord], changed: dict[NodeId, str], more: dict[NodeId, str]
) -> None:
    assert select(known, {**changed, **more}).left_out <= select(known, changed).left_out
    assert select(known, changed, more).left_out <= select(known, changed).left_out


@given(RECORDS, CHANGED)
def test_a_full_run_leaves_out_nothing_but_knows_what_it_would(
    known: dict[NodeId, CaseRecord], changed: dict[NodeId, str]
) -> None:
    full = select(known, changed, full="because")
    assert not full.left_out
    assert full.would_leave_out == select(known, changed).left_out
    assert all(verdict.selected for verdict in full.verdicts.values())


@given(RECORDS, TESTS)
def test_what_must_always_run_does(known: dict[NodeId, CaseRecord], test: NodeId) -> None:
    assert test not in select(known, {}, always=[test]).left_out


def past(*modes: str, at: float = 0.0) -> list[PastRun]:
    return [PastRun(at=at, mode=mode) for mode in modes]


def reason(
    policy: Impact, runs: list[PastRun], *, branch: str = "work", place: str = "ci", now: float = 1
) -> str:
    return full_reason(policy, branch=branch, environment=place, past=runs, now=now)


def test_ci_runs_everything_on_the_main_branch_and_only_there() -> None:
    assert "branch main" in reason(Impact(), past("selected"), branch="main")
    assert not reason(Impact(), past("selected"), branch="main", place="local")
    assert not reason(Impact(), past("selected"), branch="topic")


def test_every_nth_run_runs_everything() -> None:
    policy = Impact(every=3)
    assert not reason(policy, past("record", "selected"))
    assert "every 3th run" in reason(policy, past("record", "selected", "selected"))
    assert not reason(policy, past("selected", "selected", "full"))


def test_everything_runs_after_some_days() -> None:
    runs = past("record") + past("selected", at=8 * DAY)
    assert "more than 7 days" in reason(Impact(), runs, now=8 * DAY)
    assert not reason(Impact(days=0), runs, now=80 * DAY)
    assert not reason(Impact(), [], now=80 * DAY)


def test_recall_is_measured_where_everything_ran() -> None:
    runs = [
        PastRun(at=1, mode="shadow", failing=4, missed=1),
        PastRun(at=2, mode="selected", failing=9, saved=2.5),
        PastRun(at=3, mode="full", failing=4),
    ]
    found = track(runs)
    assert (found.judged, found.failing, found.missed, found.recall) == (2, 8, 1, 0.875)
    assert (found.runs, found.saved) == (1, 2.5)
    assert track([]).recall is None
