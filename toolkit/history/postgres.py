"""The same history in a PostgreSQL schema, for a team: writers wait for each other, readers for nobody.

Sources: https://www.postgresql.org/docs/current/explicit-locking.html (advisory locks),
https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from toolkit.errors import HistoryDamaged, HistoryError, MissingExtra, UsageError
from toolkit.history.database import Row, migrate
from toolkit.history.schema import for_postgres

if TYPE_CHECKING:
    import psycopg

DEFAULT_SCHEMA = "toolkit"
_LOCK = 730_541_869  # any number nobody else uses


class PostgresDatabase:
    """One connection, working in one schema."""

    def __init__(self, connection: "psycopg.Connection[Row]", *, where: str, schema: str) -> None:
        self.where = where
        self._connection = connection
        self._schema = schema

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        with explained(self.where):
            cursor = self._connection.execute(_translated(sql), parameters)
            return cursor.fetchall() if cursor.description else []

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Run one query and yield its rows, fetched in portions when in a transaction."""
        with (
            explained(self.where),
            self._connection.transaction(),
            self._connection.cursor("stream") as cursor,
        ):
            cursor.itersize = 20_000
            cursor.execute(_translated(sql), parameters)
            yield from cursor

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows through COPY."""
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
        with explained(self.where), self._connection.cursor() as cursor:
            kinds = self._kinds(table, columns)
            with cursor.copy(statement.encode()) as copy:
                copy.set_types(kinds)
                for row in rows:
                    copy.write_row(row)

    def replace(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows; a row with the same key (the first column) is replaced."""
        settings = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        self._insert_over(table, columns, rows, f"DO UPDATE SET {settings}")

    def keep(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows; where the key (the first column) is there already, the old row stays."""
        self._insert_over(table, columns, rows, "DO NOTHING")

    def _insert_over(self, table: str, columns: Sequence[str], rows: Iterable[Row], conflict: str) -> None:
        names = ", ".join(columns)
        with self._connection.transaction():
            self.rows(f"CREATE TEMPORARY TABLE incoming (LIKE {table}) ON COMMIT DROP")
            self.insert("incoming", columns, rows)
            self.rows(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming "
                f"ON CONFLICT ({columns[0]}) {conflict}"
            )
            self.rows("DROP TABLE incoming")

    def _kinds(self, table: str, columns: Sequence[str]) -> list[int]:
        rows = self._connection.execute(
            "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
            (table,),
        )
        kinds: dict[str, int] = dict(rows.fetchall())
        return [kinds[name] for name in columns]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that holds the write lock of this history."""
        with explained(self.where), self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, self._schema))
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One transaction in which every query sees the same state."""
        with explained(self.where), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def create(self, statement: str) -> None:
        """Run one statement of the schema."""
        self.rows(for_postgres(statement))

    def tables(self) -> set[str]:
        """Return the names of all tables in the schema."""
        return {
            name
            for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = ?", (self._schema,))
        }

    def problems(self) -> list[str]:
        """Read every table to its end, which verifies the checksums of a server that keeps them."""
        with explained(self.where):
            for name in sorted(self.tables()):
                self.rows(f'SELECT count(*) FROM "{name}"')
        return []

    def size(self) -> int:
        """Return the bytes of all tables with their indexes."""
        sql = (
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'"
        )
        return int(self.rows(sql, (self._schema,))[0][0])

    def close(self) -> None:
        """Close the connection; an open transaction is undone by the server."""
        self._connection.close()


def open_postgres(url: str, *, busy_seconds: float) -> PostgresDatabase:
    """Connect to the history behind a URL; its schema and tables are made or migrated when needed.

    Raises:
        HistoryError: the server cannot be reached or refuses.
        SchemaTooNew: a newer toolkit made it; nothing was changed.
        MissingExtra: psycopg is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("a history in PostgreSQL", extra="postgres", package="psycopg") from error
    address, schema = split_url(url)
    where = shown(url)
    with explained(where):
        connection = psycopg.connect(address, autocommit=True, connect_timeout=10)
    database = PostgresDatabase(connection, where=where, schema=schema)
    try:
        _prepare(database, schema, busy_seconds)
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: PostgresDatabase, schema: str, busy_seconds: float) -> None:
    database.rows("SELECT set_config('lock_timeout', ?, false)", (f"{int(busy_seconds * 1000)}ms",))
    database.rows("SELECT set_config('client_min_messages', 'warning', false)")
    database.rows("SELECT set_config('search_path', quote_ident(?), false)", (schema,))
    if not database.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (schema,)):
        with database.writing():
            database.rows(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')


def split_url(url: str) -> tuple[str, str]:
    """Take our own parameter ``schema`` out of a URL: return the URL for libpq, and the schema.

    Raises:
        UsageError: the schema is no plain lower-case name.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(query).get("schema", DEFAULT_SCHEMA)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        raise UsageError(
            f"{shown(url)}: schema={schema!r}: expected lower-case letters, digits and _",
            hint="for example ?schema=toolkit",
        )
    rest = [(name, value) for name, value in query if name != "schema"]
    return urlunsplit(parts._replace(query=urlencode(rest))), schema


def shown(url: str) -> str:
    """Return a URL that may be printed: no password, no parameters."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _translated(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn the errors of psycopg into errors that say what to do."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise explain(error, where) from error


def explain(error: "psycopg.Error", where: str) -> HistoryError:
    """Turn one error of PostgreSQL into one that says what to do."""
    state = error.sqlstate or ""
    message = str(error).strip().partition("\n")[0] or type(error).__name__
    if state.startswith("53"):  # insufficient resources: disk full, out of memory, too many connections
        return HistoryError(
            f"{where}: cannot be written ({message}); what was there before is intact",
            hint="make room on the server; the journals of the run are kept and imported the next time",
        )
    if state == "55P03":  # lock_not_available
        return HistoryError(
            f"{where}: another process has been writing for too long ({message})",
            hint="wait for it and try again; nothing was changed",
        )
    if state.startswith("XX"):  # internal error: data or index corrupted
        return HistoryDamaged(
            f"{where}: the history is damaged ({message}); nothing was deleted",
            hint="restore a backup, or import journals and exports into a new history",
        )
    return HistoryError(f"{where}: {message}", hint="is the server up, and may this user use the database?")
