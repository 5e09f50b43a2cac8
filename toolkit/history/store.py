"""The one object others hold: open a history, put runs in, ask questions.

.. code-block:: python

    with open_history(config.history_url) as history:
        history.import_run(record)
        history.durations()
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from toolkit.errors import HistoryDamaged
from toolkit.history import checks, pruning, queries, reading, recent, writing
from toolkit.history import measured as measures
from toolkit.history import usage as needs
from toolkit.history.answers import (
    Chosen,
    DurationTotals,
    KnownTest,
    PastFailure,
    Pruned,
    Recent,
    Result,
    RunRow,
    SlowTest,
    Soundness,
)
from toolkit.history.database import Database
from toolkit.history.sqlite import BUSY_SECONDS, open_sqlite
from toolkit.records import NodeId, RunRecord, RunStarted


class History:
    """All runs kept. Use it in one thread; any number of processes may have one each.

    Attributes:
        database: for the parts that keep tables of their own in the history, see ``schema``.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @property
    def where(self) -> str:
        """The file or address, without a password."""
        return self.database.where

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def import_run(self, record: RunRecord, *, origin: str = "journal", size: int = 0) -> bool:
        """Put a run in. Doing it twice changes nothing; a more complete record replaces an older one.

        Args:
            record: the run, however it ended.
            origin: "journal" or "junit": where it was read from.
            size: bytes of the journals it was read from, so that unchanged ones need not be read again.

        Returns:
            whether anything changed.
        """
        return writing.write_run(self.database, record, origin=origin, size=size)

    def sizes(self) -> dict[str, int]:
        """Return run id → bytes of its journals when it was imported; runs removed on purpose included."""
        known: dict[str, int] = dict(self.database.rows("SELECT run, size FROM runs"))
        return known | dict.fromkeys((run for (run,) in self.database.rows("SELECT run FROM pruned")), _EVER)

    def runs(
        self, *, limit: int | None = 20, since: float = float("-inf"), **chosen: Unpack[Chosen]
    ) -> tuple[RunRow, ...]:
        """Return runs, newest first.

        Args:
            limit: at most so many; None: all.
            since: only those that started at this Unix time or later.
            chosen: ``profile="unit"``, ``python=…``, ``branch=…``, ``commit=…``, ``environment=…``,
                ``build=…``, ``project=…``, ``origin=…``, ``run=…``; None: any.
        """
        return queries.runs(self.database, limit=limit, since=since, chosen=chosen)

    def record(self, run: str) -> RunRecord | None:
        """Return a whole run as it was recorded; None when it is not there."""
        with self.database.reading():
            return reading.run_record(self.database, run)

    def results(self, test: NodeId, *, limit: int = 50, **chosen: Unpack[Chosen]) -> tuple[Result, ...]:
        """Return results of one test with all their attempts, newest first; ``chosen`` as in :meth:`runs`."""
        with self.database.reading():
            return queries.results(self.database, test, limit=limit, chosen=chosen)

    def recent(self, limit: int = recent.KEPT) -> dict[NodeId, Recent]:
        """Return the newest results of every test, at most 50 of each, oldest first."""
        with self.database.reading():
            return queries.newest(self.database, limit=limit)

    def lately(self, limit: int) -> Iterator[tuple[NodeId, str, tuple[float, ...]]]:
        """Yield every test with the verdicts and durations of its newest results, oldest first."""
        with self.database.reading():
            yield from queries.lately(self.database, limit=limit)

    def durations(self) -> dict[NodeId, float]:
        """Return the typical seconds of every test that ever ran: the median of its newest results."""
        with self.database.reading():
            return queries.durations(self.database)

    def usage(self, *, runs: int = needs.USAGE_RUNS) -> Mapping[NodeId, needs.Usage]:
        """Return set-up time, CPU time and memory of every test in the newest runs."""
        with self.database.reading():
            return needs.usage(self.database, runs=runs)

    def measured(self, *, runs: int = measures.RUNS) -> tuple[measures.Measured, ...]:
        """Return what tests measured in the newest runs, oldest first."""
        with self.database.reading():
            return measures.measured(self.database, runs=runs)

    def run_shapes(self, limit: int = 20) -> tuple[needs.RunShape, ...]:
        """Return how the newest finished runs spent their time, newest first."""
        with self.database.reading():
            return needs.run_shapes(self.database, limit=limit)

    def duration_totals(self, bounds: Sequence[float]) -> tuple[DurationTotals, ...]:
        """Return how often tests ended in which way, and how many within each of some durations."""
        with self.database.reading():
            return needs.duration_totals(self.database, bounds)

    def tests_of(self, run: str) -> frozenset[NodeId]:
        """Return the tests that have a result in a run."""
        with self.database.reading():
            return needs.tests_of(self.database, run)

    def headers(self) -> tuple[RunStarted, ...]:
        """Return the first line of every run, newest first: commit, Python, whether the tree was dirty."""
        with self.database.reading():
            return needs.headers(self.database)

    def earlier_tries(self) -> Mapping[tuple[NodeId, str], str]:
        """Return (test, run) → letters of the attempts before the last one, where a test was tried again."""
        with self.database.reading():
            return needs.earlier_tries(self.database)

    def places_of(self, run: str) -> Mapping[NodeId, tuple[str, int]]:
        """Return test → worker and turn on it, of the first tries of a run."""
        with self.database.reading():
            return needs.places_of(self.database, run)

    def slowest(self, limit: int = 20) -> tuple[SlowTest, ...]:
        """Return the tests with the longest typical duration, slowest first."""
        with self.database.reading():
            return queries.slowest(self.database, limit=limit)

    def failures(
        self, *, test: str | None = None, run: str | None = None, limit: int = 100
    ) -> tuple[PastFailure, ...]:
        """Return failures with message, traceback and output; those of the newest run first."""
        with self.database.reading():
            return queries.failures(self.database, test=test, run=run, limit=limit)

    def tests(self) -> tuple[KnownTest, ...]:
        """Return all tests ever seen, by node id."""
        with self.database.reading():
            return queries.tests(self.database)

    def names(self) -> frozenset[NodeId]:
        """Return the node ids of all tests ever seen."""
        return frozenset(NodeId(node) for (node,) in self.database.rows("SELECT node FROM tests"))

    def totals(self) -> Soundness:
        """Count what is there, without checking it."""
        with self.database.reading():
            return checks.totals(self.database)

    def prune(self, *, before: float | None = None, keep: int | None = None, dry_run: bool = False) -> Pruned:
        """Remove runs that started before a time, or beyond the newest ``keep`` of each profile."""
        return pruning.prune(self.database, before=before, keep=keep, dry_run=dry_run)

    def check(self) -> Soundness:
        """Check that everything that belongs together is there; nothing is changed."""
        return checks.check(self.database)

    def require_sound(self) -> Soundness:
        """Check, and insist.

        Raises:
            HistoryDamaged: names every problem found.
        """
        found = self.check()
        if found.problems:
            raise HistoryDamaged(
                f"{found.where}: {'; '.join(found.problems)}",
                hint="export what is readable (invoke history.export), then import it into a new history",
            )
        return found


_EVER = 2**62  # no journal has more bytes: never imported again on its own


def open_history(url: str, *, busy_seconds: float = BUSY_SECONDS) -> History:
    """Open a history, making or migrating its tables when needed.

    Args:
        url: path of an SQLite file, or ``postgresql://…`` (tables in the schema ``toolkit``, or in the one
            named by ``?schema=…``).
        busy_seconds: how long to wait for another writer.

    Raises:
        HistoryError: it cannot be opened.
        SchemaTooNew: a newer toolkit made it; nothing was changed.
        HistoryDamaged: it cannot be read; nothing was changed.
        MissingExtra: PostgreSQL without psycopg.
    """
    if re.match(r"postgres(ql)?://", url):
        from toolkit.history.postgres import open_postgres

        return History(open_postgres(url, busy_seconds=busy_seconds))
    return History(open_sqlite(Path(url.removeprefix("sqlite:///")), busy_seconds=busy_seconds))
