"""Figures: wall and work apart, percentiles, groups."""

from statistics import quantiles

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.past_runs import made_past, made_run_row
from toolkit.analysis.metrics import Spread, metrics_of, percentile, run_figures, spread
from toolkit.analysis.owners import owners
from toolkit.analysis.trends import run_trends
from toolkit.records import NodeId


def test_work_and_wall_are_never_mixed() -> None:
    runs = [made_run_row(number, wall=10.0, duration=35.0, tests=100, passed=100) for number in range(3)]
    runs.append(made_run_row(3, wall=None, duration=5.0, tests=10, passed=10))
    found = run_figures(runs)
    assert (found.work, found.wall) == (110.0, 30.0)
    assert found.walls.median == 10.0
    assert found.throughput == 10.0
    assert found.parallelism == pytest.approx(3.5)


def test_skipped_results_count_neither_way() -> None:
    found = run_figures([made_run_row(0, tests=10, passed=6, failed=1, errors=1, skipped=2)])
    assert (found.passed, found.bad, found.success) == (6, 2, 0.75)
    assert run_figures([made_run_row(0, tests=2, skipped=2)]).success is None


def test_success_is_that_of_the_summary() -> None:
    """docs/reference/summary.md: expected failures are skipped, unexpected passes passed."""
    run = made_run_row(0, tests=10, passed=2, xpassed=1, failed=1, skipped=2, xfailed=4)
    found = run_figures([run])
    assert (found.passed, found.skipped, found.success) == (3, 6, 0.75)
    (trend,) = [trend for trend in run_trends([run]) if trend.metric == "success"]
    assert trend.points[0].value == 0.75
    tests = metrics_of([], made_past({"a.py::t": "pfppxxxxyy"}).recent).tests
    assert tests.success == pytest.approx(5 / 6)
    assert metrics_of([], made_past({"a.py::t": "xx"}).recent).tests.success is None


def test_green_runs_ended_and_missed_nothing() -> None:
    runs = [
        made_run_row(0, tests=1, passed=1),
        made_run_row(1, tests=1, failed=1),
        made_run_row(2, tests=1, passed=1, missing=1),
        made_run_row(3, tests=1, passed=1, wall=None),
    ]
    assert run_figures(runs).green == 1


def test_an_empty_history_has_figures() -> None:
    found = metrics_of([], {})
    assert found.runs.throughput is found.runs.parallelism is found.tests.success is None
    assert found.tests.durations == Spread()
    assert found.slowest == ()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=30))
def test_percentiles_are_those_of_the_standard_library(values: list[float]) -> None:
    expected = quantiles(values, n=100, method="inclusive")
    found = spread(values)
    assert found.median == pytest.approx(expected[49])
    assert found.p90 == pytest.approx(expected[89])
    assert found.p99 == pytest.approx(expected[98])
    assert percentile(sorted(values), 1.0) == max(values) == found.longest


def test_tests_by_module_and_owner() -> None:
    past = made_past({"a.py::t": "pfpp", "a.py::u": "sspp", "b.py::v": "pPpp"})
    owner = owners("*.py @all\nb.py @bea @bo\n")
    found = metrics_of([], past.recent, owner=owner)
    assert [(row.label, row.tests, row.bad, row.late, row.skipped) for row in found.by_module] == [
        ("a.py", 2, 1, 0, 2),
        ("b.py", 1, 0, 1, 0),
    ]
    assert [(row.label, row.tests) for row in found.by_owner] == [("@all", 2), ("@bea @bo", 1)]
    assert found.by_module[0].success == pytest.approx(5 / 6)
    assert found.by_module[0].stability == pytest.approx(2 / 4)
    assert found.tests.typical == pytest.approx(0.3)


def test_slowest_and_fastest_leave_out_what_never_ran() -> None:
    past = made_past({"a.py::slow": "pp", "a.py::fast": "pp", "a.py::never": "ss"})
    slow = past.recent[NodeId("a.py::slow")]
    recent = {**past.recent, slow.test: msgspec.structs.replace(slow, durations=(5.0, 5.0))}
    found = metrics_of([], recent)
    assert [row.label for row in found.slowest] == ["a.py::slow", "a.py::fast"]
    assert [row.label for row in found.fastest] == ["a.py::fast", "a.py::slow"]


def test_runs_by_profile_and_python() -> None:
    runs = [made_run_row(0), made_run_row(1, profile="e2e"), made_run_row(2, python="3.13.1")]
    found = metrics_of(runs, {})
    assert [(row.label, row.runs) for row in found.by_profile] == [("e2e", 1), ("unit", 2)]
    assert [(row.label, row.runs) for row in found.by_python] == [("3.12.1", 2), ("3.13.1", 1)]


@pytest.mark.parametrize(
    ("pattern", "owned", "not_owned"),
    [
        ("*.py", "deep/a.py", "a.txt"),
        ("/tests/", "tests/a/b.py", "more/tests/b.py"),
        ("tests/", "more/tests/b.py", "tests.py"),
        ("docs/*", "docs/a.md", "docs/a/b.md"),
        ("src/**/db", "src/x/y/db/z.py", "src/x.py"),
        ("/a?.py", "ab.py", "abc.py"),
        ("tests/unit", "tests/unit/a.py", "tests/unity/a.py"),
    ],
)
def test_patterns_of_owners(pattern: str, owned: str, not_owned: str) -> None:
    owner = owners(f"# who owns what\n\n[Section]\n{pattern} @me # mine\n")
    assert (owner(owned), owner(not_owned)) == ("@me", "")


def test_the_last_matching_line_owns() -> None:
    owner = owners("* @all\n*.py @py\n/free.py\n")
    assert (owner("a.md"), owner("x/a.py"), owner("free.py")) == ("@all", "@py", "")
