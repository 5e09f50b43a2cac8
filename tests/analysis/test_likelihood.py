"""The prior of order and prediction: what a test's own past says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.analysis.likelihood import (
    KEPT,
    NEW_TEST,
    Evidence,
    Ledger,
    flip_rate,
    likelihoods,
    urgency,
    weighted_rate,
)
from toolkit.records import NodeId

OUTCOMES = st.lists(st.booleans(), max_size=KEPT)


def evidence(name: str, outcomes: list[bool], duration: float = 1.0) -> Evidence:
    return Evidence(
        test=NodeId(name),
        recent=tuple(outcomes),
        runs=len(outcomes),
        failures=sum(outcomes),
        duration=duration,
    )


@given(st.lists(OUTCOMES, min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_likelihood_is_a_probability(histories: list[list[bool]], rate: float, new_rate: float) -> None:
    """Whatever the history, every test gets a number between 0 and 1."""
    tests = [evidence(f"t{index}", outcomes) for index, outcomes in enumerate(histories)]
    found = likelihoods(tests, rate=rate, new_rate=new_rate)
    assert len(found) == len(tests)
    assert all(0 <= one.probability <= 1 and 0 <= one.suspicion <= 1 for one in found.values())


@given(OUTCOMES.filter(lambda outcomes: len(outcomes) < KEPT), st.floats(0.1, 0.9))
def test_one_more_failure_never_lowers_the_weighted_rate(outcomes: list[bool], weight: float) -> None:
    passed = weighted_rate([*outcomes, False], weight, start=0.3)
    failed = weighted_rate([*outcomes, True], weight, start=0.3)
    assert failed > passed


def test_what_failed_lately_comes_before_what_failed_long_ago() -> None:
    """The last outcomes weigh most, and a test that never failed comes last."""
    found = likelihoods(
        [
            evidence("a/never", [False] * 10),
            evidence("m/long-ago", [True, *[False] * 9]),
            evidence("z/lately", [*[False] * 9, True]),
        ],
        rate=0.1,
        new_rate=0.1,
    )
    order = sorted(found, key=lambda test: -found[test].priority)
    assert order == ["z/lately", "m/long-ago", "a/never"]


def test_of_two_equal_suspects_the_shorter_runs_first() -> None:
    found = likelihoods(
        [evidence("a", [True, False], duration=100), evidence("b", [True, False], duration=1)],
        rate=0.1,
        new_rate=0.1,
    )
    assert found[NodeId("b")].priority > found[NodeId("a")].priority


@given(st.floats(0, 1), st.floats(0, 10), st.floats(0.01, 1))
def test_a_longer_test_is_less_urgent_and_the_exponent_says_how_much(
    suspicion: float, slowness: float, exponent: float
) -> None:
    shortest = urgency(suspicion, 0.0, exponent)
    assert urgency(suspicion, slowness, exponent) == shortest - exponent * slowness
    assert urgency(suspicion, slowness, 0.0) == shortest


def test_the_slowness_of_a_test_counts_in_typical_durations() -> None:
    found = likelihoods(
        [evidence(f"t{seconds}", [True], duration=seconds) for seconds in (0, 2, 6)], rate=0.1, new_rate=0.1
    )
    assert [one.slowness for one in found.values()] == pytest.approx([0.0, math.log(1 + 2 / 6), math.log(2)])


def test_tests_of_one_module_are_suspected_together() -> None:
    """A test that never failed is suspected more beside failing ones than among green ones."""
    green = [evidence(f"green.py::t{index}", [False] * 5) for index in range(12)]
    red = [evidence(f"red.py::t{index}", [True] * 5) for index in range(12) if index != 5]
    found = likelihoods([*green, *red, evidence("red.py::t5", [False] * 5)], rate=0.1, new_rate=0.1)
    assert found[NodeId("red.py::t5")].suspicion > found[NodeId("green.py::t5")].suspicion


def test_a_new_test_is_suspected_by_default() -> None:
    """A test that nobody has seen run comes before tests that have always passed."""
    found = likelihoods([evidence("old", [False] * 20), evidence("new", [])], rate=0.05, new_rate=0.05)
    assert found[NodeId("new")].suspicion == NEW_TEST
    assert found[NodeId("new")].priority > found[NodeId("old")].priority


@given(OUTCOMES)
def test_flip_rate_counts_changes(outcomes: list[bool]) -> None:
    flips = flip_rate(outcomes)
    assert 0 <= flips <= 1
    assert (flips == 0) == (len(set(outcomes)) < 2)


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=4), max_size=30))
def test_the_ledger_counts_every_result(runs: list[list[tuple[str, bool]]]) -> None:
    """Nothing is forgotten in the counts, and never more outcomes are kept than agreed."""
    ledger = Ledger()
    for run in runs:
        ledger.learn([(NodeId(test), failed, 1.0) for test, failed in run])
    assert sum(one.runs for one in ledger.tests.values()) == sum(map(len, runs))
    assert sum(one.failures for one in ledger.tests.values()) == sum(
        failed for run in runs for _, failed in run
    )
    assert all(len(one.recent) <= KEPT for one in ledger.tests.values())
    assert 0 < ledger.new_rate < 1
    assert 0 <= ledger.rate <= 1


def test_ranking_leaves_out_nobody() -> None:
    ledger = Ledger()
    ledger.learn([(NodeId("a"), True, 2.0)])
    assert set(ledger.rank([NodeId("a"), NodeId("b")])) == {"a", "b"}
    assert set(ledger.rank({NodeId("b"): 1.0})) == {"b"}
