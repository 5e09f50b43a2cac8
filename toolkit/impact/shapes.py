"""Syntax trees as texts that are equal exactly for what means the same."""

import ast
from collections.abc import Callable
from typing import Any

from toolkit.impact.keeping import Function

_LEAVES = frozenset({str, int, type(None)})
"""What most values in a tree are; there are others."""
_ABSENT = object()
_SKIPPED_FIELDS = frozenset({"type_comment", "kind", "ctx", "type_ignores"})


def shape(node: Any, *, bodies: bool) -> str:
    """Write a tree, or a list of trees, as a text that is equal exactly for what means the same.

    Args:
        node: of a syntax tree.
        bodies: whether the bodies of functions in it count; their headers do.
    """
    return text_of(node, headers="bodies" if bodies else "all")


def header_shape(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Write name, arguments, decorators, annotations and docstring of a function."""
    parts: list[str] = []
    _write_header(function, parts.append)
    return "".join(parts)


def text_of(node: Any, *, headers: str) -> str:
    """Write a tree, or a list of trees.

    Args:
        node: of a syntax tree.
        headers: what to write of functions: "all" their headers, "tests" headers but those of tests,
            "bodies" everything.
    """
    parts: list[str] = []
    _write(node, parts.append, headers)
    return "".join(parts)


def function_text(function: Function) -> str:
    """Write header and body of a function, without the bodies of those in it."""
    parts: list[str] = []
    _write_header(function, parts.append)
    for statement in function.body:
        _write(statement, parts.append, "all")
    return "".join(parts)


def _write_header(function: Function, write: Callable[[str], object]) -> None:
    write(f"({type(function).__name__} {function.name}")
    for field in ("args", "decorator_list", "returns", "type_params"):
        _write(getattr(function, field, None), write, "all")
    write(repr(ast.get_docstring(function, clean=False)))
    write(")")


_FIELDS: dict[type[ast.AST], tuple[tuple[str, str], ...]] = {}


def _fields(kind: type[ast.AST]) -> tuple[tuple[str, str], ...]:
    """Return the fields of a kind of node that are written, each with what is written before it."""
    names = (name for name in kind._fields if name not in _SKIPPED_FIELDS)
    found = _FIELDS[kind] = tuple((name, f" {name}=") for name in names)
    return found


def _write(node: Any, write: Callable[[str], object], headers: str) -> None:
    """Write a tree so that two are equal exactly when they mean the same.

    Args:
        node: a node, a list of them, or a value in one.
        write: takes one piece after the other.
        headers: what to write of functions: "all" their headers, "tests" headers but those of tests,
            "bodies" everything.
    """
    kind = type(node)
    if kind is list:
        write("[")
        for item in node:
            _write(item, write, headers)
        write("]")
    elif kind in _LEAVES:
        write(f"{kind.__name__}:{node!r}")
    elif isinstance(node, Function) and headers != "bodies":
        if headers == "all" or not node.name.startswith("test"):
            _write_header(node, write)
    elif isinstance(node, ast.AST):
        write(f"({kind.__name__}")
        for field, before in _FIELDS.get(kind) or _fields(kind):
            value = getattr(node, field, _ABSENT)
            if type(value) in _LEAVES:
                write(f"{before}{type(value).__name__}:{value!r}")
            elif value is not _ABSENT:
                write(before)
                _write(value, write, headers)
        write(")")
    else:
        write(f"{kind.__name__}:{node!r}")
