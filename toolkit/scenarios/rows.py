"""All rows of a scenario as values: keys fit, unique is unique, one seed gives one result."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from toolkit.config.validation import unknown
from toolkit.errors import InputError, UsageError
from toolkit.scenarios.files import Rows, Scenario
from toolkit.scenarios.ordering import find_order, is_optional
from toolkit.scenarios.tables import Column, ForeignKey, Schema, Table, Unique
from toolkit.scenarios.values import EMPTY, Maker

Values = dict[str, Any]
RANDOM_TRIES = 12
"""So often chance may produce what is there already; then all that is possible is gone through in order."""
CHILDREN = 4
"""Where a table needs parents that the scenario does not name: one for so many rows."""


class Server(Protocol):
    """What must be known of the database."""

    def reserve(self, table: Table, column: Column, count: int) -> Sequence[int]:
        """Take numbers from the sequence of a column."""

    def parents(self, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return keys of rows that are there."""

    def taken(self, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return what a unique constraint will not allow again."""


class Nothing:
    """An empty database: for previews and for tests of the generation."""

    def reserve(self, _table: Table, _column: Column, count: int) -> Sequence[int]:
        """Count from one."""
        return range(1, count + 1)

    def parents(self, _table: str, _columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """There are none."""
        return []

    taken = parents


class Filled(msgspec.Struct, kw_only=True):
    """The rows of one table, in the order in which tables are filled.

    ``later``: foreign keys that are NULL at first and set when all tables are filled.
    """

    table: Table
    columns: tuple[str, ...]
    rows: list[Values]
    later: tuple[ForeignKey, ...] = ()


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """All rows. ``deferred``: whether a constraint must be checked at the end of the transaction."""

    tables: list[Filled]
    deferred: bool = False


def generate(schema: Schema, scenario: Scenario, server: Server) -> Generation:
    """Make all rows of a scenario.

    Raises:
        UsageError: it names a table or column that does not exist.
        InputError: no rows are possible that the constraints allow; says which.
    """
    wanted = _check_names(schema, scenario.wanted)
    wanted = _with_parents(schema, wanted, server)
    order = find_order(schema, set(wanted))
    made: dict[str, Filled] = {}
    for name in order.tables:
        cut = order.cut.get(name, ())
        filling = _Filling(schema[name], wanted[name], scenario=scenario, made=made, server=server, cut=cut)
        made[name] = Filled(table=schema[name], columns=filling.columns, rows=filling.fill(), later=cut)
    for filled in made.values():
        _fill_in(filled, made, scenario.seed)
    deferred = any(key.deferrable for filled in made.values() for key in filled.later)
    for filled in made.values():
        filled.later = tuple(key for key in filled.later if not key.deferrable)
    return Generation(tables=list(made.values()), deferred=deferred)


def _check_names(schema: Schema, wanted: Mapping[str, Rows]) -> dict[str, Rows]:
    for name, rows in wanted.items():
        for table in (name, *rows.each):
            if table not in schema:
                raise UsageError(f"scenario: {unknown('table', table, schema)}")
        columns = [column.name for column in schema[name].columns]
        for column in rows.values:
            if column not in columns:
                raise UsageError(f"scenario: tables.{name}.values: {unknown('column', column, columns)}")
    return dict(wanted)


def _with_parents(schema: Schema, wanted: dict[str, Rows], server: Server) -> dict[str, Rows]:
    """Write out how many rows each table gets, and add the tables on which they depend."""
    counts = {name: _count(name, wanted, ()) for name in wanted}
    waiting = list(wanted)
    found = dict(wanted)
    while waiting:
        table = schema[waiting.pop()]
        for key in table.foreign_keys:
            given = set(key.columns) <= found[table.name].values.keys()
            if key.table in found or given or is_optional(table, key) or not counts[table.name]:
                continue
            if not server.parents(key.table, key.remote):
                counts[key.table] = _parents_needed(table, key, counts[table.name])
                found[key.table] = Rows(rows=counts[key.table])
                waiting.append(key.table)
    return {name: msgspec.structs.replace(rows, rows=counts[name]) for name, rows in found.items()}


def _count(name: str, wanted: Mapping[str, Rows], above: tuple[str, ...]) -> int:
    rows = wanted[name]
    if rows.rows is not None:
        return rows.rows
    ((parent, each),) = rows.each.items()
    if parent in {*above, name} or parent not in wanted:
        raise UsageError(f"scenario: tables.{name}.each: {parent!r} must be a table of the scenario itself")
    return each * _count(parent, wanted, (*above, name))


def _parents_needed(table: Table, key: ForeignKey, children: int) -> int:
    alone = any(set(unique.columns) <= set(key.columns) for unique in table.uniques)
    return children if alone else -(-children // CHILDREN)


class _Filling:
    """Makes the rows of one table."""

    def __init__(
        self,
        table: Table,
        wanted: Rows,
        *,
        scenario: Scenario,
        made: Mapping[str, Filled],
        server: Server,
        cut: tuple[ForeignKey, ...],
    ) -> None:
        self._table = table
        self._wanted = wanted
        self._count = self._wanted.rows or 0
        self._chance = random.Random(f"{scenario.seed}/{table.name}")  # noqa: S311 - test data
        fixed = self._wanted.values
        keys = [key for key in table.foreign_keys if not set(key.columns) <= fixed.keys()]
        self._cut = [key for key in keys if key in cut]
        self._own = [key for key in keys if key.table == table.name and key not in cut]
        self._keys = [key for key in keys if key.table != table.name and key not in cut]
        self._parents = {key: _parents_of(key, made, server) for key in self._keys}
        bound = {name for key in keys for name in key.columns} | fixed.keys()
        free = [column for column in table.columns if column.name not in bound]
        self._numbered = {
            column.name: server.reserve(table, column, self._count) for column in free if column.sequence
        }
        plain = [column for column in free if not column.sequence and not _left_out(column)]
        self._makers = {
            column.name: Maker(table, column, seed=scenario.seed, locale=scenario.locale)
            for column in _compared_last(table, plain)
        }
        self.columns = tuple(
            column.name
            for column in table.columns
            if column.name in bound or column.name in self._numbered or column.name in self._makers
        )
        self._seen = {
            unique: {_folded(unique, values) for values in server.taken(table.name, unique.columns)}
            for unique in table.uniques
        }
        self._left: dict[Unique, Iterator[tuple[Values, ...]]] = {}

    def fill(self) -> list[Values]:
        """Return all rows."""
        rows: list[Values] = []
        for number in range(self._count):
            row = self._row(number, rows)
            for unique in self._table.uniques:
                if (values := _values_of(unique, row)) is not None:
                    self._seen[unique].add(values)
            rows.append(row)
        return rows

    def _row(self, number: int, rows: list[Values]) -> Values:
        row: Values = {}
        for attempt in range(RANDOM_TRIES):
            row = self._try(number, rows, attempt)
            if self._collision(row) is None:
                return row
        return self._by_order(row, number)

    def _try(self, number: int, rows: list[Values], attempt: int) -> Values:
        row: Values = {name: numbers[number] for name, numbers in self._numbered.items()}
        row |= {name: _dealt(value, number) for name, value in self._wanted.values.items()}
        for key in self._keys:
            row |= self._pick(key, row, number, attempt)
        row |= dict.fromkeys(itertools.chain.from_iterable(key.columns for key in self._cut))
        self._make(row, number, attempt)
        for key in self._own:
            row |= self._relative(key, row, rows)
        return row

    def _make(self, row: Values, number: int, attempt: int) -> None:
        for name, maker in self._makers.items():
            if name not in row:
                nonce = number + 1 + (attempt - 2) * self._count if attempt > 1 else 0
                row[name] = maker.make(
                    row, nonce=nonce, wide=attempt > RANDOM_TRIES // 2, filled=name in self._table.key
                )

    def _pick(self, key: ForeignKey, row: Values, number: int, attempt: int) -> Values:
        """Choose a parent. Columns that two foreign keys share must agree."""
        parents = self._parents[key]
        each = self._wanted.each.get(key.table)
        if each is not None and not attempt:
            return dict(zip(key.columns, parents[number // each], strict=True))
        shared = [place for place, name in enumerate(key.columns) if name in row]
        if shared:
            parents = [one for one in parents if all(one[at] == row[key.columns[at]] for at in shared)]
        optional = is_optional(self._table, key)
        if optional and (not parents or self._chance.random() < EMPTY):
            return {name: row.get(name) for name in key.columns}
        if not parents:
            raise InputError(
                f"{self._table.name}.{', '.join(key.columns)}: there is no row of {key.table} to refer to"
            )
        return dict(zip(key.columns, self._chance.choice(parents), strict=True))

    def _relative(self, key: ForeignKey, row: Values, rows: list[Values]) -> Values:
        """Choose a parent of the same table: an earlier row; for the first none, or itself."""
        if rows and (not is_optional(self._table, key) or self._chance.random() >= EMPTY):
            chosen = self._chance.choice(rows)
        elif is_optional(self._table, key):
            return {name: row.get(name) for name in key.columns}
        else:
            chosen = row
        return {name: chosen[there] for name, there in zip(key.columns, key.remote, strict=True)}

    def _collision(self, row: Values) -> Unique | None:
        for unique in self._table.uniques:
            if _values_of(unique, row) in self._seen[unique]:
                return unique
        return None

    def _by_order(self, row: Values, number: int) -> Values:
        """Go through everything that a unique constraint leaves, once for the whole table."""
        while (unique := self._collision(row)) is not None:
            if unique not in self._left:
                self._left[unique] = itertools.product(*self._possible(unique, row))
            parts = next(self._left[unique], None)
            if parts is None:
                raise InputError(
                    f"{self._table.name}: no more than {number} rows have different values of"
                    f" {', '.join(unique.columns)}",
                    hint="ask for fewer rows, or for more of the tables that it refers to",
                )
            for part in parts:
                row |= part
        return row

    def _possible(self, unique: Unique, row: Values) -> list[list[Values]]:
        """Return all that may stand in the columns of a unique constraint: one list for each part of it."""
        found: list[list[Values]] = [
            [dict(zip(key.columns, one, strict=True)) for one in self._parents[key]]
            for key in self._keys
            if set(key.columns) & set(unique.columns)
        ]
        for name in unique.columns:
            values = self._makers[name].all_values(row) if name in self._makers else None
            if values is not None:
                found.append([{name: value} for value in values])
        return found


def _left_out(column: Column) -> bool:
    """Tell whether a column is better left to the server: nothing sensible can be made up for it."""
    return column.kind == "other" and (column.nullable or column.default)


def _compared_last(table: Table, columns: list[Column]) -> list[Column]:
    """Put columns after those to which a CHECK constraint compares them."""
    before = {column.name: set[str]() for column in columns}
    for rule in table.rules:
        if rule.other in before and rule.column in before:
            before[rule.column].add(rule.other)
    done: list[Column] = []
    left = list(columns)
    while left:
        names = {column.name for column in left}
        ready = next((column for column in left if not before[column.name] & names - {column.name}), left[0])
        done.append(ready)
        left.remove(ready)
    return done


def _parents_of(key: ForeignKey, made: Mapping[str, Filled], server: Server) -> list[tuple[Any, ...]]:
    if key.table in made and made[key.table].rows:
        return [tuple(row[name] for name in key.remote) for row in made[key.table].rows]
    return server.parents(key.table, key.remote)


def _dealt(value: Any, number: int) -> Any:
    return value[number % len(value)] if isinstance(value, list) and value else value


def _values_of(unique: Unique, row: Values) -> tuple[Any, ...] | None:
    """Return what must be unique; None: a NULL is in it, and NULLs are never the same."""
    values = tuple(row.get(name) for name in unique.columns)
    return None if None in values else _folded(unique, values)


def _folded(unique: Unique, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not unique.folded:
        return tuple(map(_hashable, values))
    return tuple(value.lower() if isinstance(value, str) else _hashable(value) for value in values)


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _fill_in(filled: Filled, made: Mapping[str, Filled], seed: int) -> None:
    """Fill in the foreign keys at which circles were cut, now that all rows are known."""
    chance = random.Random(f"{seed}/{filled.table.name}/later")  # noqa: S311 - test data
    for key in filled.later:
        parents = [tuple(row[name] for name in key.remote) for row in made[key.table].rows]
        once = any(set(key.columns) & set(unique.columns) for unique in filled.table.uniques)
        if once:
            chance.shuffle(parents)
        for number, row in enumerate(filled.rows):
            if once and number >= len(parents):
                break
            chosen = parents[number] if once else chance.choice(parents)
            row.update(zip(key.columns, chosen, strict=True))
