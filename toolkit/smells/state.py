"""Rules about what tests share: TS104, TS105."""

import ast
import re
from collections.abc import Iterator

from toolkit.smells.looking import Function, Module, Place
from toolkit.smells.names import CHANGES_PROCESS, MUTATES, PROCESS, TEAR_DOWN, is_mutable
from toolkit.smells.spots import Asked, Spot

_RESTORES = re.compile(
    r"patch|finalizer|cleanup|clean_up|callback|preserv|restor|isolat|exitstack|forked|override",
    re.IGNORECASE,
)


def order_dependence(asked: Asked) -> Iterator[Spot]:
    """TS104: the environment, the working directory, a module, a global is changed and stays so."""
    module = asked.module
    if _cleans_up(module):
        return
    for test in module.tests:
        if _puts_back(test):
            continue
        for name, node in _changes(asked, test):
            yield Spot(node, test, f"changes {name} for all tests that follow")


def _cleans_up(module: Module) -> bool:
    """Tell whether something of the file runs around every test: it may put everything back."""
    return any(TEAR_DOWN.match(name) for name in module.functions) or any(
        seen.is_fixture and _is_automatic(seen) for seen in module.all
    )


def _is_automatic(seen: Function) -> bool:
    return any(
        keyword.arg == "autouse"
        for decorator in seen.node.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
    )


def _puts_back(test: Function) -> bool:
    fixtures = {"monkeypatch", "mocker", "isolated_filesystem", "pytester", "testdir", "request"}
    return (
        bool(test.arguments & fixtures)
        or (test.owner is not None and test.owner.tears_down)
        or any(_RESTORES.search(call.name) for call in test.calls)
        or any(_RESTORES.search(name) for name in test.decorators)
    )


def _changes(asked: Asked, test: Function) -> Iterator[tuple[str, ast.AST]]:
    """Yield what a test changes once: what it changes twice it puts back, or means to."""
    found: dict[str, list[tuple[str, ast.AST, bool]]] = {}
    for name, node, place in _process_changes(asked, test):
        whole = name.rpartition(".")[0] if name in CHANGES_PROCESS else name
        found.setdefault(whole, []).append((name, node, place.guarded))
    for changes in found.values():
        (name, node, guarded), *more = changes
        if not more and not guarded:
            yield name.removesuffix(".update").removesuffix(".setdefault"), node
    for name, node in test.globals.items():
        if name in test.locals:
            yield f"the global {name}", node


def _process_changes(asked: Asked, test: Function) -> Iterator[tuple[str, ast.AST, Place]]:
    own = test.arguments | test.locals
    for write in test.writes:
        if write.place.nested:
            continue
        owner, _, _ = write.name.rpartition(".")
        shared = not write.item and owner in asked.module.modules and write.name.partition(".")[0] not in own
        if (write.name in PROCESS or shared) and not asked.allows(write.name):
            yield write.name, write.node, write.place
    for call in asked.reported(test):
        if call.name in CHANGES_PROCESS and not call.place.nested:
            yield call


def shared_state(asked: Asked) -> Iterator[Spot]:
    """TS105: a list, dict or set of the file, the class or a wide fixture is changed by a test."""
    module = asked.module
    reset = _reset(module)
    wide = _wide_fixtures(module)
    for test in module.tests:
        shared = {name: "the file" for name in module.mutable if name not in test.locals | test.arguments}
        shared |= {name: "its fixture's scope" for name in wide & test.arguments if name not in test.locals}
        if test.owner is not None:
            shared |= {f"self.{name}": "the class" for name in test.owner.mutable}
        told: set[str] = set()
        for name, node, clears in _mutations(asked, test):
            if clears or name in reset:
                told.add(name)
            elif name in shared and name not in told:
                told.add(name)
                yield Spot(node, test, f"changes {name}, which all tests of {shared[name]} share")


def _reset(module: Module) -> set[str]:
    """Return what fixtures, set-ups and tear-downs touch: they may make it new each time."""
    found: set[str] = set()
    for seen in module.all:
        if seen.prepares or TEAR_DOWN.match(seen.name):
            found |= seen.loads | seen.globals.keys()
            found |= {name for name, _, _ in seen.named}
            found |= {write.name for write in seen.writes}
            found |= {call.name.rpartition(".")[0] for call in seen.calls}
    return found


def _wide_fixtures(module: Module) -> set[str]:
    return {seen.name for seen in module.all if seen.is_fixture and _is_wide(seen) and _gives_mutable(seen)}


def _is_wide(seen: Function) -> bool:
    return any(
        keyword.arg == "scope"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value != "function"
        for decorator in seen.node.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
    )


def _gives_mutable(seen: Function) -> bool:
    end = seen.node.body[-1]
    return is_mutable(end.value) if isinstance(end, ast.Return) else False


def _mutations(asked: Asked, test: Function) -> Iterator[tuple[str, ast.AST, bool]]:
    """Yield what a test changes in place, in the order of lines, and whether it is emptied first."""
    found: list[tuple[str, ast.AST, bool]] = []
    for call in asked.reported(test):
        owner, _, method = call.name.rpartition(".")
        if method in MUTATES and not call.place.nested:
            found.append((owner, call.node, method == "clear"))
    found += [
        (write.name, write.node, _is_whole(write.node))
        for write in test.writes
        if not write.place.nested and not asked.allows(write.name)
    ]
    found += [(name, node, True) for name, _, node in test.named if name.startswith("self.")]
    return iter(sorted(found, key=lambda change: (change[1].lineno, change[0])))  # type: ignore[attr-defined]


def _is_whole(node: ast.stmt) -> bool:
    """Tell whether ``x[:] = …`` or ``del x[:]`` is written."""
    targets = getattr(node, "targets", [])
    return any(
        isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice) for target in targets
    )
