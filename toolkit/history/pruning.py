"""Old runs out, nothing dangling left."""

from collections import defaultdict
from collections.abc import Sequence

from toolkit.history.answers import Pruned
from toolkit.history.database import Database, Row, chunks
from toolkit.history.writing import remove_runs, settle


def prune(database: Database, *, before: float | None, keep: int | None, dry_run: bool) -> Pruned:
    """Remove the runs that started before a time, or that have ``keep`` newer runs of the same profile.

    Args:
        database: the history.
        before: Unix seconds; None: age does not matter.
        keep: how many runs of each profile stay; None: their number does not matter.
        dry_run: only tell what would be removed.
    """
    with database.reading() if dry_run else database.writing():
        rows = _outdated(database, before, keep)
        if not dry_run and rows:
            _remove(database, rows)
    return Pruned(runs=tuple(row[1] for row in rows), results=sum(row[2] for row in rows), dry_run=dry_run)


def _outdated(database: Database, before: float | None, keep: int | None) -> list[Row]:
    newer: dict[str, int] = defaultdict(int)
    found = []
    for number, run, tests, profile, started in database.rows(
        "SELECT number, run, tests, profile, started FROM runs ORDER BY number DESC"
    ):
        if (before is not None and started < before) or (keep is not None and newer[profile] >= keep):
            found.append((number, run, tests))
        newer[profile] += 1
    return found[::-1]


def _remove(database: Database, rows: Sequence[Row]) -> None:
    remove_runs(database, [row[0] for row in rows])
    database.keep("pruned", ("run",), [(row[1],) for row in rows])
    settle(database)
    _remove_unused_texts(database)


def _remove_unused_texts(database: Database) -> None:
    used = {
        key for (key,) in database.stream("SELECT DISTINCT reason FROM attempts WHERE reason IS NOT NULL")
    }
    for row in database.stream("SELECT message, traceback, frames, sections FROM failures"):
        used.update(row)
    unused = [key for (key,) in database.rows("SELECT hash FROM texts") if key not in used]
    for places, piece in chunks(unused):
        database.rows(f"DELETE FROM texts WHERE hash IN ({places})", piece)
