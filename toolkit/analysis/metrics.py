"""Figures of the history: counts, times, percentiles, throughput and stability, overall and by group.

Two times are kept apart everywhere. *Work* is the sum over all attempts of all tests: what the machines did.
*Wall* is what a person waited, from the start of a run to its end. With four workers, work is up to four
times wall; a mean of one is never shown as the other.

Percentiles interpolate between the neighbouring values (Hyndman and Fan 1996, definition 7).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise

import msgspec

from toolkit.history.answers import Recent, RunRow
from toolkit.history.letters import BAD
from toolkit.records import NodeId

SLOWEST = 10


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How values are spread, in seconds."""

    median: float = 0.0
    p90: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    longest: float = 0.0


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What some runs together say.

    Attributes:
        label: what they have in common: a profile, a Python; "" for all.
        runs: how many.
        green: how many of them had no failure, ended, and missed no test.
        results: one per test and run.
        passed: of the results, also unexpectedly; those that passed late are in ``late`` as well.
        bad: failed, in error or crashed.
        skipped: of the results, also those that failed as expected; they count neither for nor against.
        late: good only after a retry.
        success: passed ÷ (passed + bad), 0 … 1; None: nothing ran.
        work: seconds of all attempts, summed.
        wall: seconds from start to end of the runs that ended, summed.
        walls: how the wall time of one run is spread.
        throughput: results per second of wall time; None: no run ended.
        parallelism: work ÷ wall of the runs that ended; None: no run ended.
    """

    label: str = ""
    runs: int
    green: int
    results: int
    passed: int
    bad: int
    skipped: int
    late: int
    success: float | None
    work: float
    wall: float
    walls: Spread
    throughput: float | None
    parallelism: float | None


class TestFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What some tests together say, by their newest results (at most 50 each).

    Attributes:
        label: what they have in common: a file, an owner; the identity of a single test; "" for all.
        tests: how many.
        results: newest results, skipped ones included.
        bad: of the results.
        late: good only after a retry.
        skipped: of the results.
        success: good ÷ (good + bad), 0 … 1, expected failures left out; None: nothing ran.
        stability: share of neighbouring results of a test that are alike, 0 … 1; None: no neighbours.
        typical: seconds of one execution of all of them: the sum of their median durations.
        durations: how the duration of one result is spread.
    """

    __test__ = False

    label: str = ""
    tests: int
    results: int
    bad: int
    late: int
    skipped: int
    success: float | None
    stability: float | None
    typical: float
    durations: Spread


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a history."""

    runs: RunFigures
    by_profile: tuple[RunFigures, ...] = ()
    by_python: tuple[RunFigures, ...] = ()
    tests: TestFigures
    by_module: tuple[TestFigures, ...] = ()
    by_owner: tuple[TestFigures, ...] = ()
    slowest: tuple[TestFigures, ...] = ()
    fastest: tuple[TestFigures, ...] = ()


def metrics_of(
    runs: Sequence[RunRow],
    recent: Mapping[NodeId, Recent],
    *,
    owner: Callable[[str], str] = lambda _file: "",
    slowest: int = SLOWEST,
) -> Metrics:
    """Compute all figures.

    Args:
        runs: of the history, in any order.
        recent: newest results of every test.
        owner: file → who owns it; "" when nobody does.
        slowest: how many of the slowest and of the fastest tests are listed.
    """
    rows = [_Row(row) for row in recent.values()]
    owned = [(owner(row.file), row) for row in rows]
    by_speed = sorted((row for row in rows if row.ran), key=lambda row: (-row.typical, row.test))
    return Metrics(
        runs=run_figures(runs),
        by_profile=_each_run_group(runs, lambda run: run.profile),
        by_python=_each_run_group(runs, lambda run: run.python),
        tests=_test_figures("", rows),
        by_module=_each_test_group((row.file, row) for row in rows),
        by_owner=_each_test_group(pair for pair in owned if pair[0]),
        slowest=tuple(_test_figures(row.test, [row]) for row in by_speed[:slowest]),
        fastest=tuple(_test_figures(row.test, [row]) for row in by_speed[::-1][:slowest]),
    )


def run_figures(runs: Sequence[RunRow], label: str = "") -> RunFigures:
    """Add up runs."""
    ended = [(run, run.wall) for run in runs if run.wall is not None]
    wall = sum(seconds for _, seconds in ended)
    passed, bad = sum(run.passed + run.xpassed for run in runs), sum(run.bad for run in runs)
    return RunFigures(
        label=label,
        runs=len(runs),
        green=sum(not run.bad and not run.missing for run, _ in ended),
        results=sum(run.tests for run in runs),
        passed=passed,
        bad=bad,
        skipped=sum(run.skipped + run.xfailed for run in runs),
        late=sum(run.flaky for run in runs),
        success=_share(passed, passed + bad),
        work=sum(run.duration for run in runs),
        wall=wall,
        walls=spread([seconds for _, seconds in ended]),
        throughput=_share(sum(run.tests for run, _ in ended), wall),
        parallelism=_share(sum(run.duration for run, _ in ended), wall),
    )


def _each_run_group(runs: Sequence[RunRow], key: Callable[[RunRow], str]) -> tuple[RunFigures, ...]:
    groups: dict[str, list[RunRow]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return tuple(run_figures(group, label) for label, group in sorted(groups.items()))


class _Row:
    """The newest results of one test, counted once for all groups that it belongs to."""

    __slots__ = (
        "alike", "bad", "durations", "expected", "file", "late", "pairs", "ran", "skipped", "test", "typical",
    )  # fmt: skip

    def __init__(self, row: Recent) -> None:
        letters = row.verdicts
        told = Counter(letters)
        self.test = row.test
        self.file = row.test.partition("::")[0]
        self.bad = sum(count for letter, count in told.items() if letter in BAD)
        self.late = sum(count for letter, count in told.items() if letter.isupper())
        self.skipped = told["s"] + told["S"]
        self.expected = told["x"] + told["X"]
        self.durations: Sequence[float] = row.durations
        if self.skipped:
            pairs = zip(letters, row.durations, strict=True)
            self.durations = [seconds for letter, seconds in pairs if letter not in "sS"]
            letters = letters.replace("s", "").replace("S", "")
        self.ran = len(letters)
        self.pairs = max(0, self.ran - 1)
        self.alike = self.pairs
        if self.bad or self.late:
            good = [letter not in BAD and not letter.isupper() for letter in letters]
            self.alike = sum(before == after for before, after in pairwise(good))
        self.typical = percentile(sorted(self.durations), 0.5)


def _each_test_group(pairs: Iterable[tuple[str, _Row]]) -> tuple[TestFigures, ...]:
    groups: dict[str, list[_Row]] = defaultdict(list)
    for label, row in pairs:
        groups[label].append(row)
    return tuple(_test_figures(label, group) for label, group in sorted(groups.items()))


def _test_figures(label: str, rows: Sequence[_Row]) -> TestFigures:
    ran, bad = sum(row.ran for row in rows), sum(row.bad for row in rows)
    skipped = sum(row.skipped for row in rows)
    judged = ran - sum(row.expected for row in rows)
    return TestFigures(
        label=label,
        tests=len(rows),
        results=ran + skipped,
        bad=bad,
        late=sum(row.late for row in rows),
        skipped=skipped,
        success=_share(judged - bad, judged),
        stability=_share(sum(row.alike for row in rows), sum(row.pairs for row in rows)),
        typical=sum(row.typical for row in rows),
        durations=spread(list(chain.from_iterable(row.durations for row in rows))),
    )


def spread(values: Sequence[float]) -> Spread:
    """Return the percentiles of some seconds; all 0 where there are none."""
    ordered = sorted(values)
    return Spread(
        median=percentile(ordered, 0.5),
        p90=percentile(ordered, 0.9),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99),
        longest=ordered[-1] if ordered else 0.0,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return a percentile of sorted values by linear interpolation; 0 where there are none."""
    if not ordered:
        return 0.0
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
