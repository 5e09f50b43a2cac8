"""Where functions that keep things look for them: what a test finds there may have been kept by another.

A test in which such a function finds nothing borrows nothing: it computes all itself, as can be seen. So
every place where a function keeps things is told here for each line that reads it, with what is found there
when nothing is kept. Where that cannot be told with certainty, every test that enters the function borrows.
"""

import ast
from collections.abc import Collection, Iterator, Mapping

from toolkit.impact.keeping import (
    Function,
    caches_in,
    changed_by,
    first_line,
    fresh_names,
    keeps,
    kept_by_name,
    own_nodes,
    place_of,
    places_kept,
    results_are_kept,
    stored_place,
)
from toolkit.impact.nodes import children, walk
from toolkit.tracing.keeping import CHANGING_METHODS, Keepers
from toolkit.tracing.looks import EMPTY, ENTERING, FALSE, LEAVING, NONE, USED, Look

_OTHER_WAYS = frozenset(
    {"locals", "vars", "globals", "eval", "exec", "getattr", "setattr", "hasattr", "delattr", "__dict__"}
)
"""What mentions these may look without saying where."""

_PURE_METHODS = frozenset({"copy", "count", "get", "index", "items", "keys", "values", *CHANGING_METHODS})
"""Methods of containers that take nothing away."""

_ENDS = (ast.Return, ast.Raise)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
_FROM_LEAST = (EMPTY, FALSE, NONE, USED)

Parents = Mapping[int, ast.AST]
"""Id of a node → the node around it."""


def keepers_of(content: bytes, among: Collection[int]) -> Keepers:
    """Return which functions of a file keep things, or what they return is kept, each with its looks.

    Args:
        content: of the file.
        among: first lines of functions, decorators included; only these are looked at.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return dict.fromkeys(among)
    caches = caches_in(tree)
    functions = {first_line(node): node for node in walk(tree) if isinstance(node, Function)}
    found: dict[int, tuple[Look, ...] | None] = {}
    for line in among:
        node = functions.get(line)
        if node is not None and results_are_kept(node, caches):
            found[line] = None
        elif node is not None and keeps(node):
            found[line] = looks_of(node)
    return found


def looks_of(function: Function) -> tuple[Look, ...] | None:
    """Return where a function that keeps things by its form looks for them; None: that cannot be told."""
    nodes = own_nodes(function)
    if isinstance(function, ast.AsyncFunctionDef) or kept_by_name(nodes) or _is_opaque(nodes):
        return None
    bound = _bindings(function, nodes)
    known = bound.keys() | fresh_names(function, nodes)
    changed = [target for node in nodes if (target := changed_by(node)) is not None]
    if not all(_root(place_of(node)) in known for node in changed):
        return None
    parents = {id(child): node for node in nodes for child in children(node)}
    found: list[Look] = []
    for place in sorted(places_kept(function, nodes)):
        looks = _looks_at(place, nodes, parents, bound, _parameters(function))
        if looks is None:
            return None
        found += looks
    return tuple(found)


def _is_opaque(nodes: Collection[ast.AST]) -> bool:
    """Whether a function may run in pieces, look in unnamed ways, or have its names bound from inside."""
    named = {node.id for node in nodes if isinstance(node, ast.Name)}
    named |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return (
        not named.isdisjoint(_OTHER_WAYS)
        or any(isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await, ast.ClassDef)) for node in nodes)
        or any(
            isinstance(inner, ast.Nonlocal)
            for node in nodes
            if isinstance(node, Function)
            for inner in walk(node)
        )
    )


def _root(place: str) -> str:
    return place.partition(".")[0]


def _bindings(function: Function, nodes: Collection[ast.AST]) -> dict[str, list[int]]:
    """Return the parameters and local names, each with the lines where it is bound again."""
    bound: dict[str, list[int]] = {name: [] for name in _parameters(function)}
    for node in nodes:
        for name in _bound_by(node):
            bound.setdefault(name, []).append(getattr(node, "lineno", 0))
    return bound


def _parameters(function: Function) -> set[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {item.arg for item in every if item is not None}


def _bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from ((item.asname or item.name).partition(".")[0] for item in aliases)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case _:
            pass


def _looks_at(
    place: str,
    nodes: Collection[ast.AST],
    parents: Parents,
    bound: Mapping[str, list[int]],
    parameters: Collection[str],
) -> list[Look] | None:
    """Return how one place is looked at; None: not only in ways that can be followed."""
    attribute = place.rpartition(".")[2]
    stores = [node for node in nodes if stored_place(node) == place]
    reads = [node for node in nodes if _reads(node, place, attribute, parents)]
    filled = all(_fills(node) for node in stores) and all(_is_pure(node, parents) for node in reads)
    if (
        _root(place) not in bound
        or any(map(_is_private, place.split(".")))
        or not (filled or all(isinstance(getattr(node, "ctx", None), ast.Store) for node in stores))
        or not (filled or all(isinstance(node, ast.Attribute) for node in stores))
        or any(isinstance(node, ast.Constant) and node.value == attribute for node in nodes)
        or any(_runs_later(node, parents) for node in [*reads, *stores])
        or not _is_one_thing(_root(place), parameters, nodes, parents)
    ):
        return None
    found: list[Look] = []
    for node in reads:
        first, last = _lines(node, parents)
        if place_of(node) != place or any(first <= line <= last for line in bound[_root(place)]):
            return None
        nothing = EMPTY if filled else _nothing(node, place, parents)
        found += [(line, place, nothing) for line in range(first, last + 1)]
    least = min((nothing for _line, _place, nothing in found), key=_FROM_LEAST.index, default=USED)
    return [*found, (LEAVING if bound[_root(place)] else ENTERING, place, least)]


def _is_private(name: str) -> bool:
    """Whether it is another name once a class is compiled: looked up as it is written, it is never there."""
    return name.startswith("__") and not name.endswith("__")


def _is_one_thing(
    name: str, parameters: Collection[str], nodes: Collection[ast.AST], parents: Parents
) -> bool:
    """Whether a variable is a parameter that stays what it was, or is bound once in a call at most."""
    binders = [node for node in nodes if name in _bound_by(node)]
    if any(isinstance(around, _LOOPS) for node in binders for around in _around(node, parents)):
        return False
    return len(binders) + (name in parameters) == 1


def _reads(node: ast.AST, place: str, attribute: str, parents: Parents) -> bool:
    """Whether a node reads the place, or may read the same by another way."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            return name == place
        case ast.Attribute(attr=attr) if "." in place and attr == attribute:
            around = parents.get(id(node))
            added = isinstance(around, ast.AugAssign) and around.target is node
            return added or isinstance(node.ctx, ast.Load)
        case _:
            return False


def _fills(node: ast.AST) -> bool:
    """Whether a store puts something into a container, and takes nothing away."""
    return isinstance(node, ast.Call) or (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store))


def _is_pure(node: ast.AST, parents: Parents) -> bool:
    """Whether reading a container this way takes nothing away from it."""
    around = parents.get(id(node))
    return not isinstance(around, ast.Attribute) or around.attr in _PURE_METHODS


def _nothing(node: ast.AST, place: str, parents: Parents) -> str:
    """Return what an attribute holds when nothing is kept, where the function goes on to compute it then."""
    around = parents.get(id(node))
    match around:
        case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=None)]) if left is node:
            return NONE if _stored_under(around, place, parents) else USED
        case ast.UnaryOp(op=ast.Not()):
            return FALSE if _stored_under(around, place, parents) else USED
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]) if (
            left is node
        ):
            return NONE if _leaves_under(around, parents) else USED
        case _:
            return USED


def _stored_under(test: ast.AST, place: str, parents: Parents) -> bool:
    """Whether the place is assigned where the test holds."""
    branch = parents.get(id(test))
    return (
        isinstance(branch, ast.If)
        and branch.test is test
        and any(
            isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and place_of(inner) == place
            for statement in branch.body
            for inner in walk(statement)
        )
    )


def _leaves_under(test: ast.AST, parents: Parents) -> bool:
    """Whether the function ends where the test holds, and computes anew where it does not."""
    branch = parents.get(id(test))
    return isinstance(branch, ast.If) and branch.test is test and isinstance(branch.body[-1], _ENDS)


def _runs_later(node: ast.AST, parents: Parents) -> bool:
    """Whether it stands in a lambda or generator; what a generator goes over first is evaluated at once."""
    inner: ast.AST = node
    for around in _around(node, parents):
        match around:
            case ast.comprehension(iter=first) if first is inner:
                generator = parents[id(around)]
                if isinstance(generator, ast.GeneratorExp) and generator.generators[0] is around:
                    return _runs_later(generator, parents)
            case ast.Lambda() | ast.GeneratorExp():
                return True
            case _:
                pass
        inner = around
    return False


def _around(node: ast.AST, parents: Parents) -> Iterator[ast.AST]:
    at = parents.get(id(node))
    while at is not None:
        yield at
        at = parents.get(id(at))


def _lines(node: ast.AST, parents: Parents) -> tuple[int, int]:
    """Return the lines of the statement around a node, of one with others in it: those before them."""
    top = node
    for around in _around(node, parents):
        if isinstance(around, ast.stmt):
            if hasattr(around, "body"):
                return around.lineno, getattr(top, "end_lineno", None) or around.lineno
            return around.lineno, around.end_lineno or around.lineno
        top = around if hasattr(around, "end_lineno") else top
    return getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
