"""A schema as plain values: what the generation of rows knows about a database."""

from typing import Any, Literal

import msgspec

Kind = Literal[
    "integer",
    "decimal",
    "float",
    "boolean",
    "text",
    "date",
    "datetime",
    "time",
    "interval",
    "uuid",
    "json",
    "bytes",
    "array",
    "inet",
    "other",
]
Test = Literal[
    "min",
    "above",
    "max",
    "below",
    "not",
    "in",
    "match",
    "like",
    "min length",
    "max length",
    "lower",
    "upper",
    "not null",
]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a CHECK constraint demands of a column."""

    column: str
    test: Test
    value: Any = None
    other: str = ""
    """A column of the same row that stands for the value; empty: ``value`` is the value."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column that can be written."""

    name: str
    kind: Kind
    nullable: bool = True
    default: bool = False
    """Whether the server fills it in when it is left out."""
    sequence: bool = False
    """Whether it is numbered by the server (identity or serial): its numbers are taken from there."""
    length: int | None = None
    """Most characters of a text."""
    bits: int = 32
    """Of an integer."""
    precision: int | None = None
    scale: int | None = None
    """Digits of a decimal, and how many of them are behind the point."""
    zoned: bool = False
    """Whether a time knows its zone."""
    choices: tuple[str, ...] = ()
    """Labels of an enumeration."""
    item: "Column | None" = None
    """What an array holds."""


class ForeignKey(msgspec.Struct, frozen=True, kw_only=True):
    """Columns whose values must be in another table (or the same)."""

    columns: tuple[str, ...]
    table: str
    remote: tuple[str, ...]
    deferrable: bool = False
    detached: bool = False
    """Whether the server lets go of the row when the other one is deleted: ON DELETE SET NULL or DEFAULT."""


class Unique(msgspec.Struct, frozen=True, kw_only=True):
    """Columns no two rows may have in common; ``folded``: letter case does not count."""

    columns: tuple[str, ...]
    folded: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    uniques: tuple[Unique, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rules: tuple[Rule, ...] = ()
    unclear: tuple[str, ...] = ()
    """CHECK constraints that are not understood; the server has the last word anyway."""

    def column(self, name: str) -> Column:
        """Return a column by name."""
        return next(column for column in self.columns if column.name == name)


Schema = dict[str, Table]
"""Tables by name."""
