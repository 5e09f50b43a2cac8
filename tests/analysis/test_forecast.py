"""Forecasts: learned from the past only, with actions, and with an honest measure."""

import random
import shlex

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.past_runs import made_past, run_name
from toolkit.analysis.cofailure import CoFailures
from toolkit.analysis.flaky import flaky_tests
from toolkit.analysis.forecast import apfd, auc, evaluate, forecasts, learned_runs, quality
from toolkit.analysis.likelihood import Ledger
from toolkit.analysis.prediction import Model, Result, train
from toolkit.records import NodeId

A, B = NodeId("a.py::t"), NodeId("b.py::t")


def test_a_test_is_concerned_by_what_made_it_fail_before() -> None:
    known = CoFailures()
    known.learn(["src/x.py"], [A])
    known.learn(["src/x.py", "src/y.py"], [A])
    known.learn(["src/y.py"], [])
    assert known.touched([A, B], ["src/x.py", "new.py"]) == {A: pytest.approx(2 / 3)}
    assert known.touched([A, B], ["src/y.py", "b.py"]) == {A: pytest.approx(1 / 3), B: 1.0}
    assert known.touched([A, B], []) == {}


def test_runs_are_told_oldest_first_with_what_was_known_before_them() -> None:
    past = made_past({"a.py::t": "pfpP", "b.py::t": "spxp"})
    asked: list[tuple[str, str]] = []

    def changed(before: str, after: str) -> list[str]:
        asked.append((before, after))
        return ["src/x.py"]

    runs = learned_runs(past, changed)
    assert asked == [(run_name(n), run_name(n + 1)) for n in range(3)]
    assert [[(one.test, one.failed, one.touched) for one in run] for run in runs] == [
        [(A, False, 0.0)],
        [(A, True, 0.0), (B, False, 0.0)],
        [(A, False, 0.5)],
        [(A, True, pytest.approx(1 / 3)), (B, False, 0.0)],
    ]


def test_a_large_history_is_learned_from_where_something_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.analysis.forecast.MOST_RESULTS", 6)
    runs = learned_runs(made_past({"a.py::t": "pfpp", "b.py::t": "pppp"}))
    assert {one.test for run in runs for one in run} == {A}


def test_a_young_project_gets_forecasts_and_no_error() -> None:
    past = made_past({"a.py::t": "f", "b.py::t": "p"})
    found = forecasts(train(learned_runs(past)), past)
    assert [one.test for one in found] == [A, B]
    assert not found[0].calibrated
    assert forecasts(Model(Ledger()), made_past({"a": "p"}))[0].probability < 0.6


def test_what_is_likely_to_fail_has_factors_and_actions() -> None:
    letters = {"a.py::t": "f" * 30, "b.py::t": "p" * 30, "c.py::t": "pP" * 15}
    past = made_past(letters)
    found = {
        one.test: one
        for one in forecasts(train(learned_runs(past)[:5]), past, touched={A: 1.0}, flaky=flaky_tests(past))
    }
    assert found[A].risk == "high"
    assert found[A].factors[0] == "the change touches what it depends on"
    assert "invoke failures.show a.py::t" in found[A].actions[1]
    assert found[B].actions == ()
    assert found[NodeId("c.py::t")].risk == "listed"
    assert "invoke flaky.show c.py::t" in found[NodeId("c.py::t")].actions[0]


def made_runs(count: int) -> list[list[Result]]:
    chance = random.Random(1)
    return [
        [
            Result(test=NodeId(f"t{index}"), failed=chance.random() < index / 10, duration=1.0)
            for index in range(10)
        ]
        for _ in range(count)
    ]


def test_quality_is_measured_on_what_was_held_back() -> None:
    found = evaluate(made_runs(9))
    assert found is not None
    assert (found.runs, found.results) == (3, 30)
    assert found.auc is not None
    assert found.auc > 0.6
    assert found.apfd is not None
    assert found.apfd > 0.5
    assert 0 <= found.brier < 0.3
    assert evaluate(made_runs(1)) is None
    assert evaluate([]) is None


def test_order_dependence_has_an_action_of_its_own() -> None:
    past = made_past({"a.py::t": "fP" * 10})
    (flaky,) = flaky_tests(past)
    ordered = type(flaky)(
        **{**{name: getattr(flaky, name) for name in flaky.__struct_fields__}, "kind": "order"}
    )
    (found,) = forecasts(train(learned_runs(past)[:5]), past, flaky=[ordered])
    assert "invoke tests.bisect a.py::t" in found.actions[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.8, 1.0]), st.booleans()), max_size=12))
def test_the_area_is_the_share_of_pairs_in_the_right_order(told: list[tuple[float, bool]]) -> None:
    bad = [chance for chance, failed in told if failed]
    good = [chance for chance, failed in told if not failed]
    pairs = [(x > y) + 0.5 * (x == y) for x in bad for y in good]
    assert auc(told) == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_scores_have_their_known_values() -> None:
    assert apfd([True, False, False, False]) == pytest.approx(0.875)
    assert apfd([False, True]) == pytest.approx(0.25)
    found = quality([(0.95, True), (0.05, False)])
    assert found.calibration == pytest.approx(0.05)
    assert found.brier == pytest.approx(0.0025)
    assert quality([]).brier == 0.0


def test_the_actions_of_a_forecast_can_be_pasted() -> None:
    odd = "a.py::t[x y]"
    bad, late = made_past({odd: "f" * 30}), made_past({odd: "pP" * 15})
    runs, (flaky,) = learned_runs(bad), flaky_tests(late)
    model = train(runs[:5])
    said = [
        action
        for given in ([], [flaky], [msgspec.structs.replace(flaky, kind="order")])
        for one in forecasts(model, bad, flaky=given)
        for action in one.actions
    ]
    (weak,) = forecasts(train(learned_runs(late)[:6]), late)
    named = [
        shlex.split(action.partition("invoke ")[2]) for action in (*said, *weak.actions) if "invoke" in action
    ]
    assert sorted(named) == [
        ["failures.show", odd], ["flaky.show", odd], ["history.test", odd], ["tests.bisect", odd],
    ]  # fmt: skip


def test_what_failed_after_which_changes_is_learned_once_and_can_be_asked_later() -> None:
    known = CoFailures()
    learned_runs(made_past({"a.py::t": "pffp", "b.py::t": "pppp"}), lambda _before, _after: ["x.py"], known)
    assert known.touched([A, B], ["x.py"]) == {A: pytest.approx(2 / 4)}
