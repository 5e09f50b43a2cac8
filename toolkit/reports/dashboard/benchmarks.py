"""Benchmarks on the dashboard: median per commit, where it moved, what it may take, the last comparison."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median

import msgspec

from toolkit.analysis.measures import MeasureTrend, Move, measure_trends
from toolkit.history.measured import Measured
from toolkit.reports.dashboard.facts import Benchmark, BenchmarksFacts, Compared, Moved

MEASURE = "benchmark.median_s"
COMMITS = 50
"""So many of the newest commits of each benchmark are shown."""
MOST = 2_000


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates say of benchmarks.

    Attributes:
        limit: benchmark → seconds that it may take; None: any.
        compared: benchmark → how it did against the base, in turns on one machine.
    """

    limit: Callable[[str], float | None] = lambda _name: None
    compared: Mapping[str, Compared] = {}


def benchmark_trends(rows: Iterable[Measured]) -> tuple[MeasureTrend, ...]:
    """Follow the medians of benchmarks through the runs; other measures are left out."""
    return measure_trends(row for row in rows if row.name == MEASURE)


def benchmarks_of(trends: Sequence[MeasureTrend], judged: Judged) -> BenchmarksFacts:
    """Return what the dashboard tells of benchmarks: those first that need a look."""
    points = [list(_by_commit(trend))[-COMMITS:] for trend in trends]
    first: dict[str, float] = {}
    for row in points:
        for commit, started, _ in row:
            first[commit] = min(started, first.get(commit, started))
    commits = sorted(first.items(), key=lambda pair: (pair[1], pair[0]))
    places = {commit: place for place, (commit, _) in enumerate(commits)}
    found = [_benchmark(trend, row, places, judged) for trend, row in zip(trends, points, strict=True)]
    found.sort(key=lambda one: (not is_over(one), -_badness(one), one.test))
    return BenchmarksFacts(commits=tuple(commits), rows=tuple(found[:MOST]), in_all=len(found))


def _by_commit(trend: MeasureTrend) -> Iterator[tuple[str, float, float]]:
    """Yield name, beginning and median of the runs of each commit, oldest first; a run without git is one."""
    rows = zip(trend.commits, trend.runs, trend.started, trend.values, strict=True)
    for name, group in groupby(rows, key=lambda row: row[0] or row[1]):
        runs = list(group)
        yield name, runs[0][2], median(row[3] for row in runs)


def _benchmark(
    trend: MeasureTrend, points: Sequence[tuple[str, float, float]], places: Mapping[str, int], judged: Judged
) -> Benchmark:
    seconds = [_rounded(value) for _, _, value in points]
    return Benchmark(
        test=trend.test,
        python=trend.python,
        host=trend.host,
        at=tuple(places[commit] for commit, _, _ in points),
        seconds=tuple(seconds),
        runs=len(trend.values),
        change=round(seconds[-1] / seconds[-2], 4) if len(seconds) > 1 and seconds[-2] else None,
        moved=_moved(trend.moves),
        budget=judged.limit(trend.test),
        compared=judged.compared.get(trend.test),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _moved(moves: Sequence[Move]) -> Moved | None:
    if not moves:
        return None
    last = moves[-1]
    return Moved(commit=last.commit or last.run, before=_rounded(last.before), after=_rounded(last.after))


def is_over(one: Benchmark) -> bool:
    """Tell whether the newest median is above what is allowed."""
    return one.budget is not None and one.seconds[-1] > one.budget


def is_slower(one: Benchmark) -> bool:
    """Tell whether a comparison, or else its last move, says that it became slower."""
    if one.compared is not None:
        return one.compared.slower
    return one.moved is not None and one.moved.after > one.moved.before


def _badness(one: Benchmark) -> float:
    """Order by the largest ratio that anything says, what was compared before what only moved."""
    ratios = [one.change or 1.0]
    if one.moved is not None and one.moved.before:
        ratios.append(10 * one.moved.after / one.moved.before)
    if one.compared is not None and one.compared.slower:
        ratios.append(1000 * one.compared.ratio)
    return max(ratios)
