"""Names of a module whose values are known without running anything, apart from all else that runs on import.

Whoever changes ``TIMEOUT = 30`` changes nothing but the value of one name. What else runs when the module is
imported is the same, so a change concerns only who mentions the name: see ``toolkit.impact.narrowing``. A
name is known so when one statement of the module, under no condition, assigns it a value that can be folded,
and nothing else in the module binds it.
"""

import ast
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from toolkit.impact.folding import NotFolded, fold
from toolkit.impact.keeping import Function, names_in
from toolkit.impact.nodes import children, walk
from toolkit.impact.shapes import text_of

DOCSTRING = "__doc__"
EXPORTED = "__all__"
MOST_NAMES = 300
"""A module with more such names is one whole: each is written with the module's fingerprint."""

_INCURIOUS = frozenset(
    {"asynccontextmanager", "cache", "contextmanager", "fixture", "lru_cache", "overload", "wraps"}
)
"""Decorators that at most hand a docstring on."""
_READ_BY_PYTEST = ("pytest", "collect_ignore")
_ASKS_PYTEST = "PYTEST_DONT_REWRITE"


class Values(msgspec.Struct, frozen=True):
    """A module's tree in two parts."""

    rest: list[ast.stmt]
    """What runs when it is imported, without the values of the names."""
    texts: dict[str, str]
    """Name → a text that is equal exactly when its value is written alike, and so are those it is made of."""
    statements: frozenset[int]
    """Ids of the statements that assign these values, or that have no effect."""


def read(content: bytes) -> tuple[ast.Module, Values]:
    """Parse a Python file, and take the names with known values out of it.

    Where its texts make Python warn, none stand apart: a warning may be an error.

    Raises:
        SyntaxError: it is not Python; so may ValueError, RecursionError and MemoryError be.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tree = ast.parse(content)
    return tree, Values(rest=tree.body, texts={}, statements=frozenset()) if said else split(tree)


def split(tree: ast.Module) -> Values:
    """Take the names with known values out of a module."""
    docstring = _docstring(tree)
    bound = bindings(tree)
    certain = not bound["*"]  # else names may be bound to something else in between
    folded: dict[str, Any] = {}
    texts: dict[str, str] = {} if docstring is None else {DOCSTRING: repr(docstring)}
    rest: list[ast.stmt] = []
    apart: set[int] = set()

    def is_builtin(name: str) -> bool:
        return certain and not bound[name]

    for position, statement in enumerate(tree.body):
        if _is_text(statement) and (
            position or docstring is not None
        ):  # it has no effect, or is the docstring
            apart.add(id(statement))
            continue
        name, value = _assigned(statement)
        if value is not None and bound[name] == 1 and _may_be_apart(name):
            try:
                folded[name] = fold(value, folded if certain else {}, builtins=is_builtin)
            except NotFolded:
                rest.append(statement)
                continue
            texts[name] = f"{len(rest)} {_text(value, texts)}"  # whoever is moved past what runs has changed
            apart.add(id(statement))
            if isinstance(statement, ast.AnnAssign):
                rest.append(_without_value(statement))
            continue
        if _is_plain_import_of_re(statement) and bound["re"] == 1:
            folded["re"] = re
        rest.append(statement)
    if len(texts) > MOST_NAMES:
        return Values(rest=tree.body, texts={}, statements=frozenset())
    return Values(rest=rest, texts=texts, statements=frozenset(apart))


def take_docstrings(tree: ast.Module, room: int) -> dict[str, str]:
    """Take the docstrings of functions out of a tree where only who asks for them reads them.

    That are functions of the module itself, whose decorators do not look at them.

    Args:
        tree: changed in place.
        room: so many may stand apart; where there are more, none does.

    Returns:
        "name.__doc__" → docstring.
    """
    bound = bindings(tree)
    functions = [
        item
        for item in tree.body
        if isinstance(item, Function) and bound[item.name] == 1 and _is_incuriously_documented(item)
    ]
    if len(functions) > room:
        return {}
    texts = {f"{item.name}.{DOCSTRING}": repr(ast.get_docstring(item, clean=False)) for item in functions}
    for item in functions:
        del item.body[0]
    return texts


def _is_incuriously_documented(function: Function) -> bool:
    text = ast.get_docstring(function, clean=False)
    return (
        text is not None
        and ">>>" not in text
        and not function.name.startswith("test")
        and all(not _INCURIOUS.isdisjoint(names_in(item)) for item in function.decorator_list)
    )


def bindings(tree: ast.Module) -> Counter[str]:
    """Count how often a module binds each of its names; "*" counts imports of everything.

    A name that a function declares as global counts twice.
    """
    found: Counter[str] = Counter()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        found.update(_bound_by(node))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            inside = (inner for inner in walk(node) if isinstance(inner, ast.Global))
            found.update({name: 2 for item in inside for name in item.names})
            pending.extend(_evaluated_around(node))  # a walrus in one binds here
        else:
            pending.extend(children(node))
    return found


def _evaluated_around(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what is evaluated where a function or class is defined."""
    given = getattr(node, "args", None)
    if isinstance(given, ast.arguments):
        yield from given.defaults
        yield from filter(None, given.kw_defaults)
    yield from getattr(node, "decorator_list", ())
    yield from getattr(node, "bases", ())


def _bound_by(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return tuple((item.asname or item.name).partition(".")[0] for item in aliases)
        case ast.Global(names=names):
            return (*names, *names)
        case ast.alias():
            return ()
        case _:  # functions, classes, "except … as name", patterns
            words = (getattr(node, "name", None), getattr(node, "rest", None))
            return tuple(word for word in words if isinstance(word, str))


def _docstring(tree: ast.Module) -> str | None:
    """Return the docstring where nobody but who mentions ``__doc__`` reads it."""
    text = ast.get_docstring(tree, clean=False)
    return None if text is None or _ASKS_PYTEST in text or ">>>" in text else text


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _assigned(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value, simple=1):
            return name, value
        case _:
            return "", None


def _may_be_apart(name: str) -> bool:
    return name == EXPORTED or not (
        (name.startswith("__") and name.endswith("__")) or name.startswith(_READ_BY_PYTEST)
    )


def _text(value: ast.expr, known: Mapping[str, str]) -> str:
    used = {node.id for node in ast.walk(value) if isinstance(node, ast.Name) and node.id in known}
    return "\n".join([text_of(value, headers="all"), *(f"{name}:{known[name]}" for name in sorted(used))])


def _without_value(statement: ast.AnnAssign) -> ast.AnnAssign:
    return ast.AnnAssign(
        target=statement.target, annotation=statement.annotation, value=ast.Constant(...), simple=1
    )


def _is_plain_import_of_re(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import) and any(
        item.name == "re" and item.asname is None for item in statement.names
    )


# -- as part of a module's fingerprint -------------------------------------------------------------------


def write_level(rest: str, texts: Mapping[str, str], digest: Callable[[str], str]) -> str:
    """Write the fingerprint of a module: that of the rest, and of each name that stands apart."""
    return " ".join([rest, *(f"{name}={digest(text)[:12]}" for name, text in sorted(texts.items()))])


def differing(old: str, new: str) -> frozenset[tuple[str, str]] | None:
    """Return the names by which two fingerprints of a module differ; None: they differ in more.

    Returns:
        Names, each with "added", "removed" or "changed".
    """
    before, after = _read_level(old), _read_level(new)
    if before is None or after is None or before[0] != after[0]:
        return None
    return frozenset(_differences(before[1], after[1]))


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in before.keys() | after.keys():
        if name not in before:
            yield name, "added"
        elif name not in after:
            yield name, "removed"
        elif before[name] != after[name]:
            yield name, "changed"


def _read_level(text: str) -> tuple[str, dict[str, str]] | None:
    rest, *pairs = text.split(" ")
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return (rest, found) if len(found) == len(pairs) and rest else None
