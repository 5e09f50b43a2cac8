"""Predictions are learned from the past only, are probabilities, and never fail for want of history."""

import math
import random
import sys

import pytest

from toolkit.analysis.likelihood import Ledger, urgency
from toolkit.analysis.prediction import (
    DURATION_SHARE,
    MIN_RUNS,
    TREE_SHARE,
    Model,
    Result,
    _mean_ranks,
    _rows,
    train,
)
from toolkit.errors import MissingExtra
from toolkit.records import NodeId

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python


def runs(count: int, *, seed: int = 1) -> list[list[Result]]:
    """Histories with a known truth: test tI fails with probability I/10, independently."""
    chance = random.Random(seed)
    return [
        [
            Result(test=NodeId(f"t{index}"), failed=chance.random() < index / 10, duration=1 + index)
            for index in range(10)
        ]
        for _ in range(count)
    ]


def test_a_short_history_is_answered_by_the_prior() -> None:
    """A young project gets an answer, said to be uncalibrated, and no error."""
    model = train(runs(MIN_RUNS - 1))
    assert not model.trained
    found = model.predict({NodeId("t9"): 1.0, NodeId("t0"): 1.0, NodeId("new"): 1.0})
    assert [one.test for one in found][-1] == "t0"
    assert not any(one.calibrated for one in found)
    assert next(one for one in found if one.test == "new").factors == ("new test: it has never run",)


def test_untrained_the_order_is_that_of_the_first_stage() -> None:
    """What needs no training weighs the duration in its own way, with and without scikit-learn."""
    model = train(runs(MIN_RUNS - 1))
    tests = {NodeId(f"t{index}"): 1.0 + index for index in range(10)}
    first = model.ledger.rank(tests)
    assert {one.test: one.priority for one in model.predict(tests)} == {
        test: one.priority for test, one in first.items()
    }


def test_trained_the_duration_weighs_less_and_the_trees_more() -> None:
    """The trained order is the first stage at its own weight of the duration, corrected by the trees."""
    model = train(runs(30))
    tests = {NodeId(f"t{index}"): 1.0 + index for index in range(10)}
    first, found = model.ledger.rank(tests), {one.test: one for one in model.predict(tests)}
    uncorrected = {test: urgency(one.suspicion, one.slowness, DURATION_SHARE) for test, one in first.items()}
    corrections = [(found[test].priority - uncorrected[test]) / TREE_SHARE for test in tests]
    assert all(math.log(0.001) <= each <= math.log(1.001) for each in corrections)
    assert found[NodeId("t9")].priority > found[NodeId("t0")].priority


@pytest.mark.slow
def test_probabilities_come_near_the_truth() -> None:
    """With a long history the calibrated probability is near the known rate of failure."""
    model = train(runs(150))
    assert model.trained
    found = {
        one.test: one for one in model.predict({NodeId(f"t{index}"): 1.0 + index for index in range(10)})
    }
    errors = [abs(found[NodeId(f"t{index}")].probability - index / 10) for index in range(10)]
    assert sum(errors) / len(errors) < 0.15
    assert all(one.calibrated for one in found.values())
    assert found[NodeId("t9")].risk == "high"
    assert found[NodeId("t0")].risk == "low"
    assert any("failed in" in factor for factor in found[NodeId("t9")].factors)


def test_a_history_without_failures_is_no_error() -> None:
    green = [[Result(test=NodeId("a"), failed=False)] for _ in range(50)]
    model = train([*green, []])
    assert not model.trained
    assert model.predict({NodeId("a"): 0.0})[0].probability < 0.2
    assert model.predict({}) == []


def test_what_the_change_touches_is_named() -> None:
    model = Model(Ledger())
    model.ledger.learn([(NodeId("a"), False, 1.0)])
    (found,) = model.predict({NodeId("a"): 1.0}, touched={NodeId("a"): 1.0})
    assert found.factors[0] == "the change touches what it depends on"


@pytest.mark.parametrize("package", ["numpy", "sklearn.ensemble"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match="prediction"):
        train(runs(30))


@pytest.mark.slow
def test_training_is_reproducible() -> None:
    """The same history gives the same numbers."""
    tests = {NodeId(f"t{index}"): 1.0 for index in range(10)}
    assert train(runs(40)).predict(tests) == train(runs(40)).predict(tests)


def test_equal_tests_share_a_rank() -> None:
    """The order in which results were recorded knows what failed: it must not leak through ties."""
    assert _mean_ranks([3.0, 1.0, 3.0, 7.0, 1.0]).tolist() == [2.5, 0.5, 2.5, 4.0, 0.5]


@pytest.mark.parametrize("kind", ["reversed", "shuffled"])
def test_a_prediction_does_not_depend_on_the_order_of_the_tests(kind: str) -> None:
    """Whoever is given first is neither suspected nor spared: new and known tests, many of them tied."""
    learned = train(runs(30))
    assert learned.trained
    tests = {NodeId(f"{name}{index}"): 1.0 for index in range(10) for name in ("new", "t", "later")}
    order = list(tests)
    random.Random(3).shuffle(order) if kind == "shuffled" else order.reverse()
    assert learned.predict(dict.fromkeys(order, 1.0)) == learned.predict(tests)


def test_a_test_that_ran_again_in_a_run_competes_once() -> None:
    """Runs that repeat what failed do not make its rivals many: both of its results have the same row."""
    ledger = Ledger()
    ledger.learn([(NodeId(name), name == "a", 1.0) for name in "abc"])
    once = [Result(test=NodeId(name), failed=name == "a") for name in "abc"]
    again = _rows(ledger, [*once, Result(test=NodeId("a"), failed=False)])
    assert again.features[3].tolist() == again.features[0].tolist()
    assert again.features[:3].tolist() == _rows(ledger, once).features.tolist()
    assert again.failed == (True, False, False, False)
