"""What is in a database: rows, counts, and what a block of code changed there and what not."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from toolkit.assertions.connecting import Row, asking, quoted, quoted_name
from toolkit.assertions.differences import row_differences, row_line
from toolkit.assertions.snapshots import take_snapshot

SHOWN = 10
"""How many rows a message shows."""


def assert_rows(
    database: Any,
    table: str,
    expected: Sequence[Mapping[str, Any]],
    *,
    where: Mapping[str, Any] | None = None,
    ordered_by: str = "",
) -> None:
    """Claim that a table holds exactly these rows.

    Args:
        database: a URL, a connection, an SQLAlchemy session, connection or engine, or ``isolated_db``.
        table: its name, with the schema when it is not on the search path.
        expected: rows; only the columns that they name are compared, so generated ones may be left out.
        where: column → value: only rows with these (``None``: NULL).
        ordered_by: a column; the expected rows are in that order. Empty: the order does not matter.

    Raises:
        AssertionError: shows rows that are missing, that are too many, and what differs in those alike.
    """
    __tracebackhide__ = True
    wanted = [dict(row) for row in expected]
    columns = list(dict.fromkeys(name for row in wanted for name in row))
    for row in wanted:
        if set(row) != set(columns):
            raise ValueError(f"{row!r}: every expected row must name the same columns: {', '.join(columns)}")
    found = _select(database, table, columns, where, ordered_by)
    problems = row_differences(wanted, found, ordered=bool(ordered_by))
    if problems:
        heading = f"{table}{_told(where)}: expected {len(wanted)} rows, found {len(found)}"
        raise AssertionError("\n".join([heading, *problems]))


def assert_count(database: Any, table: str, expected: int, *, where: Mapping[str, Any] | None = None) -> None:
    """Claim how many rows a table has; ``where`` as for :func:`assert_rows`.

    Raises:
        AssertionError: shows the count and the first rows.
    """
    __tracebackhide__ = True
    condition, values = _condition(where)
    with asking(database) as ask:
        counted = ask.rows(f"SELECT count(*) AS n FROM {quoted(table)}{condition}", values)[0]["n"]  # noqa: S608
    if counted != expected:
        rows = _select(database, table, [], where, "", limit=SHOWN)
        shown = [f"  {row_line(row)}" for row in rows]
        more = [f"  … {counted - SHOWN} more"] if counted > SHOWN else []
        heading = f"{table}{_told(where)}: expected {expected} rows, found {counted}"
        raise AssertionError("\n".join([heading, *shown, *more]))


@contextmanager
def changes(
    database: Any, expected: Mapping[str, int] | None = None, *, but: Sequence[str] = ()
) -> Iterator[None]:
    """Claim by how many rows each table grows or shrinks in a block, and that all others stay as they are.

    ``with changes(db, {"orders": +1, "stock": 0}, but=["audit"]):``: a table that is named may change its
    rows, only their number is claimed; tables that are not named must be the same, row by row.

    Args:
        database: as for :func:`assert_rows`.
        expected: table → rows more (or less); None: nothing changes at all.
        but: tables that are not looked at.

    Raises:
        AssertionError: shows per table the rows that came, went and changed.
    """
    __tracebackhide__ = True
    named = expected or {}
    with asking(database) as ask:
        before = take_snapshot(ask, but=but)
    unknown = [table for table in named if before.find(table) is None]
    if unknown:
        raise ValueError(f"no table {', '.join(unknown)}; there are: {', '.join(sorted(before.tables))}")
    yield
    with asking(database) as ask:
        after = take_snapshot(ask, but=but)
    problems = before.compared(after, {str(before.find(table)): delta for table, delta in named.items()})
    if problems:
        raise AssertionError("\n".join(["the database changed otherwise than claimed:", *problems]))


def unchanged(database: Any, *, but: Sequence[str] = ()) -> Any:
    """Claim that a block leaves every table as it is, row by row: :func:`changes` with nothing expected."""
    return changes(database, None, but=but)


def _select(
    database: Any,
    table: str,
    columns: Sequence[str],
    where: Mapping[str, Any] | None,
    ordered_by: str,
    *,
    limit: int | None = None,
) -> list[Row]:
    condition, values = _condition(where)
    names = ", ".join(map(quoted_name, columns)) or "*"
    order = f" ORDER BY {quoted_name(ordered_by)}" if ordered_by else ""
    cut = f" LIMIT {limit}" if limit is not None else ""
    with asking(database) as ask:
        return ask.rows(f"SELECT {names} FROM {quoted(table)}{condition}{order}{cut}", values)  # noqa: S608


def _condition(where: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
    if not where:
        return "", []
    parts = [f"{quoted_name(name)} IS NOT DISTINCT FROM %s" for name in where]
    return " WHERE " + " AND ".join(parts), list(where.values())


def _told(where: Mapping[str, Any] | None) -> str:
    return f" where {row_line(dict(where))}" if where else ""
