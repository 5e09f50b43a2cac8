"""How what tests measured moved from commit to commit: benchmarks, memory, times of recovery.

Runs on different Pythons or machines are different series. Where a series moved to another level is found by
:mod:`toolkit.analysis.changepoints`, which asks how much a value varies anyway: a single slow run is no move.
"""

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from toolkit.analysis.changepoints import changes_of
from toolkit.history.measured import Measured
from toolkit.records import NodeId

LEAST_MOVE = 0.05
"""Share of the level before from which on a move matters."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A series moved to another level."""

    commit: str
    """Of the first run on the new level."""
    run: str
    before: float
    after: float
    strength: float
    """In standard errors."""

    @property
    def ratio(self) -> float:
        """New level in old ones."""
        return self.after / self.before if self.before else float("inf")


class MeasureTrend(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one test on one Python and machine, oldest run first."""

    test: NodeId
    name: str
    python: str
    host: str
    values: tuple[float, ...]
    commits: tuple[str, ...]
    runs: tuple[str, ...]
    started: tuple[float, ...]
    moves: tuple[Move, ...]

    @property
    def typical(self) -> float:
        """Median of the newest five values."""
        return median(self.values[-5:])


def measure_trends(rows: Iterable[Measured]) -> tuple[MeasureTrend, ...]:
    """Follow every measure through the runs."""
    series: dict[tuple[NodeId, str, str, str], list[Measured]] = {}
    for row in rows:
        series.setdefault((row.test, row.name, row.python, row.host), []).append(row)
    return tuple(_trend(found) for _, found in sorted(series.items()))


def _trend(rows: Sequence[Measured]) -> MeasureTrend:
    values = tuple(row.value for row in rows)
    moves = [
        Move(
            commit=rows[each.place].commit,
            run=rows[each.place].run,
            before=each.before,
            after=each.after,
            strength=each.strength,
        )
        for each in changes_of(values)
        if abs(each.after - each.before) > LEAST_MOVE * abs(each.before)
    ]
    first = rows[0]
    return MeasureTrend(
        test=first.test,
        name=first.name,
        python=first.python,
        host=first.host,
        values=values,
        commits=tuple(row.commit for row in rows),
        runs=tuple(row.run for row in rows),
        started=tuple(row.started for row in rows),
        moves=tuple(moves),
    )
