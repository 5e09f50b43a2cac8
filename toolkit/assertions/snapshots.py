"""What all tables of a database held at one moment, to tell later what changed.

A table of up to :data:`KEPT` rows is kept row by row; of a larger one the number of rows and a sum of hashes,
computed by the server, which tells that something changed but not what.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from toolkit.assertions.connecting import Asker, quoted_name
from toolkit.assertions.differences import cut

KEPT = 5000

TABLES = """
SELECT n.nspname AS schema, c.relname AS name,
       coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = c.oid AND i.indisprimary), '{}') AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
"""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table at one moment."""

    count: int
    rows: Counter[tuple[str, str]] | None
    """(key, row as JSON) → how often; None: too many to be kept."""
    sum: str = ""

    def difference(self, after: "Table") -> list[str]:
        """Return what came, went and changed."""
        if self.rows is None or after.rows is None:
            same = self.sum == after.sum and self.count == after.count
            return (
                [] if same else [f"  {self.count} rows became {after.count}; too many to show which changed"]
            )
        gone, come = self.rows - after.rows, after.rows - self.rows
        by_key = {key: row for key, row in come.elements() if key}
        lines, told = [], set()
        for key, row in gone.elements():
            if key and key in by_key:
                lines.append(f"  ~ {_changed(row, by_key[key])}")
                told.add(key)
            else:
                lines.append(f"  - gone: {row}")
        lines += [f"  + new: {row}" for key, row in come.elements() if not key or key not in told]
        return cut(lines)


class Snapshot(msgspec.Struct, frozen=True):
    """All tables at one moment: name → table; the schema is part of the name unless it is ``public``."""

    tables: dict[str, Table]

    def find(self, name: str) -> str | None:
        """Return the name of a table as it is here."""
        plain = name.removeprefix("public.")
        return plain if plain in self.tables else None

    def compared(self, after: "Snapshot", expected: Mapping[str, int]) -> list[str]:
        """Return what is not as claimed: table → rows more; those not named must be the same."""
        lines = [f"{name}: the table is {why}" for name, why in _come_and_gone(self.tables, after.tables)]
        for name in self.tables.keys() & after.tables.keys():
            one, two = self.tables[name], after.tables[name]
            grown = two.count - one.count
            if name in expected:
                wrong = [f"{name}: expected {expected[name]:+d} rows, got {grown:+d}"]
                lines += [*wrong, *one.difference(two)] if grown != expected[name] else []
            elif found := one.difference(two):
                lines += [f"{name}: expected no change, got {grown:+d} rows:", *found]
        return lines


def _come_and_gone(before: Mapping[str, Table], after: Mapping[str, Table]) -> list[tuple[str, str]]:
    gone = [(name, "gone") for name in sorted(before.keys() - after.keys())]
    return gone + [(name, "new") for name in sorted(after.keys() - before.keys())]


def take_snapshot(ask: Asker, *, but: Sequence[str] = ()) -> Snapshot:
    """Look at every table but some."""
    left_out = {name.removeprefix("public.") for name in but}
    found = {}
    for row in ask.rows(TABLES):
        name = row["name"] if row["schema"] == "public" else f"{row['schema']}.{row['name']}"
        if name not in left_out:
            found[name] = _table(ask, f"{quoted_name(row['schema'])}.{quoted_name(row['name'])}", row["key"])
    return Snapshot(found)


def _table(ask: Asker, table: str, key: Sequence[str]) -> Table:
    counting = f"SELECT count(*) AS n FROM (SELECT 1 FROM {table} LIMIT {KEPT + 1}) AS first_ones"  # noqa: S608
    if ask.rows(counting)[0]["n"] > KEPT:
        summing = (
            f"SELECT count(*) AS n, sum(hashtextextended(t::text, 0)::numeric)::text AS s FROM {table} t"  # noqa: S608
        )
        row = ask.rows(summing)[0]
        return Table(count=row["n"], rows=None, sum=row["s"])
    names = ", ".join(f"t.{quoted_name(name)}" for name in key)
    keyed = f"jsonb_build_array({names})::text" if key else "''"
    rows = ask.rows(f"SELECT {keyed} AS key, row_to_json(t)::text AS row FROM {table} t")  # noqa: S608
    return Table(count=len(rows), rows=Counter((row["key"], row["row"]) for row in rows))


def _changed(before: str, after: str) -> str:
    """Show the columns of a row that changed, and the others shortly."""
    old: dict[str, Any] = msgspec.json.decode(before)
    new: dict[str, Any] = msgspec.json.decode(after)
    same = ", ".join(f"{name}={value!r}" for name, value in list(old.items())[:3] if new.get(name) == value)
    parts = [
        f"{name}: {old.get(name)!r} → {new.get(name)!r}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
    return f"{same}: {'; '.join(parts)}" if same else "; ".join(parts)
