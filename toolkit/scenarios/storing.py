"""Rows into PostgreSQL by COPY, and out again: exactly those that were put in."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from toolkit.databases.server import driver
from toolkit.errors import InputError
from toolkit.scenarios.rows import Filled, Generation, Values
from toolkit.scenarios.tables import Column, ForeignKey, Schema, Table
from toolkit.scenarios.values import Json

MOST_PARENTS = 10_000
"""Of rows that are there already, so many are considered as parents."""


class Stored(msgspec.Struct, frozen=True, kw_only=True, tag="rows"):
    """Rows of one table, as the ledger keeps them.

    Either ``keys``, or ``first`` to ``last`` for numbers without a gap; without a key at all the rows are
    those of the transaction ``xid`` that were not changed since.
    """

    table: str
    xid: str
    home: str = ""
    """The database, as :func:`home_of` names it; empty: not known."""
    key: tuple[str, ...] = ()
    keys: list[list[Any]] = []
    first: int = 0
    last: int = -1
    emptied: tuple[str, ...] = ()
    """Columns that lead back to other rows in a circle; they are emptied first."""
    deferred: bool = False


class Postgres:
    """What the generation must know of a database; implements :class:`toolkit.scenarios.rows.Server`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def reserve(self, table: Table, column: Column, count: int) -> Sequence[int]:
        """Take numbers from the sequence of a column; nobody else gets them any more."""
        rows = self._connection.execute(
            "SELECT nextval(pg_get_serial_sequence(quote_ident(%s), %s)) FROM generate_series(1, %s)",
            [table.name, column.name, count],
        ).fetchall()
        return [row[0] for row in rows]

    def parents(self, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return keys of rows that are there, always the same ones."""
        return self._select(table, columns, MOST_PARENTS)

    def taken(self, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return what is there of columns that must be unique."""
        return self._select(table, columns, None)

    def _select(self, table: str, columns: tuple[str, ...], most: int | None) -> list[tuple[Any, ...]]:
        from psycopg import sql

        query = sql.SQL("SELECT {columns} FROM {table} ORDER BY {columns} LIMIT {most}").format(
            columns=_names(columns), table=sql.Identifier(table), most=sql.Literal(most)
        )
        rows: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return rows


def store(connection: Any, generation: Generation) -> None:
    """Write all rows within the present transaction.

    Raises:
        InputError: the server refuses a row; says what it said.
    """
    try:
        if generation.deferred:
            connection.execute("SET CONSTRAINTS ALL DEFERRED")
        for filled in generation.tables:
            _copy(connection, filled)
        for filled in generation.tables:
            for key in filled.later:
                _set_later(connection, filled, key)
    except (driver().errors.IntegrityError, driver().errors.DataError) as error:
        raise InputError(
            f"the server refuses a row that was made up: {str(error).strip()}",
            hint="a constraint that cannot be read from the schema: give the values in the scenario",
        ) from error


def _copy(connection: Any, filled: Filled) -> None:
    from psycopg import sql

    late = {name for key in filled.later for name in key.columns}
    kinds = {column.name: column.kind for column in filled.table.columns}
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(filled.table.name), _names(filled.columns)
    )
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for row in filled.rows:
            copy.write_row(
                [None if name in late else _sent(row.get(name), kinds[name]) for name in filled.columns]
            )


def _sent(value: Any, kind: str) -> Any:
    if isinstance(value, Json) or (kind == "json" and value is not None):
        from psycopg.types.json import Jsonb

        return Jsonb(value.value if isinstance(value, Json) else value)
    return value


def _set_later(connection: Any, filled: Filled, key: ForeignKey) -> None:
    """Set foreign keys that had to wait for their parents."""
    from psycopg import sql

    table, names = filled.table, (*filled.table.key, *key.columns)
    rows = [[row[name] for name in names] for row in filled.rows if row[key.columns[0]] is not None]
    with _listed(connection, table.name, names, rows) as listed:
        connection.execute(
            sql.SQL("UPDATE {table} SET {sets} FROM {listed} WHERE {same}").format(
                table=sql.Identifier(table.name),
                listed=listed,
                same=_same(table.name, table.key),
                sets=sql.SQL(", ").join(
                    sql.SQL("{0} = listed.{0}").format(sql.Identifier(name)) for name in key.columns
                ),
            )
        )


@contextmanager
def _listed(
    connection: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Iterator[Any]:
    """Keep a temporary table of keys, of the types that they have in their own table."""
    from psycopg import sql

    names = _names(columns)
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE toolkit_listed AS SELECT {} FROM {} WITH NO DATA").format(
            names, sql.Identifier(table)
        )
    )
    command = sql.SQL("COPY toolkit_listed ({}) FROM STDIN").format(names)
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for row in rows:
            copy.write_row(row)
    yield sql.SQL("toolkit_listed AS listed")
    connection.execute("DROP TABLE toolkit_listed")  # after an error the transaction takes it along


def home_of(connection: Any) -> str:
    """Name the database for good: another one of the same name, or on the same port, is called otherwise.

    That is the number of the database in its cluster, and the cluster's identifier (pg_control_system in the
    manual of PostgreSQL) and name: the toolkit's own servers begin as copies of one cluster, and differ in
    the name only. A server that does not tell its identifier gives the rest.
    """
    known, named = "(SELECT system_identifier FROM pg_control_system())::text", "''"
    query = (
        "SELECT {} || '/' || current_setting('cluster_name') || '/' || oid"
        " FROM pg_database WHERE datname = current_database()"
    )
    try:
        with connection.transaction():
            return str(connection.execute(query.format(known)).fetchone()[0])
    except driver().errors.InsufficientPrivilege:
        return str(connection.execute(query.format(named)).fetchone()[0])


def entries(generation: Generation, xid: str, home: str) -> list[Stored]:
    """Describe the rows for the ledger, in the order in which they were put in."""
    return [_entry(filled, xid, home, generation.deferred) for filled in generation.tables if filled.rows]


def _entry(filled: Filled, xid: str, home: str, deferred: bool) -> Stored:
    key = filled.table.key
    emptied = tuple(name for each in filled.later for name in each.columns)
    entry = Stored(table=filled.table.name, xid=xid, home=home, key=key, emptied=emptied, deferred=deferred)
    if not key:
        return entry
    keys = [[_kept(row.get(name)) for name in key] for row in filled.rows]
    if len(key) == 1 and all(type(each[0]) is int for each in keys):
        first, last = keys[0][0], keys[-1][0]
        if last - first == len(keys) - 1 and all(each[0] == first + at for at, each in enumerate(keys)):
            return msgspec.structs.replace(entry, first=first, last=last)
    return msgspec.structs.replace(entry, keys=keys)


def _kept(value: Any) -> Any:
    return value if isinstance(value, int | str) or value is None else str(value)


def remove(connection: Any, schema: Schema, stored: Sequence[Stored], *, dependents: bool = False) -> int:
    """Delete rows in reverse order within the present transaction and return how many were there.

    Args:
        connection: to the database.
        schema: of the database now.
        stored: what was put in, in that order.
        dependents: delete rows of others too that refer to them.

    Raises:
        InputError: rows of others refer to ours, and says which table; or they are being written just now.
    """
    home = home_of(connection)
    mine = [
        one
        for one in stored
        if one.home in {"", home} and one.table in schema and _was_committed(connection, one)
    ]
    try:
        if any(one.deferred for one in mine):
            connection.execute("SET CONSTRAINTS ALL DEFERRED")
        for one in mine:
            if one.emptied:
                _on(connection, one, "UPDATE {table} SET {empty} WHERE {mine}")
        followed = schema if dependents else None
        return sum(
            _on(connection, one, "DELETE FROM {table} WHERE {mine}", schema=followed)
            for one in reversed(mine)
        )
    except driver().errors.ForeignKeyViolation as error:
        raise InputError(
            f"rows of {error.diag.table_name} that are not of this scenario refer to its rows;"
            " nothing was removed",
            hint="remove them, too, with --dependents",
        ) from error


def _was_committed(connection: Any, stored: Stored) -> bool:
    """Tell whether the transaction that wrote rows came to its end: else others may have such rows now."""
    try:
        with connection.transaction():
            row = connection.execute("SELECT pg_xact_status(%s::text::xid8)", [stored.xid]).fetchone()
    except driver().errors.InvalidParameterValue:  # of another server: its rows are not there
        return False
    if row[0] == "in progress":
        raise InputError(
            "its rows are being written just now", hint="try again when that has come to its end"
        )
    return row[0] in {"committed", None}  # None: long ago


def _on(connection: Any, stored: Stored, statement: Any, *, schema: Schema | None = None) -> int:
    """Run a statement on the rows of an entry; with a schema, delete first what refers to them."""
    from psycopg import sql

    empty = sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in stored.emptied)
    if stored.keys:
        with _listed(connection, stored.table, stored.key, stored.keys):
            mine = sql.SQL("({0}) IN (SELECT {0} FROM toolkit_listed)").format(_names(stored.key))
            return _run(connection, stored.table, mine, empty, statement, schema)
    if stored.key:
        mine = sql.SQL("{} BETWEEN {} AND {}").format(
            sql.Identifier(stored.key[0]), sql.Literal(stored.first), sql.Literal(stored.last)
        )
    else:
        mine = sql.SQL("xmin = {}::xid8::xid").format(sql.Literal(stored.xid))
    return _run(connection, stored.table, mine, empty, statement, schema)


def _run(  # noqa: PLR0917
    connection: Any, table: str, mine: Any, empty: Any, statement: Any, schema: Schema | None
) -> int:
    from psycopg import sql

    if schema is not None:
        _delete_dependents(connection, schema, table, mine, (table,))
    composed = sql.SQL(statement).format(table=sql.Identifier(table), mine=mine, empty=empty)
    return int(connection.execute(composed).rowcount)


def _delete_dependents(
    connection: Any, schema: Schema, table: str, mine: Any, above: tuple[str, ...]
) -> None:
    from psycopg import sql

    for child in schema.values():
        for key in child.foreign_keys:
            if key.table != table or key.detached or child.name in above:
                continue
            theirs = sql.SQL("({}) IN (SELECT {} FROM {} WHERE {})").format(
                _names(key.columns), _names(key.remote), sql.Identifier(table), mine
            )
            _delete_dependents(connection, schema, child.name, theirs, (*above, child.name))
            connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(child.name), theirs))


def _names(columns: Iterable[str]) -> Any:
    from psycopg import sql

    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _same(table: str, key: Iterable[str]) -> Any:
    from psycopg import sql

    return sql.SQL(" AND ").join(
        sql.SQL("{0}.{1} = listed.{1}").format(sql.Identifier(table), sql.Identifier(name)) for name in key
    )


def shown(row: Values) -> Values:
    """Return a row as a test sees it."""
    return {name: value.value if isinstance(value, Json) else value for name, value in row.items()}
