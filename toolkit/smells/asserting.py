"""Does a test check anything, itself or through what it calls? TS101."""

import ast
from collections.abc import Iterator

from toolkit.smells.looking import Call, Class, Function
from toolkit.smells.names import ASSERTS, TEST_CODE, last
from toolkit.smells.spots import Asked, Spot, statements

_HARMLESS = frozenset(
    {"addCleanup", "enterContext", "id", "setUp", "setUpClass", "setup_method", "subTest", "tearDown"}
)
"""Methods of unittest that check nothing."""
_MARK = ".mark."


def no_assertion(asked: Asked) -> Iterator[Spot]:
    """TS101: nothing in the test, nor in what it calls, can tell right from wrong."""
    judge = _Judge(asked)
    for test in asked.module.tests:
        if statements(test) and not _is_put_aside(test) and not judge.asserts(test):
            yield Spot(test.node, test, "checks nothing: only an exception can make it fail")


def _is_put_aside(test: Function) -> bool:
    return any(last(name) in {"skip", "xfail", "usefixtures", "expectedFailure"} for name in test.decorators)


class _Judge:
    """Remembers what was found about each function of the file."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.module = asked.module
        self.known: dict[Function, bool] = {}

    def asserts(self, seen: Function) -> bool:
        """Tell whether a function checks something, or may; in doubt it does."""
        if seen not in self.known:
            self.known[seen] = False  # it may call itself
            self.known[seen] = self._looks(seen)
        return self.known[seen]

    def _looks(self, seen: Function) -> bool:
        return (
            bool(seen.asserts)
            or any(not place.nested or _is_assertion(node) for node, place in seen.raises)
            or any(self._by_call(call, seen) for call in seen.calls)
            or any(map(self._by_reference, seen.loads))
            or any(self._by_decorator(name) for name in seen.decorators)
            or any(self._by_reference(name) for name in seen.arguments & self.module.functions.keys())
        )

    def _by_call(self, call: Call, seen: Function) -> bool:
        name, _, _ = call
        word = last(name)
        if ASSERTS.search(word) or name in seen.arguments or self.asked.allows(name):
            return True
        if word in {"simplefilter", "filterwarnings"} or any(_is_check(key) for key in call.node.keywords):
            return word not in {"simplefilter", "filterwarnings"} or _says_error(call.node)
        root, _, method = name.partition(".")
        if root in {"self", "cls"} and "." not in method and seen.owner is not None:
            return self._by_method(seen.owner, method)
        if root == "super()" and seen.owner is not None:
            return self._by_bases(seen.owner, method)
        return name not in self.module.functions and bool(TEST_CODE.search(name.rpartition(".")[0]))

    def _by_method(self, owner: Class, method: str) -> bool:
        if method in owner.methods:
            return self.asserts(owner.methods[method])
        return self._by_bases(owner, method)

    def _by_bases(self, owner: Class, method: str) -> bool:
        """Look for an inherited method; what is not found may be anything, also an attribute that is set."""
        for base in map(last, owner.bases):
            above = self.module.classes.get(base)
            if above is not None and above is not owner and method in above.methods:
                return self.asserts(above.methods[method])
        return method not in _HARMLESS

    def _by_reference(self, name: str) -> bool:
        """What is only handed on may be called: a function or class of this file, or of other test code."""
        if name in self.module.functions:
            return self.asserts(self.module.functions[name])
        if name in self.module.classes:
            return any(self.asserts(method) for method in self.module.classes[name].methods.values())
        return bool(ASSERTS.search(name)) or _from_tests(self.module.imports.get(name, ""))

    def _by_decorator(self, name: str) -> bool:
        if _MARK in name:
            return last(name) == "filterwarnings"
        return bool(ASSERTS.search(last(name))) or name in self.module.functions or _from_tests(name)


def _from_tests(name: str) -> bool:
    """Tell whether a function, by its lower-case name, comes from test code."""
    return last(name)[:1].islower() and bool(TEST_CODE.search(name.rpartition(".")[0]))


def _is_assertion(node: ast.Raise) -> bool:
    return node.exc is not None and "AssertionError" in ast.dump(node.exc)


def _is_check(keyword: ast.keyword) -> bool:
    """Tell whether a call checks by itself: ``check=True`` of subprocess, ``status=404`` of WebTest."""
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
    return (keyword.arg == "check" and value is True) or (keyword.arg == "status" and isinstance(value, int))


def _says_error(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(isinstance(value, ast.Constant) and value.value == "error" for value in values)
