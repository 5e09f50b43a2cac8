"""How the figures move from run to run, and where they changed for good (method: ``changepoints``)."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

import msgspec

from toolkit.analysis.changepoints import changes_of
from toolkit.history.answers import Recent, RunRow
from toolkit.records import NodeId

NEWEST = 200
"""So many of the newest runs of each profile and Python are looked at."""
LEAST_SECONDS = 0.02
"""Tests that take less are not watched one by one: what moves there is the machine."""
LEAST_FACTOR = 1.25
"""A duration changed when it is so many times longer or shorter."""
LEAST_STEP = 0.02
"""A rate changed when it moved by so much."""
SURE = 5.0
"""Standard errors that a change must have."""
_FLOOR = 1e-4
_NOISE_OF_RATES = 0.005


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one run."""

    run: str
    started: float
    value: float


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A change of level: from ``run`` on, ``after`` instead of ``before`` is usual."""

    run: str
    commit: str
    started: float
    before: float
    after: float

    @property
    def factor(self) -> float:
        """After ÷ before; infinite where there was nothing before."""
        return self.after / self.before if self.before else math.inf


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over time.

    Attributes:
        metric: ``wall``, ``work`` (seconds), ``tests``, ``success``, ``late`` (shares), or ``duration``
            of a test.
        label: profile, Python and place, or the identity of a test.
        points: oldest first.
        moved: changes of level, oldest first.
    """

    metric: str
    label: str
    points: tuple[Point, ...]
    moved: tuple[Moved, ...] = ()


def run_trends(runs: Sequence[RunRow]) -> tuple[Trend, ...]:
    """Follow the runs of each profile, Python and place, in order of time."""
    streams: dict[str, list[RunRow]] = defaultdict(list)
    for run in sorted(runs, key=lambda one: (one.started, one.run)):
        if run.finished is not None and run.tests:
            streams[_stream(run)].append(run)
    return tuple(
        _trend(metric, label, stream[-NEWEST:], value)
        for label, stream in sorted(streams.items())
        for metric, value in _METRICS.items()
    )


_METRICS: Mapping[str, Callable[[RunRow], float]] = {
    "wall": lambda run: run.wall or 0.0,
    "work": lambda run: run.duration,
    "tests": lambda run: float(run.tests),
    "success": lambda run: 1.0 - run.bad / max(1, run.tests - run.skipped - run.xfailed),
    "late": lambda run: run.flaky / run.tests,
}


def _stream(run: RunRow) -> str:
    """Name what may be compared: one profile on one Python in one place; developers' machines differ."""
    version = ".".join(run.python.split(".")[:2])
    place = run.host if run.environment == "local" else run.environment
    return " ".join(filter(None, (run.profile or "no profile", version, place)))


def _trend(metric: str, label: str, stream: Sequence[RunRow], value: Callable[[RunRow], float]) -> Trend:
    values = [value(run) for run in stream]
    found = _moves(values) if metric in {"wall", "work"} else _steps(values, metric)
    return Trend(
        metric=metric,
        label=label,
        points=tuple(
            Point(run=run.run, started=run.started, value=one)
            for run, one in zip(stream, values, strict=True)
        ),
        moved=tuple(_moved(stream[place], before, after) for place, before, after in found),
    )


def test_trends(recent: Mapping[NodeId, Recent], runs: Mapping[str, RunRow]) -> tuple[Trend, ...]:
    """Return the tests whose duration changed, those that cost most in front.

    Each profile, Python and place is looked at by itself.

    Args:
        recent: newest results of every test.
        runs: run id → run.
    """
    streams = {run: _stream(row) for run, row in runs.items()}
    found = [trend for row in recent.values() for trend in _of_test(row, runs, streams)]
    return tuple(sorted(found, key=lambda one: (-abs(one.moved[-1].after - one.moved[-1].before), one.label)))


test_trends.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks of its name


def _of_test(row: Recent, runs: Mapping[str, RunRow], streams: Mapping[str, str]) -> Iterable[Trend]:
    if max(row.durations, default=0.0) < LEAST_SECONDS or median(row.durations) < LEAST_SECONDS / 2:
        return
    parts: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for run, letter, seconds in zip(row.runs, row.verdicts, row.durations, strict=True):
        if letter in "py" and run in streams:  # failed and repeated tests take another time
            parts[streams[run]].append((run, seconds))
    for part in parts.values():
        moves = _moves([seconds for _, seconds in part])
        if moves:
            yield Trend(
                metric="duration",
                label=row.test,
                points=tuple(
                    Point(run=run, started=runs[run].started, value=seconds) for run, seconds in part
                ),
                moved=tuple(_moved(runs[part[place][0]], before, after) for place, before, after in moves),
            )


def _moves(seconds: Sequence[float]) -> list[tuple[int, float, float]]:
    """Find changes of a duration: on the scale of factors, since noise grows with the duration."""
    found = changes_of([math.log(max(value, _FLOOR)) for value in seconds])
    wide = math.log(LEAST_FACTOR)
    return [
        (one.place, math.exp(one.before), math.exp(one.after))
        for one in found
        if abs(one.after - one.before) >= wide and one.strength >= SURE
    ]


def _steps(values: Sequence[float], metric: str) -> list[tuple[int, float, float]]:
    least = LEAST_STEP if metric != "tests" else 1.0
    found = changes_of(values, noise=_NOISE_OF_RATES if metric != "tests" else None)
    return [
        (one.place, one.before, one.after)
        for one in found
        if abs(one.after - one.before) >= least and one.strength >= SURE
    ]


def _moved(run: RunRow, before: float, after: float) -> Moved:
    return Moved(run=run.run, commit=run.commit, started=run.started, before=before, after=after)
