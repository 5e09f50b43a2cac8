"""Fingerprints: layout never changes one, every edit that means something changes the right one."""

import ast
import random
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.impact.fingerprints import NotPython, Source, parse

CODE = '''
"""Module."""
import os
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import decimal

LIMIT = 3

@register(key=1)
def top(a, b: int = 2, *rest) -> str:
    """Says."""
    import json
    if a > b:
        return [x for x in rest if x]
    return lambda: LIMIT

class Shape(Base, metaclass=Meta):
    size: int = 0

    def area(self):
        def inner(y):
            return y + 1
        return inner(self.size)

    @property
    def name(self):
        return "shape"

    @name.setter
    def name(self, value):
        self._name = value

async def later():
    await other()

def test_it():
    assert top(1)
'''


def source(text: str) -> Source:
    return parse(textwrap.dedent(text).encode())


def prints(text: str) -> dict[str, str]:
    found = source(text)
    return {unit.name: unit.fingerprint for unit in found.units} | {
        "(level)": found.level,
        "(tests)": found.tests,
    }


def changed(old: str, new: str) -> set[str]:
    """Names of the units that an edit of CODE changes."""
    assert old in CODE
    before, after = prints(CODE), prints(CODE.replace(old, new))
    return {name for name in before | after if before.get(name) != after.get(name)}


def test_units_are_functions_by_qualified_name() -> None:
    names = [unit.name for unit in source(CODE).units]
    assert names == [
        "top",
        "Shape.area",
        "Shape.area.<locals>.inner",
        "Shape.name",
        "Shape.name#2",
        "later",
        "test_it",
    ]


LEVEL = {"(level)", "(tests)"}


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        ("LIMIT = 3", "LIMIT = 4", LEVEL),
        ("size: int = 0", "size: int = 1", LEVEL),
        ("size: int = 0", "size: float = 0", LEVEL),
        ("metaclass=Meta", "metaclass=Other", LEVEL),
        ("key=1", "key=2", LEVEL | {"top"}),
        ("b: int = 2", "b: int = 3", LEVEL | {"top"}),
        ("-> str", "-> bytes", LEVEL | {"top"}),
        ('"""Says."""', '"""Tells."""', LEVEL | {"top"}),
        ("a > b", "a >= b", {"top"}),
        ("if x]", "if not x]", {"top"}),
        ("lambda: LIMIT", "lambda: -LIMIT", {"top"}),
        ("y + 1", "y + 2", {"Shape.area.<locals>.inner"}),
        ("inner(y)", "inner(y=1)", {"Shape.area", "Shape.area.<locals>.inner"}),
        ("return inner(self", "return -inner(self", {"Shape.area"}),
        ("self._name = value", "self._name = value + 1", {"Shape.name#2"}),
        ("await other()", "await another()", {"later"}),
        ("assert top(1)", "assert top(2)", {"test_it"}),
        ("def test_it():", "def test_it(fixture):", {"(level)", "test_it"}),
    ],
)
def test_an_edit_changes_exactly_the_units_it_is_in(old: str, new: str, units: set[str]) -> None:
    assert changed(old, new) == units


def test_a_new_test_leaves_the_level_of_the_test_file_alone() -> None:
    before, after = source(CODE), source(CODE + "\n@mark\ndef test_more():\n    pass\n")
    assert before.tests == after.tests
    assert before.level != after.level


@given(st.integers(0, 10**6))
def test_layout_and_comments_never_change_a_fingerprint(seed: int) -> None:
    generator = random.Random(seed)
    lines = []
    for line in ast.unparse(ast.parse(CODE)).splitlines():
        if generator.random() < 0.3:
            lines.append("" if generator.random() < 0.5 else "# a remark")
        lines.append(line + ("  # why" if generator.random() < 0.3 and '"""' not in line else ""))
    assert prints("\n".join(lines)) == prints(CODE)


def test_spelling_of_literals_does_not_matter() -> None:
    assert prints("x = 'a' 'b'\ny = 0x10\nz = (1,\n  2)") == prints('x = "ab"\ny = 16\nz = 1, 2')


NAMES = st.sampled_from(["a", "b", "c"])
EXPRESSIONS = st.recursive(
    st.one_of(NAMES, st.integers(0, 9).map(str), st.booleans().map(str), st.just("'s'"), st.just("b's'")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*<"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.lists(inner, max_size=3).map(lambda items: f"f({', '.join(items)})"),
        inner.map(lambda e: f"[x for x in {e}]"),
        inner.map(lambda e: f"(lambda q: {e})"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_two_bodies_are_equal_exactly_when_their_trees_are(one: str, other: str) -> None:
    same_tree = ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    first, second = prints(f"def f():\n    return {one}"), prints(f"def f():\n    return {other}")
    assert (first == second) == same_tree
    assert first["(level)"] == second["(level)"]


def test_imports_know_their_function_and_skip_what_only_type_checkers_see() -> None:
    found = {(item.unit, item.module) for item in source(CODE).imports}
    assert found == {("", "os"), ("", "typing"), ("top", "json")}


@pytest.mark.parametrize("data", [b"def f(:", b"\x00", b"x = '\xff'", b"(" * 5000])
def test_what_is_no_python_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NotPython):
        parse(data)


@pytest.mark.parametrize(
    ("body", "keeps"),
    [
        ("global x\n    x = make()", True),
        ("if k not in CACHE:\n        CACHE[k] = make(k)\n    return CACHE[k]", True),
        ("v = CACHE.get(k)\n    if v is None:\n        v = CACHE[k] = make(k)\n    return v", True),
        ("try:\n        return self.x\n    except AttributeError:\n        self.x = make()", True),
        ("if self._x is None:\n        self._x = make()\n    return self._x", True),
        ("if not hasattr(self, 'x'):\n        self.x = make()", True),
        ("return CACHE.setdefault(k, make(k))", True),
        ("return importlib.import_module(k)", True),
        ("found = {}\n    if k not in found:\n        found[k] = make(k)\n    return found", False),
        ("self.x = make()", False),
        ("return make(self.x)", False),
        ("self.stack.append(k)\n    make()\n    self.stack.pop()", False),
    ],
)
def test_functions_that_keep_things_are_known_by_their_form(body: str, keeps: bool) -> None:
    (unit,) = source(f"def f(self, k):\n    {body}\n").units
    assert unit.keeps is keeps


def test_a_cache_as_decorator_keeps_the_results() -> None:
    units = source("@functools.lru_cache(None)\ndef f(): pass\n@wraps(x)\ndef g(): pass").units
    assert [unit.kept for unit in units] == [True, False]
