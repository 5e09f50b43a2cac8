"""What a module says about itself, apart from all else that runs when it is imported.

Its docstring is read by who asks for docstrings, ``__all__`` by who imports everything from it. Whoever
changes only these changes nothing for all others who import the module: see ``toolkit.impact.narrowing``.
"""

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping

import msgspec

from toolkit.impact.shapes import text_of

DOCSTRING = "__doc__"
EXPORTED = "__all__"

_ASKS_PYTEST = "PYTEST_DONT_REWRITE"


class Values(msgspec.Struct, frozen=True):
    """A module's tree in two parts."""

    rest: list[ast.stmt]
    """What runs when it is imported, without what stands apart."""
    texts: dict[str, str]
    """"__doc__", "__all__" → a text that is equal exactly when the value is."""
    statements: frozenset[int]
    """Ids of the statements that give these values, or that have no effect."""


def read(content: bytes) -> tuple[ast.Module, Values]:
    """Parse a Python file, and take out of it what it says about itself.

    Where its texts make Python warn, nothing stands apart: a warning may be an error.

    Raises:
        SyntaxError: it is not Python; so may ValueError, RecursionError and MemoryError be.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tree = ast.parse(content)
    return tree, Values(rest=tree.body, texts={}, statements=frozenset()) if said else split(tree)


def split(tree: ast.Module) -> Values:
    """Take out of a module what it says about itself."""
    docstring = _docstring(tree)
    texts: dict[str, str] = {} if docstring is None else {DOCSTRING: repr(docstring)}
    rest: list[ast.stmt] = []
    apart: set[int] = set()
    exports = _exports(tree)
    for position, statement in enumerate(tree.body):
        if _is_text(statement) and (position or docstring is not None):
            apart.add(id(statement))  # it has no effect, or is the docstring
        elif statement is exports:
            texts[EXPORTED] = f"{len(rest)} {text_of(statement, headers='all')}"  # moved, it has changed
            apart.add(id(statement))
        else:
            rest.append(statement)
    return Values(rest=rest, texts=texts, statements=frozenset(apart))


def _docstring(tree: ast.Module) -> str | None:
    """Return the docstring where nobody but who mentions ``__doc__`` reads it."""
    text = ast.get_docstring(tree, clean=False)
    return None if text is None or _ASKS_PYTEST in text or ">>>" in text else text


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _exports(tree: ast.Module) -> ast.Assign | None:
    """Return the statement that assigns ``__all__`` a list of texts, where nothing else in the file names it.

    A second one would also name it, so that none stands apart.
    """
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__") as target], value=value):
                return statement if _is_list_of_texts(value) and _is_alone(target, tree) else None
    return None


def _is_alone(target: ast.Name, tree: ast.Module) -> bool:
    return not any(node is not target and EXPORTED in _words_of(node) for node in ast.walk(tree))


def _words_of(node: ast.AST) -> tuple[object, ...]:
    match node:
        case ast.Name(id=word) | ast.Constant(value=word):
            return (word,)
        case ast.alias(name=name, asname=alias):
            return (name, alias)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return tuple(names)
        case _:
            return ()


def _is_list_of_texts(value: ast.expr) -> bool:
    return isinstance(value, (ast.List, ast.Tuple)) and all(
        isinstance(item, ast.Constant) and isinstance(item.value, str) for item in value.elts
    )


# -- as part of a module's fingerprint -------------------------------------------------------------------


def write_level(rest: str, texts: Mapping[str, str], digest: Callable[[str], str]) -> str:
    """Write the fingerprint of a module: that of the rest, and of what stands apart."""
    return " ".join([rest, *(f"{name}={digest(text)[:12]}" for name, text in sorted(texts.items()))])


def differing(old: str, new: str) -> frozenset[str] | None:
    """Return in what alone two fingerprints of a module differ, "__doc__", "__all__"; None: in more."""
    before, after = _read_level(old), _read_level(new)
    if before is None or after is None or before[0] != after[0]:
        return None
    return frozenset(_differences(before[1], after[1]))


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    return (name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _read_level(text: str) -> tuple[str, dict[str, str]] | None:
    rest, *pairs = text.split(" ")
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return (rest, found) if len(found) == len(pairs) and rest else None
