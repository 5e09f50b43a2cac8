"""From TOML values to frozen types, with every mistake named by its key path.

msgspec validates; this module walks nested tables so that an error says ``profiles.unit.workers`` and lists
the valid keys and the nearest match, and so that all mistakes are reported at once.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from toolkit.errors import ConfigError

S = TypeVar("S", bound=msgspec.Struct)


def convert(table: object, kind: type[S], *, path: str, where: str, forbidden: Iterable[str] = ()) -> S:
    """Turn a TOML table into a frozen struct.

    Args:
        table: what TOML gave for this table.
        kind: the struct to build.
        path: key path of the table, e.g. ``tool.toolkit``.
        where: the file, for the message.
        forbidden: fields of the struct that the table may not set.

    Raises:
        ConfigError: names every wrong key, type and value with its key path, the valid values and the
            nearest match.
    """
    mistakes: list[str] = []
    value = _convert(table, kind, path, frozenset(forbidden), mistakes)
    raise_mistakes(mistakes, where)
    return typing.cast(S, value)


def raise_mistakes(mistakes: list[str], where: str) -> None:
    """Raise one ConfigError that names all mistakes, if there are any."""
    if mistakes:
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ConfigError(f"{where}: {count} in the configuration\n{lines}")


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or nothing when no valid word is near."""
    match = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""


def unknown(what: str, word: str, valid: Iterable[str]) -> str:
    """Say that a word is not known, which one was probably meant, and which ones are."""
    names = sorted(valid)
    return f"unknown {what} {word!r}{nearest(word, names)}; valid: {', '.join(names) or 'none'}"


def _convert(value: object, kind: Any, path: str, forbidden: frozenset[str], mistakes: list[str]) -> object:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _convert_struct(value, kind, path, forbidden, mistakes)
    if typing.get_origin(kind) in {Mapping, dict} or _is_mapping(kind):
        key_and_value = typing.get_args(kind)
        if isinstance(value, Mapping) and key_and_value:
            return {
                key: _convert(item, key_and_value[1], f"{path}.{key}", frozenset(), mistakes)
                for key, item in value.items()
            }
    row = _row_type(kind)
    if row is not None and isinstance(value, list | tuple):
        return tuple(
            _convert_struct(item, row, f"{path}[{number}]", frozenset(), mistakes)
            for number, item in enumerate(value)
        )
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, inner = str(error).partition(" - at `$")
        mistakes.append(f"{path}{inner.rstrip('`')} = {value!r}: {_explain(message, value, kind)}")
        return None


def _convert_struct(
    value: object,
    kind: type[msgspec.Struct],
    path: str,
    forbidden: frozenset[str],
    mistakes: list[str],
) -> object:
    if not isinstance(value, Mapping):
        mistakes.append(f"{path} = {value!r}: expected a table")
        return None
    fields = {
        field.encode_name: field for field in msgspec.structs.fields(kind) if field.name not in forbidden
    }
    before = len(mistakes)
    values: dict[str, Any] = {}
    for key, item in value.items():
        if key not in fields:
            mistakes.append(f"{path}.{key} = {item!r}: {unknown('key', key, fields)}")
            continue
        field = fields[key]
        values[field.name] = _convert(item, field.type, f"{path}.{key}", frozenset(), mistakes)
    mistakes.extend(
        f"{path}.{name}: missing, and it has no default"
        for name, field in fields.items()
        if field.required and name not in value
    )
    return kind(**values) if len(mistakes) == before else None


def _is_mapping(kind: Any) -> bool:
    origin = typing.get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _row_type(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct of an array of tables, ``tuple[Struct, ...]``; None: it is something else."""
    if typing.get_origin(kind) is not tuple:
        return None
    row = typing.get_args(kind)[0]
    return row if isinstance(row, type) and issubclass(row, msgspec.Struct) else None


def _explain(message: str, value: object, kind: Any) -> str:
    choices = list(_choices(kind))
    if choices:
        hint = nearest(value, choices) if isinstance(value, str) else ""
        return f"expected {' or '.join([*map(repr, choices), *_other_types(kind)])}{hint}"
    return message[:1].lower() + message[1:]


def _members(kind: Any) -> Iterable[Any]:
    origin = typing.get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        for member in typing.get_args(kind):
            yield from _members(member)
    elif origin is typing.Annotated:
        yield from _members(typing.get_args(kind)[0])
    else:
        yield kind


def _choices(kind: Any) -> Iterable[str]:
    for member in _members(kind):
        if typing.get_origin(member) is typing.Literal:
            yield from (str(choice) for choice in typing.get_args(member))


def _other_types(kind: Any) -> Iterable[str]:
    names = {int: "a number", float: "a number", str: "a string", bool: "true or false"}
    for member in _members(kind):
        if member in names:
            yield names[member]
