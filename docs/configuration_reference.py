"""Writes docs/reference/configuration.md from the types of the configuration.

Run it after changing anything in toolkit/config: ``uv run python docs/configuration_reference.py``. A test
checks that the page is up to date.
"""

import argparse
import ast
import inspect
import itertools
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolkit.config import profiles, services
from toolkit.config.settings import FOUND_FIELDS, Config

PAGE = Path(__file__).with_name("reference") / "configuration.md"

HEAD = """\
# Configuration

Everything stands in `[tool.toolkit]` of `pyproject.toml`. Nothing is required: without the table all defaults
hold. A wrong key, type or value is an error that names its key path, the valid values and the nearest match.

<!-- Written by docs/configuration_reference.py from toolkit/config: do not edit. -->

"""

OVERLAYS = """\
## `[tool.toolkit.overlays.<place>]`

What differs between places: `local`, `ci` or `staging`. The table of the present place is laid over
`[tool.toolkit]`, tables key by key, all other values as a whole. `TOOLKIT_ENV` says where we are; without it,
a variable `CI` means `ci`, and everything else is `local`.

## Environment variables

| variable | meaning |
|---|---|
| `TOOLKIT_ENV` | `local`, `ci` or `staging`: which overlay applies |
| `CI` | set by most CI systems; without `TOOLKIT_ENV` it chooses the overlay `ci` |
| `TOOLKIT_HISTORY_URL` | replaces `history` |

"""


def page() -> str:
    """Write the whole page."""
    parts = [HEAD, *tables("tool.toolkit", Config), OVERLAYS, *built_ins()]
    return "".join(parts).rstrip() + "\n"


def tables(path: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    """Describe one table, then those inside it."""
    inner: dict[str, type[msgspec.Struct]] = {}
    rows = []
    texts = docstrings(kind)
    for field in msgspec.structs.fields(kind):
        if kind is Config and field.name in FOUND_FIELDS:
            continue
        below = struct_in(field.type)
        if below is not None:
            many = isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.DictType)
            rows_of = isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.VarTupleType)
            inner[f"[{path}.{field.name}]" if rows_of else f"{path}.{field.name}{'.<name>' * many}"] = below
            continue
        rows.append(row(field, texts.get(field.name, "")))
    yield f"## `[{path}]`\n\n{paragraphs(kind)}\n\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows) + "\n"
    for name, below in inner.items():
        yield from tables(name, below)


def row(field: Any, text: str) -> str:
    """Describe one key."""
    default = "required" if field.required else literal(made_default(field))
    default = default if default in {"", "required"} else f"`{default}`"
    kind = words(msgspec.inspect.type_info(field.type))
    return f"| `{field.encode_name}` | {kind} | {default} | {cell(text)} |\n"


def made_default(field: Any) -> object:
    """Return the default of a key, also where each table gets one of its own."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a key holds, itself or by name."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.DictType):
        info = info.value_type
    if isinstance(info, msgspec.inspect.VarTupleType):
        info = info.item_type
    return info.cls if isinstance(info, msgspec.inspect.StructType) else None


def words(info: Any) -> str:  # noqa: PLR0911 - one per type
    """Say a type in words."""
    match info:
        case msgspec.inspect.StrType():
            return "string" if info.pattern is None else f"string like `{cell(info.pattern)}`"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return bounds("whole number" if isinstance(info, msgspec.inspect.IntType) else "number", info)
        case msgspec.inspect.DateType():
            return "date"
        case msgspec.inspect.LiteralType():
            return ", ".join(f"`{literal(value)}`" for value in info.values)
        case msgspec.inspect.VarTupleType():
            return f"list of {words(info.item_type)}".replace("list of string", "list of strings", 1)
        case msgspec.inspect.DictType():
            return f"table: name → {words(info.value_type)}"
        case msgspec.inspect.UnionType():
            return " or ".join(
                words(kind) for kind in info.types if not isinstance(kind, msgspec.inspect.NoneType)
            )
    raise TypeError(f"no words for {info}")


def bounds(noun: str, info: Any) -> str:
    """Add the limits of a number."""
    limits = [("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "up to")]
    said = [f"{word} {getattr(info, name):g}" for name, word in limits if getattr(info, name) is not None]
    return " ".join([noun, *said])


def literal(value: object) -> str:  # noqa: PLR0911 - one per type
    """Write a value as TOML; a default of None is no key at all."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {literal(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return str(value)


def paragraphs(kind: type[msgspec.Struct]) -> str:
    """Return a docstring as Markdown."""
    return inspect.cleandoc(kind.__doc__ or "").replace("``", "`")


def cell(text: str) -> str:
    """Return text as it may stand in a cell of a table."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the strings that stand below the fields of a class in its source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    found: dict[str, str] = {}
    body = typing.cast("ast.ClassDef", definition).body
    for field, text in itertools.pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)):
            continue
        if isinstance(text.value, ast.Constant):
            found[typing.cast("ast.Name", field.target).id] = str(text.value.value)
    return found


def built_ins() -> Iterator[str]:
    """List what every project has without asking."""
    for title, rows, table in (
        ("Profiles of every project", profiles.BUILT_IN, "profiles"),
        ("Services of every project", services.BUILT_IN_SERVICES, "services"),
        ("Environments of every project", services.BUILT_IN_ENVIRONMENTS, "environments"),
    ):
        yield f"## {title}\n\nYour own row is laid over the one of the same name, key by key.\n\n```toml\n"
        for name, values in rows.items():
            lines = "".join(f"{key} = {literal(value)}\n" for key, value in values.items())
            yield f"[tool.toolkit.{table}.{name}]\n{lines}\n"
        yield "```\n\n"


def main() -> int:
    """Write the page, or only compare."""
    parser = argparse.ArgumentParser(description="Write docs/reference/configuration.md.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when it is out of date")
    check = parser.parse_args().check
    current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if check:
        return int(current != page())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
