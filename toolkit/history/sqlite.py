"""A history in one SQLite file: any number of readers beside one writer (WAL), writers wait for each other.

Sources: https://sqlite.org/wal.html, https://sqlite.org/pragma.html, https://sqlite.org/rescode.html.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.errors import HistoryDamaged, HistoryError
from toolkit.history.database import Row, migrate, refuse_newer

BUSY_SECONDS = 60.0
"""How long a writer waits for another one."""

_PRIMARY_CODE = 0xFF  # the low byte of an extended result code


class SqliteDatabase:
    """One connection to one file.

    ``synchronous = NORMAL`` survives the death of any process; a power cut may cost the newest runs, whose
    journals are then imported again.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.where = str(path)
        self.path = path
        self.busy_seconds = busy_seconds
        with self._explained():
            self._connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)

    def configure(self) -> None:
        """Turn on the write-ahead log and set the limits of this connection."""
        with self._explained():
            self._use_wal()
            for setting in ("synchronous = NORMAL", "temp_store = MEMORY", "cache_size = -16384"):
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("PRAGMA journal_size_limit = 67108864")

    def _use_wal(self) -> None:
        # Changing the mode needs the file alone and does not wait for it, whatever the timeout says.
        deadline = time.monotonic() + self.busy_seconds
        while self._connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return  # a file system without shared memory keeps its old mode: slower, still safe

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        with self._explained():
            return self._connection.execute(sql, parameters).fetchall()

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Run one query and yield its rows without holding all of them."""
        with self._explained():
            yield from self._connection.execute(sql, parameters)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows."""
        self._insert("INSERT", table, columns, rows)

    def replace(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows; a row with the same key is replaced."""
        self._insert("INSERT OR REPLACE", table, columns, rows)

    def keep(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows; where the key is there already, the old row stays."""
        self._insert("INSERT OR IGNORE", table, columns, rows)

    def _insert(self, verb: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        places = ", ".join("?" * len(columns))
        with self._explained():
            self._connection.executemany(
                f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({places})", rows
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that holds the write lock from its beginning, so that it cannot fail half-way."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One transaction in which every query sees the same state."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self.rows(begin)
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled back already
                self._connection.execute("ROLLBACK")
            raise

    def create(self, statement: str) -> None:
        """Run one statement of the schema."""
        self.rows(statement)

    def tables(self) -> set[str]:
        """Return the names of all tables in the file."""
        return {name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def problems(self) -> list[str]:
        """Run SQLite's own integrity check."""
        answers = [str(answer) for (answer,) in self.rows("PRAGMA integrity_check(20)")]
        return [] if answers == ["ok"] else answers

    def size(self) -> int:
        """Return the bytes of the file and its log."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.where) from error


def open_sqlite(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> SqliteDatabase:
    """Open a history file; it is created with its folder, or migrated, when needed.

    Raises:
        HistoryError: the file cannot be opened or is something else.
        SchemaTooNew: a newer toolkit made it; the file was not changed.
        HistoryDamaged: it is not readable as a database; the file was not changed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(f"{path}: the folder cannot be made: {error.strerror or error}") from error
    database = SqliteDatabase(path, busy_seconds=busy_seconds)
    try:
        refuse_newer(database)
        database.configure()
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE


def explain(error: sqlite3.Error, where: str) -> HistoryError:
    """Turn an error of SQLite into one that says what to do."""
    code = _code(error)
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return HistoryDamaged(
            f"{where}: the history is damaged ({error}); nothing was deleted",
            hint="move the file away, then import journals and exports into a new one (history.import)",
        )
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return HistoryError(
            f"{where}: cannot be written ({error}); what was there before is intact",
            hint="make room on the disk; the journals of the run are kept and imported the next time",
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return HistoryError(
            f"{where}: another process has been writing for too long ({error})",
            hint="wait for it and try again; nothing was changed",
        )
    return HistoryError(f"{where}: {error}", hint="is it a file this user may read and write?")
