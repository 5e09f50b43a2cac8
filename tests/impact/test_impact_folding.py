"""Values of expressions are told without running any code of the project, or not at all."""

import ast
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.folding import NotFolded, fold


def folded(text: str, **known: Any) -> Any:
    return fold(ast.parse(text, mode="eval").body, known, builtins=lambda name: name != "shadowed")


@pytest.mark.parametrize(
    "text",
    [
        "3",
        "-2.5",
        "not 1",
        "~5",
        "'a' 'b'",
        "b'x'",
        "None",
        "...",
        "(1, *[2, 3])",
        "{'a': 1, **{'b': 2}}",
        "{1, 2} | {3}",
        "frozenset(chr(c) for c in range(32))",
        "{v: f'\\\\{k}' for k, v in {'b': 'c', 'e': 'f'}.items() if k != 'e'}",
        "[(a, b) for a in (1, 2) for b in range(a)]",
        "'a b'.split()",
        "'-' * 10",
        "1 if 2 < 3 <= 3 else 4",
        "0 or 'x'",
        "1 and 2",
        "'a' in ('a', 'b')",
        "{'a': (1, 2)}['a'][0]",
        "sorted({3, 1})",
        "max(1, 2) + len('abc')",
        "''.join(['a', 'b']).upper()",
    ],
)
def test_constants_containers_operators_and_pure_calls_have_their_value(text: str) -> None:
    assert folded(text) == eval(text)


def test_names_have_the_values_that_are_known() -> None:
    assert folded("[*NAMES, 'c']", NAMES=("a", "b")) == ["a", "b", "c"]


def test_patterns_are_compiled_with_their_flags() -> None:
    assert folded("re.compile('a b', re.X | re.I)", re=re) == re.compile("a b", re.VERBOSE | re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "load()",
        "re.compile('(')",
        "re.NOTHING",
        "os.environ",
        "open('x')",
        "int('x')",
        "1 / 0",
        "{[]: 1}",
        "{'a': 1}['b']",
        "(1)[0]",
        "2 ** 100",
        "1 << 5",
        "'a' * 10**9",
        "'a' * 100000",
        "range(10**9)",
        "[x for x in range(9000) for y in range(9000)]",
        "'%s' % 1",
        "f'{1:>3}'",
        "f'{1!r}'",
        "lambda: 1",
        "[1].append(2)",
        "{}.update({1: 2})",
        "sorted([1], reverse=True)",
        "(x := 3)",
        "[i async for i in ()]",
        "[0 for a.b in ()] or [0 for a.b in (1,)]",
        "1 is 1",
        "(lambda: 1)()",
        "-'a'",
        "1 < 'a'",
        "[a for a, b in [(1, 2, 3)]]",
        "len",
        "'x'.format",
    ],
)
def test_what_may_have_effects_or_raise_or_take_long_has_none(text: str) -> None:
    with pytest.raises(NotFolded):
        folded(text, re=re)


def test_a_builtin_that_the_module_binds_is_not_called() -> None:
    with pytest.raises(NotFolded):
        fold(ast.parse("len('a')", mode="eval").body, {}, builtins=lambda _name: False)
    with pytest.raises(NotFolded):
        folded("len('a')", len=3)


def test_variables_of_a_comprehension_do_not_outlive_it() -> None:
    assert folded("([x for x in (1, 2)], x)", x="outer") == ([1, 2], "outer")


literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50)
@given(literals)
def test_every_literal_is_its_own_value(value: Any) -> None:
    assert folded(repr(value)) == value
