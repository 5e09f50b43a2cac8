"""One walk through the syntax tree of a file, noting what the rules ask for.

The rules look at notes, not at trees: each function is walked once, whatever the number of rules. Names are
noted as the imports of the file resolve them: after ``from time import sleep as nap``, a call of ``nap`` is
one of ``time.sleep``.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from toolkit.smells.names import CUTS_SHORT, FIXTURE, SET_UP, TEAR_DOWN, TEST_BASE, is_mutable, last

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Place(NamedTuple):
    """Where in a function something stands."""

    nested: bool = False
    """In a function, lambda or class inside of it: it runs when that is called, if ever."""
    loop: ast.AST | None = None
    branch: ast.If | ast.Match | None = None
    """The outermost condition around it."""
    guarded: bool = False
    """In a ``try`` with ``finally``, or below ``with``."""
    cut_short: bool = False
    """Below a ``with`` that ends what takes long, or expects an exception."""


class Call(NamedTuple):
    """A call and its place."""

    name: str
    """Dotted; a call inside the chain is shown as ``()``: ``requests.Session().get``."""
    node: ast.Call
    place: Place


class Write(NamedTuple):
    """An assignment to an attribute or an item, or its deletion."""

    name: str
    """``os.environ`` for ``os.environ["A"] = "b"``, ``shop.RATE`` for ``shop.RATE = 2``."""
    node: ast.stmt
    place: Place
    item: bool = False
    """Whether an item of it is written, not the name itself."""


class Caught(NamedTuple):
    """An exception handler."""

    node: ast.ExceptHandler
    tried: ast.Try | ast.TryStar
    place: Place


class Function:
    """What was seen in one function, its inner functions included."""

    def __init__(self, node: Definition, owner: "Class | None", decorators: Sequence[str]) -> None:
        self.node = node
        self.name = node.name
        self.owner = owner
        self.decorators = decorators
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        self.arguments = {argument.arg for argument in arguments}
        self.is_test = node.name.startswith("test")
        self.is_fixture = any(FIXTURE.search(name) for name in decorators)
        self.calls: list[Call] = []
        self.asserts: list[tuple[ast.Assert, Place]] = []
        self.raises: list[tuple[ast.Raise, Place]] = []
        self.writes: list[Write] = []
        self.caught: list[Caught] = []
        self.withs: list[tuple[ast.With | ast.AsyncWith, Place]] = []
        self.awaited: set[ast.expr] = set()
        self.globals: dict[str, ast.Global] = {}
        self.loads: set[str] = set()
        self.locals: set[str] = set()
        """Names that it assigns in its own body."""
        self.named: list[tuple[str, ast.expr, ast.stmt]] = []
        """``name = call`` of single names and attributes of ``self``."""

    @property
    def qualified(self) -> str:
        """``TestClass::test_x``, as in a node id."""
        return self.name if self.owner is None else f"{self.owner.qualified}::{self.name}"

    @property
    def prepares(self) -> bool:
        """Whether it runs before or around tests: a fixture, a set-up."""
        return self.is_fixture or bool(SET_UP.match(self.name))


class Class:
    """A class at the top of a file, or in another class."""

    def __init__(self, node: ast.ClassDef, owner: "Class | None", bases: Sequence[str]) -> None:
        self.node = node
        self.name = node.name
        self.owner = owner
        self.bases = bases
        self.methods: dict[str, Function] = {}
        self.mutable: dict[str, ast.stmt] = {}

    @property
    def qualified(self) -> str:
        """``TestOuter::TestInner``."""
        return self.name if self.owner is None else f"{self.owner.qualified}::{self.name}"

    @property
    def collected(self) -> bool:
        """Whether pytest looks for tests in it: by its name, or because it is some TestCase."""
        return self.name[:4].lower() == "test" or any(map(TEST_BASE.search, self.bases))

    @property
    def tears_down(self) -> bool:
        """Whether something of it runs after each test."""
        return any(TEAR_DOWN.match(name) for name in self.methods)


class Module:
    """What was seen in one file."""

    def __init__(self, path: str, lines: Sequence[str]) -> None:
        self.path = path
        self.lines = lines
        self.imports: dict[str, str] = {}
        self.modules: set[str] = set()
        """Dotted names of the modules that ``import`` names."""
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, Class] = {}
        self.all: list[Function] = []
        self.scopes: list[tuple[Class | None, list[ast.stmt]]] = []
        self.mutable: dict[str, ast.stmt] = {}

    @property
    def tests(self) -> Iterator[Function]:
        """Every test of the file."""
        return (seen for seen in self.all if seen.is_test and not seen.is_fixture)


def look(tree: ast.Module, path: str, lines: Sequence[str]) -> Module:
    """Walk a file once."""
    module = Module(path, lines)
    _scope(tree.body, module, None)
    return module


def _scope(body: list[ast.stmt], module: Module, owner: Class | None) -> None:
    """Note what a module or a class defines, also in the branches of its conditions."""
    module.scopes.append((owner, body))
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _function(statement, module, owner)
            case ast.ClassDef():
                _class(statement, module, owner)
            case ast.Import():
                module.imports.update(imported(statement))
                module.modules.update(alias.name for alias in statement.names)
            case ast.ImportFrom():
                module.imports.update(imported(statement))
            case ast.Assign() | ast.AnnAssign():
                _assignment(statement, module, owner)
            case ast.If() | ast.With() | ast.Try():
                for inner in _branches(statement):
                    _scope(inner, module, owner)


def _branches(statement: ast.If | ast.With | ast.Try) -> Iterator[list[ast.stmt]]:
    yield statement.body
    yield from (handler.body for handler in getattr(statement, "handlers", ()))
    yield getattr(statement, "orelse", [])
    yield getattr(statement, "finalbody", [])


def _function(node: Definition, module: Module, owner: Class | None) -> None:
    decorators = [dotted(decorator, module.imports) for decorator in node.decorator_list]
    seen = Function(node, owner, decorators)
    seen.is_test = seen.is_test and (owner is None or owner.collected)
    _Walk(module.imports, seen).through(node)
    (module.functions if owner is None else owner.methods)[node.name] = seen
    module.all.append(seen)


def _class(node: ast.ClassDef, module: Module, owner: Class | None) -> None:
    made = Class(node, owner, [dotted(base, module.imports) for base in node.bases])
    module.classes[node.name] = made
    _scope(node.body, module, made)


def _assignment(statement: ast.Assign | ast.AnnAssign, module: Module, owner: Class | None) -> None:
    """Note what all tests share, and what ``name.__test__ = False`` says is no test."""
    into = module.mutable if owner is None else owner.mutable
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        if isinstance(target, ast.Name):
            into.pop(target.id, None)
            if is_mutable(statement.value):
                into[target.id] = statement
        elif isinstance(target, ast.Attribute) and target.attr == "__test__":
            name = dotted(target.value, {})
            if name in module.functions:
                module.functions[name].is_test = False


def imported(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """Return what an import binds: name → dotted name, relative ones with their dots."""
    if isinstance(statement, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: alias.name
            if alias.asname
            else alias.name.partition(".")[0]
            for alias in statement.names
        }
    source = "." * statement.level + (statement.module or "")
    return {alias.asname or alias.name: f"{source}.{alias.name}" for alias in statement.names}


def dotted(node: ast.AST, imports: Mapping[str, str]) -> str:
    """Return the name of an expression, as its imports resolve it; of a decorator's call, what is called."""
    while isinstance(node, ast.Call):
        node = node.func
    parts: list[str] = []
    while True:
        kind = type(node)
        if kind is ast.Attribute:
            parts.append(node.attr)  # type: ignore[attr-defined]
            node = node.value  # type: ignore[attr-defined]
        elif kind is ast.Name:
            parts.append(imports.get(node.id, node.id))  # type: ignore[attr-defined]
            break
        elif kind is ast.Call:
            parts.append(f"{dotted(node, imports)}()")
            break
        elif kind is ast.Await or kind is ast.Subscript:
            node = node.value  # type: ignore[attr-defined]
        else:
            parts.append("")
            break
    parts.reverse()
    return ".".join(parts)


_LEAVES = frozenset(
    {ast.Constant, ast.Load, ast.Store, ast.Del, ast.arg, ast.alias, ast.Pass, ast.Break, ast.Continue}
)


class _Walk:
    """The walk through one function."""

    def __init__(self, imports: Mapping[str, str], seen: Function) -> None:
        self.imports = imports
        self.seen = seen
        self.stack: list[tuple[ast.AST, Place]] = []

    def through(self, node: Definition) -> None:
        """Note everything below; without recursion, so that no expression is too deep."""
        here = Place()
        stack = self.stack
        stack.extend((statement, here) for statement in node.body)
        visits = _VISITS
        while stack:
            child, place = stack.pop()
            visit = visits.get(type(child))
            if visit is not None:
                place = visit(self, child, place)
            for name in child._fields:
                value = getattr(child, name, None)
                if type(value) is list:
                    for item in value:
                        if type(item) not in _LEAVES and isinstance(item, ast.AST):
                            stack.append((item, place))
                elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
                    stack.append((value, place))

    def call(self, node: ast.Call, place: Place) -> Place:
        self.seen.calls.append(Call(dotted(node.func, self.imports), node, place))
        return place

    def name(self, node: ast.Name, place: Place) -> Place:
        if type(node.ctx) is ast.Load:
            self.seen.loads.add(node.id)
        elif not place.nested:
            self.seen.locals.add(node.id)
        return place

    def asserted(self, node: ast.Assert, place: Place) -> Place:
        self.seen.asserts.append((node, place))
        return place

    def raised(self, node: ast.Raise, place: Place) -> Place:
        self.seen.raises.append((node, place))
        return place

    def branch(self, node: ast.If | ast.Match, place: Place) -> Place:
        return place if place.branch is not None else place._replace(branch=node)

    def loop(self, node: ast.For | ast.AsyncFor | ast.While, place: Place) -> Place:
        return place._replace(loop=node)

    def tried(self, node: ast.Try | ast.TryStar, place: Place) -> Place:
        self.seen.caught.extend(Caught(handler, node, place) for handler in node.handlers)
        return place._replace(guarded=True) if node.finalbody else place

    def within(self, node: ast.With | ast.AsyncWith, place: Place) -> Place:
        self.seen.withs.append((node, place))
        names = [last(dotted(item.context_expr, self.imports)) for item in node.items]
        return place._replace(guarded=True, cut_short=place.cut_short or any(map(CUTS_SHORT.search, names)))

    def awaits(self, node: ast.Await, place: Place) -> Place:
        self.seen.awaited.add(node.value)
        return place

    def inner(self, _node: ast.AST, place: Place) -> Place:
        return place._replace(nested=True, loop=None, branch=None)

    def outer(self, node: ast.Global, place: Place) -> Place:
        if not place.nested:
            self.seen.globals.update(dict.fromkeys(node.names, node))
        return place

    def assigned(self, node: ast.Assign, place: Place) -> Place:
        for target in node.targets:
            self._written(target, node, place)
            if isinstance(target, ast.Name | ast.Attribute):
                self.seen.named.append((dotted(target, {}), node.value, node))
        return place

    def changed(self, node: ast.AugAssign | ast.AnnAssign, place: Place) -> Place:
        self._written(node.target, node, place)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.seen.writes.append(Write(node.target.id, node, place))
        return place

    def deleted(self, node: ast.Delete, place: Place) -> Place:
        for target in node.targets:
            self._written(target, node, place)
        return place

    def _written(self, target: ast.expr, node: ast.stmt, place: Place) -> None:
        if isinstance(target, ast.Subscript):
            self.seen.writes.append(Write(dotted(target.value, self.imports), node, place, item=True))
        elif isinstance(target, ast.Attribute):
            self.seen.writes.append(Write(dotted(target, self.imports), node, place))
        elif isinstance(target, ast.Tuple):
            for part in target.elts:
                self._written(part, node, place)


_VISITS: dict[type, Any] = {
    ast.Call: _Walk.call,
    ast.Name: _Walk.name,
    ast.Assert: _Walk.asserted,
    ast.Raise: _Walk.raised,
    ast.If: _Walk.branch,
    ast.Match: _Walk.branch,
    ast.For: _Walk.loop,
    ast.AsyncFor: _Walk.loop,
    ast.While: _Walk.loop,
    ast.Try: _Walk.tried,
    ast.TryStar: _Walk.tried,
    ast.With: _Walk.within,
    ast.Await: _Walk.awaits,
    ast.AsyncWith: _Walk.within,
    ast.FunctionDef: _Walk.inner,
    ast.AsyncFunctionDef: _Walk.inner,
    ast.ClassDef: _Walk.inner,
    ast.Lambda: _Walk.inner,
    ast.Global: _Walk.outer,
    ast.Assign: _Walk.assigned,
    ast.AugAssign: _Walk.changed,
    ast.AnnAssign: _Walk.changed,
    ast.Delete: _Walk.deleted,
}
