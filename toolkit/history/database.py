"""What a database must be able to do to hold a history; SQLite and PostgreSQL can.

SQL is written once, with ``?`` for parameters and nothing that only one of the two understands.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from toolkit import __version__
from toolkit.errors import HistoryError, SchemaTooNew
from toolkit.history import schema

Row = tuple[Any, ...]

CHUNK = 500
"""How many values one ``IN (…)`` takes: far below the limit of either database."""


class Database(Protocol):
    """A connection to a history. Every method raises :class:`HistoryError` in the user's words."""

    where: str
    """The file or address, without a password."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all its rows."""

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Run one query and yield its rows without holding all of them."""

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows."""

    def replace(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows; a row with the same key (the first column) is replaced."""

    def keep(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows; where the key (the first column) is there already, the old row stays."""

    def writing(self) -> AbstractContextManager[None]:
        """One transaction that holds the write lock: all of it happens, or nothing."""

    def reading(self) -> AbstractContextManager[None]:
        """One transaction in which every query sees the same state."""

    def create(self, statement: str) -> None:
        """Run one statement of the schema, translated to this database."""

    def tables(self) -> set[str]:
        """Return the names of all tables there."""

    def problems(self) -> list[str]:
        """Ask the database itself whether it is sound; an empty list means yes."""

    def size(self) -> int:
        """Return the bytes it takes."""

    def close(self) -> None:
        """Close the connection."""


def chunks(values: Sequence[object]) -> Iterator[tuple[str, Sequence[object]]]:
    """Cut values into pieces for ``IN (…)``: yield the placeholders and the values of each."""
    for start in range(0, len(values), CHUNK):
        piece = values[start : start + CHUNK]
        yield ", ".join("?" * len(piece)), piece


def fact(database: Database, name: str, default: str = "") -> str:
    """Return what the history knows about itself under a name."""
    rows = database.rows("SELECT value FROM facts WHERE name = ?", (name,))
    return str(rows[0][0]) if rows else default


def set_fact(database: Database, name: str, value: object) -> None:
    """Note something the history knows about itself."""
    database.replace("facts", ("name", "value"), [(name, str(value))])


def schema_version(database: Database) -> int:
    """Return the version of the tables there; 0 when there are none.

    Raises:
        HistoryError: the tables there are not a history.
    """
    there = database.tables()
    if not there:
        return 0
    version = fact(database, "schema") if "facts" in there else ""
    if not version.isdecimal():
        shown = ", ".join(sorted(there)[:5])
        raise HistoryError(
            f"{database.where}: holds other tables ({shown}), not a history; nothing was changed",
            hint="name a file or a PostgreSQL schema of its own for the history",
        )
    return int(version)


def refuse_newer(database: Database) -> int:
    """Return the version of the tables there.

    Raises:
        SchemaTooNew: a newer toolkit made them. Nothing was changed.
    """
    version = schema_version(database)
    if version > schema.VERSION:
        maker = fact(database, "toolkit", "unknown")
        raise SchemaTooNew(
            f"{database.where}: schema {version}, made by toolkit {maker}; this is toolkit {__version__}, "
            f"which knows schemas up to {schema.VERSION}; nothing was changed",
            hint="upgrade nox-invoke-toolkit, or set another history in [tool.toolkit]",
        )
    return version


def migrate(database: Database) -> None:
    """Create the tables, or lead an older history to the present version, in one transaction."""
    if refuse_newer(database) == schema.VERSION:
        return
    with database.writing():
        version = refuse_newer(database)  # another process may have been faster
        for text in _steps(version):
            database.create(text)
        if version < schema.VERSION:
            set_fact(database, "schema", schema.VERSION)
            set_fact(database, "toolkit", __version__)


def _steps(version: int) -> tuple[str, ...]:
    if version == 0:
        return schema.statements()
    later = range(version + 1, schema.VERSION + 1)
    return tuple(text for number in later for text in schema.MIGRATIONS[number])
