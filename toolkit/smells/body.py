"""Rules about what stands in the body of a test: TS106, TS107, TS110, TS111, TS112."""

import ast
import re
from collections.abc import Iterable, Iterator

from toolkit.smells.looking import Class, Definition, Function, Module, dotted
from toolkit.smells.names import ASSERTS, ENDS, last
from toolkit.smells.spots import Asked, Spot, statements

_OWN_NAME = re.compile(
    r"snapshot|golden|regress|approv|request|testMethodName|self\.id\(|current_test|__name__", re.IGNORECASE
)
_ENOUGH = 30
"""Characters of a body below which two tests may look the same by chance."""


def empty_test(asked: Asked) -> Iterator[Spot]:
    """TS111: nothing but a docstring, ``pass`` or ``...``."""
    for test in asked.module.tests:
        marked = any(last(name) in {"skip", "skipif", "xfail", "usefixtures"} for name in test.decorators)
        if not statements(test) and not marked:
            yield Spot(test.node, test, "has no body, and counts as passed")


def duplicate(asked: Asked) -> Iterator[Spot]:
    """TS106: the same statements, decorators and arguments as another test of the same class."""
    first: dict[tuple[object, ...], Function] = {}
    for test in asked.module.tests:
        text = _text(asked.module, statements(test))
        if len(text) < _ENOUGH or _OWN_NAME.search(text) or any(map(_OWN_NAME.search, test.arguments)):
            continue
        node = test.node
        signature = _text(asked.module, [*node.decorator_list, node.args])
        twin = first.setdefault((test.owner, signature, text, isinstance(node, ast.AsyncFunctionDef)), test)
        if twin is not test and twin.name != test.name:
            yield Spot(node, test, f"does the same as {twin.name} in line {twin.node.lineno}")


def _text(module: Module, nodes: Iterable[ast.stmt | ast.expr | ast.arguments]) -> str:
    """Return what stands in the source, without indentation."""
    found = []
    for node in nodes:
        if isinstance(node, ast.arguments):
            found.append(ast.dump(node))
        else:
            lines = module.lines[node.lineno - 1 : node.end_lineno]
            found.extend(line.strip() for line in lines)
    return "\n".join(found)


def conditional_assertion(asked: Asked) -> Iterator[Spot]:
    """TS107: an assertion inside ``if`` or ``match``."""
    for test in asked.module.tests:
        if any(last(name) in _CHOOSERS for name in test.decorators):
            continue
        conditions: dict[ast.If | ast.Match, None] = {}
        places = [place for _, place in test.asserts]
        places += [call.place for call in asked.reported(test) if _is_assertion(call.name)]
        for place in places:
            if place.branch is not None and not place.nested and not _is_spared(place.branch):
                conditions[place.branch] = None
        for condition in conditions:
            yield Spot(condition, test, "what is checked depends on this condition")


_CHOOSERS = frozenset({"given", "rule", "invariant", "parametrize_with_cases"})
"""Decorators of tests for values that a generator chooses: not every claim holds for every value."""


def _is_assertion(name: str) -> bool:
    word = last(name)
    return "assert" in word.lower()


def _is_spared(condition: ast.If | ast.Match) -> bool:
    """Tell whether a condition is about the machine, leaves a loop or the test, or skips."""
    if _is_about_the_machine(condition):
        return True
    for node in ast.walk(condition):
        if isinstance(node, ast.Break | ast.Return | ast.Raise):
            return True
        if isinstance(node, ast.Call) and ENDS.match(last(dotted(node.func, {}))):
            return True
    return False


_CONSTANT = re.compile(r"(?:^|\.)_?[A-Z][A-Z0-9_]+$")


def _is_about_the_machine(condition: ast.If | ast.Match) -> bool:
    """Tell whether a condition is about platform, Python or packages, and not about the tested code."""
    tested = condition.test if isinstance(condition, ast.If) else condition.subject
    for node in ast.walk(tested):
        if isinstance(node, ast.Name | ast.Attribute):
            name = dotted(node, {})
            if _CONSTANT.search(name) or _MACHINE_WORDS.search(name):
                return True
    return False


_MACHINE_WORDS = re.compile(
    r"^(?:sys|os|platform|sysconfig)\.|^hasattr$|version|platform|windows|linux|darwin|pypy|cpython"
    r"|(?:^|[._])(?:has|have|supports)_|available|installed",
    re.IGNORECASE,
)


def broad_except(asked: Asked) -> Iterator[Spot]:
    """TS110: everything is caught, and the handler neither raises nor fails nor looks at it."""
    for test in asked.module.tests:
        for handler, tried, place in test.caught:
            if _is_deliberate(tried):
                continue
            if not place.nested and _is_broad(handler.type) and not _reacts(handler):
                yield Spot(handler, test, "catches every exception and goes on")
        for call in asked.reported(test):
            if (
                last(call.name) == "suppress"
                and not call.place.nested
                and any(map(_is_broad, call.node.args))
            ):
                yield Spot(call.node, test, "suppresses every exception")


def _is_deliberate(tried: ast.Try | ast.TryStar) -> bool:
    """Tell whether the test itself raises what is caught, or says what happens when nothing is."""
    return bool(tried.orelse) or any(isinstance(statement, ast.Raise) for statement in tried.body)


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_is_broad, kind.elts))
    return kind is None or getattr(kind, "id", "") in {"Exception", "BaseException"}


def _reacts(handler: ast.ExceptHandler) -> bool:
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise | ast.Assert):
            return True
        if isinstance(node, ast.Name) and node.id == handler.name:
            return True
        if isinstance(node, ast.Call) and ASSERTS.search(last(dotted(node.func, {}))):
            return True
    return False


def shadowed_test(asked: Asked) -> Iterator[Spot]:
    """TS112: a test, or a class of tests, that a later one of the same name replaces."""
    for owner, body in asked.module.scopes:
        named: dict[str, ast.stmt] = {}
        for statement in body:
            if isinstance(statement, Definition | ast.ClassDef) and _is_collected(statement, owner):
                before = named.get(statement.name)
                if before is not None:
                    message = f"never runs: line {statement.lineno} defines {statement.name} again"
                    yield Spot(before, None, f"{statement.name} {message}")
                named[statement.name] = statement


def _is_collected(statement: Definition | ast.ClassDef, owner: Class | None) -> bool:
    if owner is not None and not owner.collected:
        return False
    decorators = [dotted(decorator, {}) for decorator in statement.decorator_list]
    plain = all(".mark." in name or "patch" in name for name in decorators)
    return plain and statement.name.lower().startswith("test")
