"""One way to ask a database, whatever a test holds: a URL, a connection, an SQLAlchemy session or engine."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from toolkit.errors import MissingExtra

Row = dict[str, Any]


class Asker:
    """Asks one PostgreSQL connection through its DB-API cursor (PEP 249; psycopg and psycopg2)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return rows as dictionaries."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(statement, tuple(values))
            names = [column[0] for column in cursor.description]
            return [row if isinstance(row, dict) else dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def asking(database: Any) -> Iterator[Asker]:
    """Yield how to ask what a test holds.

    A URL (or something with the attribute ``url``, such as ``isolated_db``) is asked on a connection of its
    own, which sees what was committed; a connection or session on itself, which sees its own transaction.

    Raises:
        TypeError: it is nothing of these.
    """
    if hasattr(database, "raw_connection"):  # an SQLAlchemy engine
        with closing(database.raw_connection()) as pooled:
            yield Asker(pooled.driver_connection)
    elif hasattr(database, "flush") and hasattr(database, "connection"):  # an SQLAlchemy session
        database.flush()
        yield Asker(database.connection().connection.driver_connection)
    elif hasattr(database, "exec_driver_sql"):  # an SQLAlchemy connection
        yield Asker(database.connection.driver_connection)
    elif hasattr(database, "cursor"):
        yield Asker(database)
    else:
        with closing(_connect(database)) as connection:
            yield Asker(connection)


def _connect(database: Any) -> Any:
    url = database if isinstance(database, str) else getattr(database, "url", None)
    if not isinstance(url, str):
        raise TypeError(f"{database!r}: expected a URL, a connection, or an SQLAlchemy session or engine")
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("a claim about a database", extra="postgres", package="psycopg") from error
    connection = psycopg.connect(re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", url), connect_timeout=10)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # all tables at one moment
    connection.read_only = True
    return connection


def quoted(name: str) -> str:
    """Quote a table, with or without its schema, for a statement with placeholders."""
    return ".".join(quoted_name(part) for part in name.split("."))


def quoted_name(name: str) -> str:
    """Quote one name, whatever is in it, for a statement with placeholders."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
