"""What a module says about itself stands apart from all else that runs when it is imported."""

import pytest

from toolkit.impact.fingerprints import parse
from toolkit.impact.values import DOCSTRING, EXPORTED, differing, read


def apart(text: str) -> set[str]:
    return set(read(text.encode())[1].texts)


def changes(old: str, new: str) -> set[str] | None:
    found = differing(parse(old.encode()).level, parse(new.encode()).level)
    return None if found is None else set(found)


@pytest.mark.parametrize(
    "text", ["__all__ = ['a', 'b']", "x = f()\n__all__ = ('a',)\ndef a(): pass", "__all__ = []"]
)
def test_a_list_of_exported_names_stands_apart(text: str) -> None:
    assert apart(text) == {EXPORTED}


@pytest.mark.parametrize(
    "text",
    [
        "__all__ = names()",
        "__all__ = ['a', name]",
        "__all__ = ['a'] + other",
        "__all__ = ['a']\n__all__ += ['b']",
        "__all__ = ['a']\n__all__.append('b')",
        "__all__ = ['a']\n__all__ = ['b']",
        "if x:\n    __all__ = ['a']",
        "__all__ = x = ['a']",
        "__all__: list[str] = ['a']",
        "__all__ = ['a']\ndef f():\n    global __all__",
        "__all__ = ['a']\nfrom m import __all__",
        "__all__ = ['a']\nfrom m import names as __all__",
        "__all__ = ['a']\nx = globals()['__all__']",
        "__all__ = ['a']\ny = '\\d'",
    ],
)
def test_exported_names_that_the_module_uses_or_computes_do_not(text: str) -> None:
    assert apart(text) == set()


def test_a_docstring_stands_apart_unless_somebody_runs_or_reads_it() -> None:
    assert apart("'''Text.'''") == {DOCSTRING}
    assert apart("'''>>> 1 + 1\n2\n'''") == set()
    assert apart("'''PYTEST_DONT_REWRITE'''") == set()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("x = f()\n'one'\n", "x = f()\n'two'\n", set()),  # a text that is no docstring means nothing
        ("__all__ = ['a']\nx = f()", "__all__ = ['b']\nx = f()", {EXPORTED}),
        ("x = f()", "__all__ = ['b']\nx = f()", {EXPORTED}),
        ("__all__ = ['b']\nx = f()", "x = f()", {EXPORTED}),
        ("__all__ = ['b']\nx = f()", "x = f()\n__all__ = ['b']", {EXPORTED}),  # f() may have used it
        ("'''a'''\nN = 1", "'''b'''\nN = 1", {DOCSTRING}),
        ("'''a'''\nN = 1", "N = 1", {DOCSTRING}),
        ("'''a'''\n__all__ = ['a']", "'''b'''\n__all__ = ['b']", {DOCSTRING, EXPORTED}),
        ("__all__ = ['a']", "__all__ = names()", None),
        ("N = 1", "N = 2", None),
        ("def f():\n    'a'", "def f():\n    'b'", None),
        ("'''a'''\nN = 1", "'''b'''\nN = 2", None),
    ],
)
def test_two_states_of_a_module_differ_in_what_it_says_or_in_more(
    old: str, new: str, found: set[str] | None
) -> None:
    assert changes(old, new) == found


@pytest.mark.parametrize("other", ["gone", "changed while the tests ran", "", "0a1b", "0a1b N"])
def test_what_is_no_fingerprint_of_a_module_differs_in_more(other: str) -> None:
    assert differing(parse(b"N = 1").level, other) is None
