"""In which order tables are filled: parents before their children; and where circles are cut."""

import msgspec

from toolkit.errors import InputError
from toolkit.scenarios.tables import ForeignKey, Schema, Table


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Tables in the order of insertion; ``cut``: foreign keys of a table that are filled in afterwards."""

    tables: tuple[str, ...]
    cut: dict[str, tuple[ForeignKey, ...]] = {}


def find_order(schema: Schema, wanted: set[str]) -> Order:
    """Order tables, parents first; equal ones by name.

    A circle is cut at a foreign key that the server checks at the end of the transaction, or else at one that
    may be NULL at first.

    Raises:
        InputError: a circle has neither.
    """
    cut: dict[str, list[ForeignKey]] = {}
    done: list[str] = []
    left = sorted(wanted)
    while left:
        ready = next((name for name in left if not (_parents(schema[name], cut) & set(left))), None)
        if ready is None:
            name, key = _weakest(schema, left, cut)
            cut.setdefault(name, []).append(key)
        else:
            done.append(ready)
            left.remove(ready)
    return Order(tables=tuple(done), cut={name: tuple(keys) for name, keys in cut.items()})


def _parents(table: Table, cut: dict[str, list[ForeignKey]]) -> set[str]:
    keys = (key for key in table.foreign_keys if key not in cut.get(table.name, ()))
    return {key.table for key in keys} - {table.name}


def _weakest(schema: Schema, left: list[str], cut: dict[str, list[ForeignKey]]) -> tuple[str, ForeignKey]:
    """Choose the foreign key at which to cut: on a circle, not part of a primary key."""
    edges = {name: _parents(schema[name], cut) & set(left) for name in left}
    candidates = [
        (not key.deferrable, name, key)
        for name in left
        for key in schema[name].foreign_keys
        if key.table in edges[name] and key not in cut.get(name, ()) and name in _reachable(edges, key.table)
        if (key.deferrable or is_optional(schema[name], key)) and not set(key.columns) & set(schema[name].key)
    ]
    if not candidates:
        raise InputError(
            f"the tables {', '.join(left)} need each other in a circle, and each foreign key is NOT NULL",
            hint="make one of them DEFERRABLE or let it be NULL",
        )
    _, name, key = min(candidates, key=lambda each: each[:2])
    return name, key


def _reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(edges[name])
    return seen


def is_optional(table: Table, key: ForeignKey) -> bool:
    """Tell whether a foreign key may be empty."""
    demanded = {rule.column for rule in table.rules if rule.test == "not null"}
    return any(table.column(name).nullable and name not in demanded for name in key.columns)
