"""``invoke analysis.*``: figures, trends and recommendations from the history."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from toolkit.analysis.metrics import RunFigures, Spread, TestFigures, metrics_of
from toolkit.analysis.owners import PLACES, owners
from toolkit.analysis.state import analyse
from toolkit.analysis.trends import Trend, run_trends, test_trends
from toolkit.config import load_config
from toolkit.tasks.door import print_json, task
from toolkit.tasks.history import opened
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"


def owner_of_files(root: Path) -> Callable[[str], str]:
    """Return the function file → owners of the project's CODEOWNERS; without one nobody owns anything."""
    found = next((root / place for place in PLACES if (root / place).is_file()), None)
    return owners("" if found is None else found.read_text(encoding="utf-8", errors="replace"))


@task(
    help={
        "json": AS_JSON,
        "profile": "only runs of this profile (the figures of tests are of all their newest results)",
        "limit": "how many tests, modules and owners to list",
    }
)
def metrics(_context: Context, *, json: bool = False, profile: str = "", limit: int = 10) -> None:
    """Show counts, wall and summed time, percentiles, throughput, stability: overall and by group."""
    with opened() as history:
        runs = history.runs(limit=None, profile=profile or None)
        owner = owner_of_files(load_config().root)
        found = metrics_of(runs, history.recent(), owner=owner, slowest=limit)
    if json:
        print_json(found)
        return
    console = wide_console()
    for title, rows in (
        ("All runs", (found.runs,)),
        ("By profile", found.by_profile),
        ("By Python", found.by_python),
    ):
        print_table(console, title, _RUN_HEADINGS, map(_run_cells, rows))
    costly = sorted(found.by_module, key=lambda row: -row.typical)[:limit]
    for title, tests in (
        ("All tests", (found.tests,)),
        ("By module", costly),
        ("By owner", found.by_owner[:limit]),
        ("Slowest", found.slowest),
        ("Fastest", found.fastest),
    ):
        print_table(console, title, _TEST_HEADINGS, map(_test_cells, tests))


_RUN_HEADINGS = (
    "", "runs", "green", "results", "bad", "skipped", "late", "success",
    "wall s", "work s", "results/s", "parallel", "run p50", "p95", "p99",
)  # fmt: skip
_TEST_HEADINGS = (
    "", "tests", "results", "bad", "late", "skipped", "success", "stability",
    "seconds", "result p50", "p95", "p99", "longest",
)  # fmt: skip


def _run_cells(row: RunFigures) -> tuple[str, ...]:
    counts = map(str, (row.runs, row.green, row.results, row.bad, row.skipped, row.late))
    return (
        row.label, *counts, _percent(row.success), f"{row.wall:.1f}", f"{row.work:.1f}",
        _number(row.throughput), _number(row.parallelism), *_percentiles(row.walls),
    )  # fmt: skip


def _test_cells(row: TestFigures) -> tuple[str, ...]:
    counts = map(str, (row.tests, row.results, row.bad, row.late, row.skipped))
    return (
        row.label, *counts, _percent(row.success), _percent(row.stability), f"{row.typical:.3f}",
        *_percentiles(row.durations), f"{row.durations.longest:.3f}",
    )  # fmt: skip


def _percentiles(spread: Spread) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in (spread.median, spread.p95, spread.p99))


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


@task(help={"json": AS_JSON, "limit": "how many tests to list"})
def trends(_context: Context, *, json: bool = False, limit: int = 20) -> None:
    """Show where wall time, work, success or single tests moved to another level, and since which run."""
    with opened() as history:
        runs = history.runs(limit=None)
        of_runs = run_trends(runs)
        of_tests = test_trends(history.recent(), {run.run: run for run in runs})[:limit]
    if json:
        print_json({"runs": of_runs, "tests": of_tests})
        return
    console = wide_console()
    print_table(console, "Runs", _TREND_HEADINGS, _trend_cells(of_runs))
    print_table(console, "Tests", _TREND_HEADINGS, _trend_cells(of_tests))


_TREND_HEADINGS = ("what", "of", "results", "before", "after", "factor", "run", "commit")


def _trend_cells(trends: Iterable[Trend]) -> Iterable[tuple[str, ...]]:
    for trend in trends:
        for moved in trend.moved:
            factor = f"{moved.factor:.2f}" if math.isfinite(moved.factor) else ""
            yield (
                trend.metric, trend.label, str(len(trend.points)), f"{moved.before:.3f}",
                f"{moved.after:.3f}", factor, moved.run, moved.commit[:10],
            )  # fmt: skip


@task(help={"json": AS_JSON, "limit": "at most so many"})
def advice(_context: Context, *, json: bool = False, limit: int = 20) -> None:
    """Recommend what to do: each line names the test, the evidence and the action, the strongest first."""
    with opened() as history:
        found = analyse(history, owner=owner_of_files(load_config().root)).advice[:limit]
    if json:
        print_json(found)
        return
    cells = ((one.rule, one.subject, one.evidence, one.action) for one in found)
    print_table(wide_console(), "Recommendations", ("rule", "what", "evidence", "action"), cells)


ns = Collection(metrics, trends, advice)
