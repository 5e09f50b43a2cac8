"""Rules about what a test should not depend on: time, mocks of the database, chance, the internet.

TS102, TS103, TS108, TS109.
"""

import ast
import ipaddress
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from toolkit.smells.looking import Call, Function, dotted
from toolkit.smells.names import (
    FAKE_CLOCK,
    MADE_RANDOM,
    MOCKS,
    NOT_UNIT,
    PERSISTENT,
    PERSISTS,
    RANDOM,
    REPLACES_NETWORK,
    SEEDS,
    SENDS,
    SLEEPS,
    last,
)
from toolkit.smells.spots import Asked, Spot


def sleep(asked: Asked) -> Iterator[Spot]:
    """TS102: a fixed time is waited for, and nothing is asked meanwhile."""
    for seen in asked.module.all:
        if not (seen.is_test or seen.prepares) or _replaces_sleep(seen):
            continue
        for call in asked.reported(seen):
            if call.name in SLEEPS and _waits(seen, call) and not _is_polling(call):
                yield Spot(call.node, seen, f"waits for a fixed time: {ast.unparse(call.node)}")


def _waits(seen: Function, call: Call) -> bool:
    """Tell whether a sleep holds the test up: it is awaited, not cut short, and longer than nothing."""
    if call.place.nested or call.place.cut_short:
        return False
    if call.name.startswith(_AWAITED) and call.node not in seen.awaited:
        return False
    seconds = next(iter(call.node.args), None)
    return not (isinstance(seconds, ast.Constant) and not seconds.value)


_AWAITED = ("asyncio.", "anyio.", "trio.")


def _is_polling(call: Call) -> bool:
    """Tell whether a loop looks again after each sleep: one that has a condition or can be left early."""
    loop = call.place.loop
    if loop is None:
        return False
    if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant):
        return True
    return any(isinstance(node, ast.Break | ast.Return) for node in ast.walk(loop))


def _replaces_sleep(seen: Function) -> bool:
    if any(map(FAKE_CLOCK.search, [*seen.arguments, *seen.decorators])):
        return True
    targets = [text for call in seen.calls if _is_patch(call.name) for text in _target(call.node)]
    decorators = [node for node in seen.node.decorator_list if isinstance(node, ast.Call)]
    targets += [text for node in decorators if _is_patch(dotted(node, {})) for text in _target(node)]
    return any(text.rpartition(".")[2] in {"sleep", "time", "asyncio"} for text in targets)


def mocked_persistence(asked: Asked) -> Iterator[Spot]:
    """TS103: database, session, cursor or repository is patched, or a mock takes its name."""
    for seen in asked.module.all:
        if seen.is_test or seen.prepares:
            found = next(_mocked(asked, seen), None)
            if found is not None:
                yield Spot(found[0], seen, f"replaces {found[1]}, so what the database does is not tested")


def _mocked(asked: Asked, seen: Function) -> Iterator[tuple[ast.AST, str]]:
    imports = asked.module.imports
    decorators = [node for node in seen.node.decorator_list if isinstance(node, ast.Call)]
    patches = [(node, dotted(node, imports)) for node in decorators]
    patches += [(call.node, call.name) for call in seen.calls]
    for node, name in patches:
        if _is_patch(name) and not asked.allows(name):
            target = ".".join(_target(node))
            if _is_persistent(target) and not target.startswith("mock"):
                yield node, target
        elif last(name) in MOCKS:
            for keyword in node.keywords:
                kind = dotted(keyword.value, imports) if keyword.arg in {"spec", "spec_set"} else ""
                if _is_persistent(kind):
                    yield node, kind
    for name, value, statement in seen.named:
        if (
            isinstance(value, ast.Call)
            and last(dotted(value, imports)) in MOCKS
            and PERSISTENT.match(last(name))
        ):
            yield statement, name


def _is_persistent(target: str) -> bool:
    *before, word = target.split(".")
    stored = bool(before) and bool(PERSISTENT.match(before[-1])) and word in PERSISTS
    return stored or bool(PERSISTENT.match(word))


def _is_patch(name: str) -> bool:
    words = name.split(".")
    return words[-1] in {"patch", "setattr"} or (
        words[-1] in {"object", "multiple"} and "patch" in words[:-1]
    )


def _target(node: ast.Call) -> list[str]:
    """Return the words of what is patched: of ``("a.b")``, and of ``(a, "b")``."""
    found: list[str] = []
    for argument in node.args[:2]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return [*found, argument.value]
        found.append(dotted(argument, {}))
    return found[:1]


def unseeded_random(asked: Asked) -> Iterator[Spot]:
    """TS108: random values from a generator that nobody seeded."""
    module = asked.module
    if any(SEEDS.search(call.name) for seen in module.all for call in seen.calls):
        return
    for seen in module.all:
        if not (seen.is_test or seen.prepares):
            continue
        for call in asked.reported(seen):
            made = call.name in MADE_RANDOM and not call.node.args and not call.node.keywords
            if made or RANDOM.match(call.name):
                yield Spot(call.node, seen, f"{call.name} is not seeded: a failure cannot be repeated")
                break


def real_network(asked: Asked) -> Iterator[Spot]:
    """TS109: a request to a host that is neither this machine nor reserved for tests."""
    module = asked.module
    folders = PurePosixPath(module.path).parts
    if any(map(NOT_UNIT.search, folders)) or any(map(REPLACES_NETWORK.search, module.imports)):
        return
    for test in module.tests:
        if _is_no_unit_test(test):
            continue
        for call in asked.reported(test):
            host = _host(call) if SENDS.match(call.name) and not call.place.nested else ""
            if host and not _is_local(host):
                yield Spot(call.node, test, f"talks to {host}")


def _is_no_unit_test(test: Function) -> bool:
    names = [test.name, *test.decorators, *test.arguments, *([] if test.owner is None else [test.owner.name])]
    if any(map(NOT_UNIT.search, names)):
        return True
    used = [*test.decorators, *test.arguments, *(call.name for call in test.calls)]
    return any(map(REPLACES_NETWORK.search, used))


def _host(call: Call) -> str:
    first = next(iter(call.node.args), None)
    if isinstance(first, ast.Tuple) and first.elts:
        first = first.elts[0]
        if call.name.startswith("socket.") or call.name.endswith(".connect"):
            return _text(first)
        return ""
    if last(call.name) in {"request", "stream"} and len(call.node.args) > 1:
        first = call.node.args[1]
    text = _text(first)
    if "://" in text:
        return urlsplit(text).hostname or "" if not call.name.startswith("socket.") else ""
    bare = re.match(r"socket\.get|http\.client|smtplib|ftplib", call.name)
    return text if bare else ""


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


_RESERVED = re.compile(
    r"(?:^|\.)(?:localhost|local|test|invalid|example|example\.(?:com|org|net)|internal)\.?$", re.IGNORECASE
)


def _is_local(host: str) -> bool:
    """Tell whether a host is this machine, or reserved: RFC 2606, RFC 6761, RFC 5737."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or bool(_RESERVED.search(host))
    return not address.is_global
