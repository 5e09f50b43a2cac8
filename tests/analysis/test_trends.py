"""Change points, trends and what follows from them."""

import math
import random
import shlex
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.past_runs import made_past, made_run_row, run_name
from toolkit.analysis.advice import advise
from toolkit.analysis.changepoints import changes_of, pelt
from toolkit.analysis.flaky import flaky_tests
from toolkit.analysis.metrics import metrics_of
from toolkit.analysis.trends import run_trends, test_trends
from toolkit.history.answers import Recent
from toolkit.history.usage import Usage
from toolkit.records import NodeId


def noisy(chance: random.Random, *levels: tuple[int, float]) -> list[float]:
    return [level + chance.gauss(0, 1) for count, level in levels for _ in range(count)]


def test_steps_are_found_where_they_are() -> None:
    values = noisy(random.Random(1), (30, 0.0), (30, 8.0), (20, 3.0))
    found = changes_of(values)
    assert [one.place for one in found] == pytest.approx([30, 60], abs=1)
    assert found[0].after == pytest.approx(8, abs=1)
    assert all(one.strength > 5 for one in found)


def test_noise_has_no_change_points() -> None:
    chance = random.Random(2)
    found = [changes_of(noisy(chance, (50, 0.0))) for _ in range(200)]
    assert sum(map(bool, found)) <= 10


def test_a_single_outlier_is_no_change() -> None:
    values = noisy(random.Random(3), (20, 0.0))
    values[11] = 100.0
    assert changes_of(values) == ()


def test_equal_values_and_short_series_have_none() -> None:
    assert changes_of([5.0] * 40) == ()
    assert changes_of([0.0, 100.0]) == ()
    assert [one.place for one in changes_of([5.0] * 20 + [7.0] * 20)] == [20]


def cheapest(values: list[float], penalty: float) -> float:
    """Try all segmentations."""
    best = [-penalty] + [math.inf] * len(values)
    for end in range(1, len(values) + 1):
        for start in range(end):
            best[end] = min(best[end], best[start] + deviation(values[start:end]) + penalty)
    return best[-1]


def deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=14), st.integers(1, 30))
def test_pruning_loses_nothing(values: list[float], penalty: int) -> None:
    cuts = pelt(values, sigma=1.0, least=1, penalty=float(penalty))
    edges = [0, *cuts, len(values)]
    parts = [values[start:end] for start, end in pairwise(edges)]
    cost = sum(map(deviation, parts)) + penalty * (len(parts) - 1)
    assert cost == pytest.approx(cheapest(values, penalty), abs=1e-6)


def test_runs_that_became_slower_are_named() -> None:
    chance = random.Random(4)
    runs = [
        made_run_row(
            number,
            wall=(10.0 if number < 20 else 18.0) * chance.uniform(0.95, 1.05),
            tests=100,
            passed=100,
            duration=20.0 * chance.uniform(0.95, 1.05),
        )
        for number in range(40)
    ]
    trends = {trend.metric: trend for trend in run_trends(runs[::-1])}
    (moved,) = trends["wall"].moved
    assert moved.run == run_name(20)
    assert moved.factor == pytest.approx(1.8, abs=0.1)
    assert not trends["work"].moved
    assert not trends["success"].moved
    assert [point.run for point in trends["wall"].points] == [run_name(number) for number in range(40)]
    (advice,) = advise(metrics_of([], {}), trends=trends.values())  # type: ignore[arg-type]
    assert (advice.rule, advice.subject) == ("slower-runs", "unit 3.12 ci")
    assert run_name(20) in advice.evidence


def test_a_success_rate_that_fell_is_named() -> None:
    runs = [
        made_run_row(number, tests=100, passed=100 - bad, failed=bad)
        for number, bad in enumerate([0] * 15 + [6] * 15)
    ]
    (trend,) = [trend for trend in run_trends(runs) if trend.metric == "success"]
    assert [moved.run for moved in trend.moved] == [run_name(15)]
    assert trend.moved[0].after == pytest.approx(0.94)


def slowed(test: str, before: float, after: float) -> Recent:
    chance = random.Random(test)
    durations = [level * chance.uniform(0.9, 1.1) for level in [before] * 20 + [after] * 20]
    runs = tuple(map(run_name, range(40)))
    return Recent(test=NodeId(test), runs=runs, verdicts="p" * 40, durations=tuple(durations))


def test_tests_that_became_slower_are_named() -> None:
    rows = [slowed("a", 0.5, 2.0), slowed("b", 0.5, 0.5), slowed("c", 0.001, 0.004)]
    runs = {run_name(number): made_run_row(number) for number in range(40)}
    (trend,) = test_trends({row.test: row for row in rows}, runs)
    assert (trend.label, trend.moved[0].run) == ("a", run_name(20))
    (advice,) = advise(metrics_of([], {}), trends=[trend])
    assert (advice.rule, advice.subject) == ("slower", "a")
    assert "c000000020" in advice.evidence


def test_two_pythons_are_not_compared_with_each_other() -> None:
    row = slowed("a", 0.5, 2.0)
    mixed = tuple(
        seconds for pair in zip(row.durations[:20], row.durations[20:], strict=True) for seconds in pair
    )
    runs = {run_name(n): made_run_row(n, python="3.12.1" if n % 2 else "3.13.0") for n in range(40)}
    assert test_trends({row.test: msgspec.structs.replace(row, durations=mixed)}, runs) == ()


def test_every_rule_names_subject_evidence_and_action() -> None:
    letters = {"a.py::t": "p" * 12, "flaky.py::t": "pP" * 6, "s.py::t": "s" * 12}
    past = made_past(letters)
    slow = msgspec.structs.replace(past.recent[NodeId("a.py::t")], durations=(9.0,) * 12)
    recent = {**past.recent, slow.test: slow}
    runs = [made_run_row(n, tests=2, passed=1, failed=n % 2) for n in range(20)]
    usage = {
        NodeId("w.py::t"): Usage(setup=0.1, duration=4.0, cpu=0.2, memory=None),
        NodeId("f.py::t"): Usage(setup=2.0, duration=2.2, cpu=2.0, memory=None),
        NodeId("f.py::u"): Usage(setup=2.0, duration=2.2, cpu=None, memory=None),
    }
    flaky = flaky_tests(past)
    others = [msgspec.structs.replace(flaky[0], kind=kind) for kind in ("order", "infrastructure")]
    found = advise(metrics_of(runs, recent), flaky=[*flaky, *others], usage=usage)
    assert {(one.rule, one.subject) for one in found} == {
        ("slow-test", "a.py::t"),
        ("flaky-chance", "flaky.py::t"),
        ("flaky-order", "flaky.py::t"),
        ("flaky-infrastructure", "flaky.py::t"),
        ("costly-setup", "f.py"),
        ("waits", "w.py::t"),
        ("always-skipped", "s.py"),
        ("unreliable-profile", "unit"),
    }
    assert all(one.evidence and one.action for one in found)
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)


def test_a_suspect_is_no_ground_for_advice() -> None:
    suspects = flaky_tests(made_past({"a.py::t": "pPp"}))
    assert suspects
    assert advise(metrics_of([], {}), flaky=suspects) == ()


def test_what_is_advised_can_be_pasted() -> None:
    """Parameters hold what a shell takes for its own, and a quarantine needs an owner and a reason."""
    (flaky,) = flaky_tests(made_past({"a.py::t[x y]": "pP" * 6}))
    kinds = ("order", "infrastructure", flaky.kind)
    found = advise(metrics_of([], {}), flaky=[msgspec.structs.replace(flaky, kind=kind) for kind in kinds])
    words = {one.rule: shlex.split(one.action.partition("invoke ")[2]) for one in found}
    assert words == {
        "flaky-order": ["tests.bisect", "a.py::t[x y]"],
        "flaky-infrastructure": ["failures.show", "a.py::t[x y]"],
        "flaky-chance": [
            "flaky.quarantine", "a.py::t[x y]", "--owner", "OWNER", "--reason", "REASON",
        ],
    }  # fmt: skip
