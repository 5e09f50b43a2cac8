"""Functions that keep things for later calls: caches, lazily built tables, registries, counters.

What such a function ran when it filled its cache is not run again when the cache is used. So whoever enters
one depends also on what it may have called in other tests. Found by form: the function stores to a place that
outlives the call and also reads that place. Places are globals, attributes and items of containers that are
not new in the function; ``self`` in ``__init__`` is new.
"""

import ast
from collections.abc import Collection
from functools import cache
from typing import NamedTuple

from toolkit.impact.nodes import children, walk
from toolkit.tracing.keeping import CHANGING_METHODS, KEEPING, KEPT_HOOKS, LOADERS

Function = ast.FunctionDef | ast.AsyncFunctionDef

LOOKING_METHODS = frozenset({"get", "setdefault"})
MISSING = frozenset({"AttributeError", "KeyError", "LookupError", "NameError", "IndexError", "TypeError"})
"""Exceptions that tell that something is not there yet."""


class Caches(NamedTuple):
    """Caches that a module mentions."""

    aliases: frozenset[str] = frozenset()  # names that imports give to caches
    wrapped: frozenset[str] = frozenset()  # names of functions that are handed to caches: lru_cache()(build)

    def is_one(self, name: str) -> bool:
        """Whether what has the name may be a cache."""
        return name in self.aliases or KEEPING.search(name) is not None


def caches_in(tree: ast.AST) -> Caches:
    """Return the caches that a module mentions outside of decorators."""
    nodes = walk(tree)
    named = Caches(
        frozenset(
            item.asname
            for node in nodes
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for item in node.names
            if item.asname and KEEPING.search(item.name)
        )
    )
    is_one = cache(named.is_one)
    given = (
        argument
        for node in nodes
        if type(node) is ast.Call and node.args and any(map(is_one, names_in(node.func)))
        for argument in node.args
    )
    return Caches(named.aliases, frozenset(name for item in given for name in names_in(item)))


def first_line(function: Function) -> int:
    """Return the first line of a function with its decorators."""
    return min([function.lineno, *(item.lineno for item in function.decorator_list)])


def results_are_kept(function: Function, caches: Caches) -> bool:
    """Whether later calls may not enter the function at all."""
    return (
        function.name in KEPT_HOOKS
        or function.name in caches.wrapped
        or any(caches.is_one(name) for item in function.decorator_list for name in names_in(item))
    )


def keeps(function: Function) -> bool:
    """Whether the function may keep what it computes for later calls."""
    own = own_nodes(function)
    return kept_by_name(own) or bool(places_kept(function, own))


def kept_by_name(own: Collection[ast.AST]) -> bool:
    """Whether the nodes of a function say that it keeps things, in places that cannot be told.

    Args:
        own: from :func:`own_nodes`.
    """
    if any(isinstance(node, (ast.Global, ast.Nonlocal)) for node in own):
        return True
    mentioned = {node.id for node in own if type(node) is ast.Name}
    mentioned |= {node.attr for node in own if type(node) is ast.Attribute}
    return not LOADERS.isdisjoint(mentioned) or (
        "setattr" in mentioned and not mentioned.isdisjoint({"hasattr", "getattr"})
    )


def places_kept(function: Function, own: Collection[ast.AST]) -> set[str]:
    """Return the places to which the function stores and at which it also looks."""
    stored = {place for node in own if type(node) in _CHANGING and (place := stored_place(node))}
    if stored:
        fresh = fresh_names(function, own)
        stored = {place for place in stored if _root(place) not in fresh}
    if not stored:  # as most functions
        return set()
    looked = {place for node in own if type(node) in _LOOKING for place in _looked_at(node)}
    asked = {node.value for node in own if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {place for place in stored if place in looked or place.rpartition(".")[2] in asked}


def names_in(decorator: ast.expr) -> set[str]:
    """Names in a decorator, arguments aside: {"pytest", "fixture"} of @pytest.fixture(scope="module")."""
    found = set()
    node: ast.expr = decorator
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
            node = node.value
        else:
            return found | ({node.id} if isinstance(node, ast.Name) else set())


def own_nodes(function: Function) -> list[ast.AST]:
    """Nodes of the body, without nested functions."""
    found: list[ast.AST] = []
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        found.append(node)
        if not isinstance(node, Function):
            pending.extend(children(node))
    return found


def place_of(node: ast.AST) -> str:
    """Write a name or a chain of attributes: "self.cache"; empty for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = place_of(node.value)
        return f"{inner or '?'}.{node.attr}"
    return ""


def _root(place: str) -> str:
    return place.partition(".")[0]


def _reads(node: ast.AST) -> set[str]:
    return {
        place_of(inner)
        for inner in walk(node)
        if isinstance(inner, (ast.Name, ast.Attribute)) and isinstance(inner.ctx, ast.Load)
    }


def _looked_at(node: ast.AST) -> set[str]:  # noqa: PLR0911 - one for each form
    """Return the places that a node asks for whether something is there already."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Match(subject=test):
            return _reads(test)
        case ast.BoolOp() | ast.Compare(ops=[ast.In() | ast.NotIn() | ast.Is() | ast.IsNot()]):
            return _reads(node)
        case ast.NamedExpr(value=value):
            return _reads(value)
        case ast.Subscript(value=value, ctx=ast.Load()):
            return {place_of(value)}
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in LOOKING_METHODS:
            return {place_of(value)}
        case ast.Try(body=body, handlers=handlers) if any(_is_missing(handler) for handler in handlers):
            return {place for statement in body for place in _reads(statement)}
        case _:
            return set()


def _is_missing(handler: ast.ExceptHandler) -> bool:
    names = (
        {inner.id for inner in walk(handler.type) if isinstance(inner, ast.Name)} if handler.type else set()
    )
    return handler.type is None or not MISSING.isdisjoint(names)


_LOOKING = frozenset(
    {
        ast.If,
        ast.IfExp,
        ast.While,
        ast.Match,
        ast.BoolOp,
        ast.Compare,
        ast.NamedExpr,
        ast.Subscript,
        ast.Call,
        ast.Try,
    }
)
"""Kinds of nodes that :func:`_looked_at` tells something about."""

_CHANGING = frozenset({ast.Attribute, ast.Subscript, ast.Call})
"""Kinds of nodes that :func:`changed_by` tells something about."""


def stored_place(node: ast.AST) -> str:
    """Return the place that a node changes: x.y = …, x.y[…] = …, x.y.setdefault(…)."""
    changed = changed_by(node)
    return "" if changed is None else place_of(changed)


def changed_by(node: ast.AST) -> ast.expr | None:
    """Return the expression whose place a node changes; None: it changes nothing."""
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            return node
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return value
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in CHANGING_METHODS:
            return value
        case _:
            return None


_NEW = (
    ast.Dict,
    ast.List,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.Constant,
    ast.Tuple,
    ast.JoinedStr,
)


def fresh_names(function: Function, nodes: Collection[ast.AST]) -> set[str]:
    """Names of local variables that only ever hold things made in this call."""
    values: dict[str, list[ast.expr | None]] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        values.setdefault(target.id, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                values.setdefault(name, []).append(value)
            case _:
                pass
    fresh = {
        name
        for name, given in values.items()
        if all(value is None or isinstance(value, _NEW) or _is_making_call(value) for value in given)
    }
    fresh -= _otherwise_bound(nodes)
    given_by = function.args
    fresh |= {item.arg for item in (given_by.vararg, given_by.kwarg) if item is not None}
    parameters = {item.arg for item in [*given_by.args, *given_by.kwonlyargs, *given_by.posonlyargs]}
    if function.name == "__init__" and function.args.args:
        return (fresh - parameters) | {function.args.args[0].arg}
    return fresh - parameters


def _otherwise_bound(nodes: Collection[ast.AST]) -> set[str]:
    """Names that also hold what is imported, gone over, unpacked, or given by a context."""
    plain = {
        id(target)
        for node in nodes
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    names = {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in plain
    }
    imported = (
        item for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for item in node.names
    )
    return names | {(item.asname or item.name).partition(".")[0] for item in imported}


def _is_making_call(value: ast.expr) -> bool:
    """Whether it calls a class by its look: ``dict()``, ``Name()``."""
    if not isinstance(value, ast.Call):
        return False
    name = place_of(value.func).rpartition(".")[2]
    return name in {"dict", "list", "set", "defaultdict", "deque", "OrderedDict"} or name[:1].isupper()
