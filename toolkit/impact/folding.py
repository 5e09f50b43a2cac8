"""Constant folding: values of expressions that run no code of the project, however they are written.

An expression is evaluated only from constants, containers, operators, comprehensions, a few builtins and
methods of builtin types, and names whose values are known in the same way. So evaluating it has no effect,
and what can be evaluated here raises nothing when the module is imported.
"""

import ast
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

MOST_STEPS = 20_000
"""Nodes that are evaluated for one expression at most; whoever computes more is not folded."""
LARGEST = 10_000
"""Length of texts and containers, and bits of numbers, beyond which nothing is folded."""


class NotFolded(Exception):
    """The value cannot be told without running the module."""


_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_CALLED: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(bool, bytes, dict, float, frozenset, int, list, set, str, tuple),
        *(chr, len, max, min, ord, range, sorted),
    )
}
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {
            "casefold",
            "encode",
            "endswith",
            "join",
            "lower",
            "lstrip",
            "replace",
            "rstrip",
            "split",
            "splitlines",
        }
        | {"startswith", "strip", "title", "upper"}
    ),
    bytes: frozenset({"decode", "join", "lower", "split", "strip", "upper"}),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
    set: frozenset({"copy", "difference", "intersection", "union"}),
    frozenset: frozenset({"copy", "difference", "intersection", "union"}),
}
_FLAGS = {flag: value for flag, value in vars(re).items() if isinstance(value, re.RegexFlag)}


def fold(node: ast.expr, known: Mapping[str, Any], *, builtins: Callable[[str], bool]) -> Any:
    """Return the value of an expression.

    Args:
        node: the expression.
        known: values of names that it may use; the module ``re`` under the name that it was imported by.
        builtins: tells whether a name means the builtin of that name.

    Raises:
        NotFolded: it may have effects, may raise, takes too long, or means something unknown.
    """
    folding = _Folding(known, builtins)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return folding.value(node)
    except NotFolded:
        raise
    except Exception as error:  # whatever the operation raises
        raise NotFolded(str(error)) from error


class _Folding:
    """One expression being evaluated."""

    def __init__(self, known: Mapping[str, Any], builtins: Callable[[str], bool]) -> None:
        self.names = dict(known)
        self.builtins = builtins
        self.steps = 0

    def value(self, node: ast.expr) -> Any:
        self.steps += 1
        way = _WAYS.get(type(node))
        if way is None or self.steps > MOST_STEPS:
            raise NotFolded(type(node).__name__)
        found = way(self, node)
        if isinstance(found, int) and found.bit_length() > LARGEST:
            raise NotFolded("too large a number")
        if isinstance(found, Sized) and len(found) > LARGEST:
            raise NotFolded("too large")
        return found

    def name(self, node: ast.Name) -> Any:
        return self.names[node.id]

    def mapping(self, node: ast.Dict) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self.value(value))
            else:
                found[self.value(key)] = self.value(value)
        return found

    def unary(self, node: ast.UnaryOp) -> Any:
        return _UNARY[type(node.op)](self.value(node.operand))

    def binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mult):
            for one, other in ((left, right), (right, left)):
                if isinstance(one, int) and isinstance(other, Sized) and abs(one) * len(other) > LARGEST:
                    raise NotFolded("too large")
        if isinstance(node.op, ast.Mod) and isinstance(left, (str, bytes)):
            raise NotFolded("formatting")
        return _BINARY[type(node.op)](left, right)

    def boolean(self, node: ast.BoolOp) -> Any:
        found: Any = None
        for item in node.values:
            found = self.value(item)
            if bool(found) is isinstance(node.op, ast.Or):
                break
        return found

    def comparison(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self.value(item)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def choice(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def text(self, node: ast.JoinedStr) -> str:
        return "".join(map(self.part, node.values))

    def part(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                return str(self.value(inner))
            case _:
                raise NotFolded("formatting")

    def subscript(self, node: ast.Subscript) -> Any:
        return self.value(node.value)[self.value(node.slice)]

    def flag(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Name) and self.names.get(node.value.id) is re:
            return _FLAGS[node.attr]
        raise NotFolded("an attribute")

    def items(self, nodes: Iterable[ast.expr]) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.value(node.value)
            else:
                yield self.value(node)

    def rounds(self, item: ast.expr, rules: Sequence[ast.comprehension]) -> Iterator[Any]:
        """Yield what a comprehension makes."""
        if not rules:
            yield self.value(item)
            return
        rule, *inner = rules
        if rule.is_async:
            raise NotFolded("asynchronous")
        before = self.names
        for value in self.value(rule.iter):
            self.names = {**before, **dict(_bound(rule.target, value))}
            if all(self.value(test) for test in rule.ifs):
                yield from self.rounds(item, inner)
        self.names = before

    def mapped(self, node: ast.DictComp) -> dict[Any, Any]:
        pair = ast.Tuple(elts=[node.key, node.value])
        return dict(self.rounds(pair, node.generators))

    def call(self, node: ast.Call) -> Any:
        if node.keywords:
            raise NotFolded("keywords")
        values = list(self.items(node.args))
        match node.func:
            case ast.Name(id=name) if name in _CALLED and name not in self.names and self.builtins(name):
                return _CALLED[name](*values)
            case ast.Attribute(value=ast.Name(id=name), attr="compile") if self.names.get(name) is re:
                return re.compile(*values)
            case ast.Attribute(value=owner, attr=method):
                value = self.value(owner)
                if method in _METHODS.get(type(value), ()):
                    return getattr(value, method)(*values)
        raise NotFolded("a call")


_WAYS: dict[type[ast.expr], Callable[[_Folding, Any], Any]] = {
    ast.Constant: lambda _folding, node: node.value,
    ast.Name: _Folding.name,
    ast.Tuple: lambda folding, node: tuple(folding.items(node.elts)),
    ast.List: lambda folding, node: list(folding.items(node.elts)),
    ast.Set: lambda folding, node: set(folding.items(node.elts)),
    ast.Dict: _Folding.mapping,
    ast.UnaryOp: _Folding.unary,
    ast.BinOp: _Folding.binary,
    ast.BoolOp: _Folding.boolean,
    ast.Compare: _Folding.comparison,
    ast.IfExp: _Folding.choice,
    ast.JoinedStr: _Folding.text,
    ast.Subscript: _Folding.subscript,
    ast.Attribute: _Folding.flag,
    ast.ListComp: lambda folding, node: list(folding.rounds(node.elt, node.generators)),
    ast.SetComp: lambda folding, node: set(folding.rounds(node.elt, node.generators)),
    ast.GeneratorExp: lambda folding, node: list(folding.rounds(node.elt, node.generators)),
    ast.DictComp: _Folding.mapped,
    ast.Call: _Folding.call,
}


def _bound(target: ast.expr, value: Any) -> Iterator[tuple[str, Any]]:
    match target:
        case ast.Name(id=name):
            yield name, value
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            for inner, part in zip(targets, value, strict=True):
                yield from _bound(inner, part)
        case _:
            raise NotFolded("a target")
