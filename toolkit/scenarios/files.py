"""Scenario files: YAML that names rows, API resources and cache entries, read strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from toolkit.config.named_files import find_named, named_files
from toolkit.errors import InputError, MissingExtra

SUFFIXES = (".yml", ".yaml")
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Rows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many rows of a table, and what is fixed in them."""

    rows: Count | None = None
    each: dict[str, Positive] = {}
    """Parent table → so many rows for each of its rows."""
    values: dict[str, Any] = {}
    """Column → value for all rows; a list is dealt out in turn."""


class Resource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something created through the API. Texts may contain ``{n}`` and what earlier resources answered."""

    name: str
    post: str
    """Path, below the API's URL."""
    body: dict[str, Any] = {}
    count: Positive = 1
    headers: dict[str, str] = {}
    """``${VARIABLE}`` is taken from the environment."""
    delete: str = ""
    """Path that removes it, e.g. ``/books/{id}`` with what the API answered; empty: it stays."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cache entry, or ``count`` of them with ``{n}`` in the key."""

    key: str
    value: Any
    count: Positive = 1
    seconds: Positive | None = None
    """Time to live; None: until it is removed."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a test needs to be there."""

    description: str = ""
    seed: int = 1
    """The same seed gives the same rows."""
    locale: str = "en"
    """Of names and addresses."""
    tables: dict[str, Rows | Count] = {}
    """Table → how many rows, or more about them."""
    api: tuple[Resource, ...] = ()
    cache: tuple[Entry, ...] = ()

    @property
    def wanted(self) -> dict[str, Rows]:
        """Tables, with plain counts written out."""
        return {
            name: rows if isinstance(rows, Rows) else Rows(rows=rows) for name, rows in self.tables.items()
        }


def scenario_files(folder: Path) -> dict[str, Path]:
    """Return all scenarios of a folder: name → file."""
    return named_files(folder, SUFFIXES)


def find_scenario(folder: Path, name: str) -> Scenario:
    """Read the scenario of a name.

    Raises:
        UsageError: there is none; names those that are there.
        InputError: the file cannot be read.
    """
    return read_scenario(find_named(folder, SUFFIXES, name, "scenario"))


def read_scenario(file: Path) -> Scenario:
    """Read one file.

    Raises:
        InputError: it is no YAML, or has a wrong key, type or value; says which and where.
    """
    yaml = _yaml()
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        scenario: Scenario = msgspec.convert({} if found is None else found, Scenario)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InputError(f"{file}: {error}") from error
    for name, rows in scenario.wanted.items():
        if (rows.rows is None) == (not rows.each):
            raise InputError(f"{file}: tables.{name}: expected either `rows` or `each`")
        if len(rows.each) > 1:
            raise InputError(f"{file}: tables.{name}.each: expected one table")
    return scenario


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("a data scenario", extra="data", package="pyyaml") from error
    return yaml


def with_counts(scenario: Scenario, counts: Mapping[str, int]) -> Scenario:
    """Return the scenario with other numbers of rows for some tables."""
    changed: dict[str, Rows | int] = dict(scenario.tables)
    for table, count in counts.items():
        before = scenario.wanted.get(table, Rows(rows=0))
        changed[table] = msgspec.structs.replace(before, rows=count, each={})
    return msgspec.structs.replace(scenario, tables=changed)
