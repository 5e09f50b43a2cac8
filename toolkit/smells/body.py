"""Rules about what stands in the body of a test: TS106, TS107, TS110, TS111, TS112."""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator

from toolkit.smells.looking import Class, Definition, Function, Module, dotted
from toolkit.smells.names import ASSERTS, CLEANS, ENDS, last
from toolkit.smells.spots import Asked, Spot, statements

_OWN_NAME = re.compile(
    r"snapshot|golden|regress|approv|request|testMethodName|self\.id\(|current_test|__name__", re.IGNORECASE
)
_ENOUGH = 30
"""Characters of a body below which two tests may look the same by chance."""


def empty_test(asked: Asked) -> Iterator[Spot]:
    """TS111: nothing but a docstring, ``pass`` or ``...``."""
    for test in asked.module.tests:
        if not statements(test) and not any(map(_gives_sense, test.decorators)):
            yield Spot(test.node, test, "has no body, and counts as passed")


def _gives_sense(decorator: str) -> bool:
    """Tell whether an empty test may be meant: it is put aside, or runs fixtures or what decorates it."""
    own = not (_MARK in decorator or "patch" in decorator)
    return own or last(decorator) in {"skip", "skipif", "xfail", "usefixtures"}


_MARK = ".mark."


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
        chosen, helpers = _chosen(test), _helpers(asked.module)
        conditions: dict[ast.If | ast.Match, None] = {}
        places = [place for node, place in test.asserts if not _is_failure(node)]
        places += [call.place for call in asked.reported(test) if _is_assertion(call.name)]
        for place in places:
            branch = place.branch
            if branch is not None and not (
                place.nested or place.loop or _is_spared(branch, test, chosen, helpers)
            ):
                conditions[branch] = None
        for condition in conditions:
            yield Spot(condition, test, "checks something only under this condition")


_CHOOSERS = frozenset({"given", "rule", "invariant", "parametrize_with_cases"})
"""Decorators of tests for values that a generator chooses: not every claim holds for every value."""


def _is_assertion(name: str) -> bool:
    word = last(name)
    return "assert" in word.lower()


def _is_failure(node: ast.Assert) -> bool:
    """Tell whether ``assert False`` stands for ``pytest.fail``."""
    return isinstance(node.test, ast.Constant) and not node.test.value


def _chosen(test: Function) -> set[str]:
    """Return the names whose values are written down."""
    names: set[str] = set()
    for decorator in [*test.node.decorator_list, *(test.owner.node.decorator_list if test.owner else ())]:
        if (
            isinstance(decorator, ast.Call)
            and last(dotted(decorator, {})) == "parametrize"
            and decorator.args
        ):
            names.update(word.strip() for text in _words(decorator.args[0]) for word in text.split(","))
    return names


def _words(node: ast.expr) -> list[str]:
    nodes = node.elts if isinstance(node, ast.Tuple | ast.List) else [node]
    return [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def _helpers(module: Module) -> set[str]:
    """Return the functions of the file that assert."""
    return {name for name, seen in module.functions.items() if seen.asserts}


def _is_spared(condition: ast.If | ast.Match, test: Function, chosen: set[str], helpers: set[str]) -> bool:
    """Tell whether a condition is about chosen values or what is around the test, leaves it, or skips.

    What is neither made in the test nor given to it is around it: constants and helpers that know the
    platform, the server, the installed packages.
    """
    names = _names(condition)
    own = test.locals | test.arguments | {"self", "cls"}
    if (
        names <= chosen
        or not names <= own
        or _is_about_the_machine(condition)
        or _asserts_anyway(condition, helpers)
    ):
        return True
    for node in ast.walk(condition):
        if isinstance(node, ast.Break | ast.Return | ast.Raise):
            return True
        if isinstance(node, ast.Call) and ENDS.match(last(dotted(node.func, {}))):
            return True
    return False


_CONSTANT = re.compile(r"(?:^|\.)_?[A-Z][A-Z0-9_]+$")


def _asserts_anyway(condition: ast.If | ast.Match, helpers: set[str]) -> bool:
    """Tell whether something is checked whichever way is taken."""
    if isinstance(condition, ast.If):
        ways = [condition.body, condition.orelse]
    else:
        ways = [case.body for case in condition.cases]
        always = [
            isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None for case in condition.cases
        ]
        ways += [] if any(always) else [[]]
    return all(_asserts_in(way, helpers) for way in ways)


def _asserts_in(body: list[ast.stmt], helpers: set[str]) -> bool:
    if len(body) == 1 and isinstance(body[0], ast.If | ast.Match):
        return _asserts_anyway(body[0], helpers)
    nodes = (node for statement in body for node in ast.walk(statement))
    return any(isinstance(node, ast.Assert) or _is_check(node, helpers) for node in nodes)


def _is_check(node: ast.AST, helpers: set[str]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func, {})
    return name in helpers or bool(ASSERTS.search(last(name)))


def _names(condition: ast.If | ast.Match) -> set[str]:
    """Return the variables of a condition; ``len`` and the like are none."""
    found = {node.id for node in ast.walk(_tested(condition)) if isinstance(node, ast.Name)}
    return found - vars(builtins).keys()


def _tested(condition: ast.If | ast.Match) -> ast.expr:
    return condition.test if isinstance(condition, ast.If) else condition.subject


def _is_about_the_machine(condition: ast.If | ast.Match) -> bool:
    """Tell whether a condition is about platform, Python, packages or settings, not about the tested code."""
    for node in ast.walk(_tested(condition)):
        if isinstance(node, ast.Name | ast.Attribute):
            name = dotted(node, {})
            if _CONSTANT.search(name) or _MACHINE_WORDS.search(name):
                return True
    return False


_MACHINE_WORDS = re.compile(
    r"^(?:sys|os|platform|sysconfig)\.|^hasattr$|version|platform|windows|linux|darwin|pypy|cpython"
    r"|(?:^|[._])(?:has|have|supports)_|available|installed|_enabled$|^settings$|^config$|option",
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
        for node, place in test.withs:
            calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
            for call in calls:
                broad = last(dotted(call, {})) == "suppress" and any(map(_is_broad, call.args))
                if broad and not place.nested and not _only_cleans(node.body):
                    yield Spot(call, test, "suppresses every exception")


def _is_deliberate(tried: ast.Try | ast.TryStar) -> bool:
    """Tell whether the test itself raises what is caught, or says what happens when nothing is."""
    raised = any(isinstance(statement, ast.Raise) for statement in tried.body)
    return bool(tried.orelse) or raised or _only_cleans(tried.body)


def _only_cleans(body: list[ast.stmt]) -> bool:
    """Tell whether all that is done is to close, stop or remove something."""
    calls = [getattr(statement, "value", None) for statement in body if isinstance(statement, ast.Expr)]
    bare = [call.value if isinstance(call, ast.Await) else call for call in calls]
    return len(bare) == len(body) and all(
        isinstance(call, ast.Call) and CLEANS.search(last(dotted(call, {}))) for call in bare
    )


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
        if isinstance(node, ast.Call) and _looks_at(last(dotted(node.func, {}))):
            return True
    return False


def _looks_at(called: str) -> bool:
    return bool(ASSERTS.search(called)) or called in {"exc_info", "exception", "format_exc"}


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
