"""Reads the schema of a PostgreSQL database, through SQLAlchemy's inspector."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from toolkit.databases.sources import sqlalchemy_url
from toolkit.errors import EnvironmentFailed, MissingExtra
from toolkit.scenarios.checks import read_check
from toolkit.scenarios.tables import Column, ForeignKey, Kind, Rule, Schema, Table, Unique

KINDS: dict[str, Kind] = {
    "ARRAY": "array",
    "BOOLEAN": "boolean",
    "BYTEA": "bytes",
    "CHAR": "text",
    "CIDR": "other",
    "DATE": "date",
    "DOUBLE_PRECISION": "float",
    "ENUM": "text",
    "FLOAT": "float",
    "INET": "inet",
    "INTERVAL": "interval",
    "JSON": "json",
    "JSONB": "json",
    "NUMERIC": "decimal",
    "REAL": "float",
    "TEXT": "text",
    "CITEXT": "text",
    "TIME": "time",
    "TIMESTAMP": "datetime",
    "UUID": "uuid",
    "VARCHAR": "text",
}
"""Name of the type in SQLAlchemy → what is made for it."""
BITS = {"SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}


def reflect(url: str) -> Schema:
    """Read all tables of the default schema of a database.

    Raises:
        EnvironmentFailed: the server cannot be reached.
        MissingExtra: SQLAlchemy is not installed.
    """
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingExtra("a data scenario", extra="data", package="sqlalchemy") from error
    engine = sqlalchemy.create_engine(sqlalchemy_url(url), poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return _read(sqlalchemy.inspect(connection))
    except sqlalchemy.exc.OperationalError as error:
        raise EnvironmentFailed(f"the schema cannot be read: {error.orig}") from error


def _read(inspector: Any) -> Schema:
    columns = inspector.get_multi_columns()
    parts = {
        "keys": inspector.get_multi_pk_constraint(),
        "foreign": inspector.get_multi_foreign_keys(),
        "uniques": inspector.get_multi_unique_constraints(),
        "checks": inspector.get_multi_check_constraints(),
        "indexes": inspector.get_multi_indexes(),
    }
    return {
        place[1]: _table(place[1], rows, {name: part.get(place) for name, part in parts.items()})
        for place, rows in columns.items()
    }


def _table(name: str, rows: list[dict[str, Any]], parts: Mapping[str, Any]) -> Table:
    key = tuple((parts["keys"] or {}).get("constrained_columns") or ())
    columns = tuple(_column(row) for row in rows if not row.get("computed"))
    rules, unclear = _rules(parts["checks"] or [], rows, {column.name for column in columns})
    return Table(
        name=name,
        columns=columns,
        key=key,
        uniques=tuple(dict.fromkeys(_uniques(key, parts["uniques"] or [], parts["indexes"] or []))),
        foreign_keys=tuple(_foreign_key(row) for row in parts["foreign"] or [] if _is_near(row)),
        rules=tuple(rules),
        unclear=tuple(unclear),
    )


def _column(row: Mapping[str, Any]) -> Column:
    kind = row["type"]
    domain = getattr(kind, "data_type", None)
    default = str(row.get("default") or "")
    column = _typed(row["name"], kind if domain is None else domain)
    return msgspec.structs.replace(
        column,
        nullable=bool(row["nullable"]) and not getattr(kind, "not_null", False),
        default=bool(default),
        sequence=bool(row.get("identity")) or default.startswith("nextval("),
    )


def _typed(name: str, kind: Any) -> Column:
    word = type(kind).__name__.upper()
    if word in BITS:
        return Column(name=name, kind="integer", bits=BITS[word])
    return Column(
        name=name,
        kind=KINDS.get(word, "other"),
        length=getattr(kind, "length", None) if KINDS.get(word) == "text" else None,
        precision=getattr(kind, "precision", None) if word == "NUMERIC" else None,
        scale=getattr(kind, "scale", None) if word == "NUMERIC" else None,
        zoned=bool(getattr(kind, "timezone", False)),
        choices=tuple(getattr(kind, "enums", ())),
        item=_typed(name, kind.item_type) if word == "ARRAY" else None,
    )


def _foreign_key(row: Mapping[str, Any]) -> ForeignKey:
    options = row.get("options", {})
    return ForeignKey(
        columns=tuple(row["constrained_columns"]),
        table=row["referred_table"],
        remote=tuple(row["referred_columns"]),
        deferrable=bool(options.get("deferrable")),
        detached=str(options.get("ondelete", "")).upper().startswith(("SET NULL", "SET DEFAULT")),
    )


def _is_near(row: Mapping[str, Any]) -> bool:
    return row.get("referred_schema") is None


def _uniques(
    key: tuple[str, ...], constraints: list[dict[str, Any]], indexes: list[dict[str, Any]]
) -> list[Unique]:
    found = [Unique(columns=key)] if key else []
    found += [Unique(columns=tuple(row["column_names"])) for row in constraints]
    for index in indexes:
        if index["unique"]:
            expressions = index.get("expressions")
            columns = tuple(_columns_in(expressions) if expressions else index["column_names"])
            found.append(Unique(columns=columns, folded=bool(expressions)))
    return found


def _columns_in(expressions: list[str]) -> list[str]:
    """Return the columns of an index on expressions such as ``lower(email)``."""
    inner = (re.search(r'\(*"?([A-Za-z_][\w$]*)"?\)*(::[\w ]+)?\)*$', text) for text in expressions)
    return [found[1] for found in inner if found]


def _rules(
    checks: list[dict[str, Any]], rows: list[dict[str, Any]], known: set[str]
) -> tuple[list[Rule], list[str]]:
    domains = ((row["name"], getattr(row["type"], "check", None)) for row in rows)
    texts = [row["sqltext"] for row in checks]
    texts += [re.sub(r"\bVALUE\b", f'"{name}"', str(check)) for name, check in domains if check is not None]
    found: list[Rule] = []
    unclear: list[str] = []
    for text in texts:
        rules, clear = read_check(text)
        found += [rule for rule in rules if rule.column in known]
        if not clear:
            unclear.append(text)
    return found, unclear
