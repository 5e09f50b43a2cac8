"""Beta posteriors, streaks, bursts: the numbers that flakiness rests on."""

import itertools
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.analysis.beta import interval, mean_rate, quantile, share_below
from toolkit.analysis.bursts import bursts, poisson_tail
from toolkit.analysis.streaks import changes, clustering, streaks
from toolkit.records import NodeId

OUTCOMES = st.lists(st.booleans(), max_size=9)


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [(0.3, 1, 1, 0.3), (0.5, 2, 2, 0.5), (0.1, 0.5, 0.5, 0.20483276), (0.9, 5, 2, 0.885735), (0, 1, 1, 0)],
)
def test_the_beta_distribution_has_its_known_values(x: float, a: float, b: float, expected: float) -> None:
    assert share_below(x, a, b) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.5, 60), st.floats(0.5, 60))
def test_a_quantile_is_the_inverse(share: float, a: float, b: float) -> None:
    value = quantile(share, a, b)
    assert share_below(min(value + 1e-8, 1), a, b) >= share - 1e-4 or value > 1 - 1e-6
    assert share_below(max(value - 1e-8, 0), a, b) <= share + 1e-4 or value < 1e-6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_an_interval_contains_the_mean_and_shrinks_with_confidence(failures: int, successes: int) -> None:
    low, high = interval(failures, successes)
    narrow_low, narrow_high = interval(failures, successes, confidence=0.5)
    assert 0 <= low <= narrow_low <= narrow_high <= high <= 1
    assert low <= mean_rate(failures, successes) <= high


def test_forty_passes_leave_less_than_five_percent() -> None:
    assert interval(0, 40)[1] == pytest.approx(0.0606, abs=0.001)
    assert quantile(0.95, 0.5, 40.5) < 0.05


@settings(max_examples=50, deadline=None)
@given(OUTCOMES)
def test_streaks_are_the_failures_and_are_apart(bad: list[bool]) -> None:
    found = streaks(bad)
    assert sum(one.length for one in found) == sum(bad)
    assert all(before.end < after.start for before, after in itertools.pairwise(found))
    assert all(all(bad[one.start : one.end]) for one in found)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_clustering_is_the_share_of_arrangements_with_as_few_changes(bad: list[bool]) -> None:
    arrangements = set(itertools.permutations(bad)) if len(bad) <= 6 else None
    found = clustering(bad)
    assert 0 < found <= 1
    if arrangements is not None and len(set(bad)) > 1:
        assert len(arrangements) == comb(len(bad), sum(bad))
        as_few = sum(changes(one) <= changes(bad) for one in arrangements)
        assert found == pytest.approx(as_few / len(arrangements))


def test_a_run_in_which_many_otherwise_good_tests_fail_is_a_burst() -> None:
    runs = [f"r{number}" for number in range(30)]
    starts = {NodeId(f"test_{number}"): ["r7"] for number in range(6)}
    starts[NodeId("flaky")] = ["r1", "r5", "r7", "r12", "r20"]
    assert bursts(starts, runs).sure == {"r7"}


def test_two_outages_with_the_same_victims_are_both_found() -> None:
    runs = [f"r{number}" for number in range(30)]
    starts = {NodeId(f"test_{number}"): ["r3", "r9"] for number in range(8)}
    assert bursts(starts, runs).sure == {"r3", "r9"}


def test_single_failures_here_and_there_are_no_burst() -> None:
    runs = [f"r{number}" for number in range(30)]
    starts = {NodeId(f"test_{number}"): [f"r{number}"] for number in range(20)}
    assert not bursts(starts, runs).sure
    assert not bursts({}, runs).sure


def test_two_tests_that_fail_together_leave_doubt() -> None:
    runs = [f"r{number}" for number in range(50)]
    found = bursts({NodeId("a"): ["r3"], NodeId("b"): ["r3"]}, runs)
    assert (found.sure, found.doubtful) == (frozenset(), frozenset({"r3"}))


def test_poisson_tail() -> None:
    assert poisson_tail(0, 2.0) == 1
    assert poisson_tail(2, 1.0) == pytest.approx(0.26424, abs=1e-5)
    assert (poisson_tail(1, 0.0), poisson_tail(0, 0.0)) == (0, 1)
