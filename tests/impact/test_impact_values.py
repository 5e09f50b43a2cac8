"""Names with known values stand apart from all else that runs when a module is imported."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.fingerprints import parse
from toolkit.impact.values import DOCSTRING, MOST_NAMES, bindings, differing, read, take_docstrings


def apart(text: str) -> set[str]:
    return set(read(text.encode())[1].texts)


def changes(old: str, new: str) -> dict[str, str] | None:
    found = differing(parse(old.encode()).level, parse(new.encode()).level)
    return None if found is None else dict(found)


@pytest.mark.parametrize(
    "text",
    [
        "N = 1",
        "N: int = 1",
        "N = ('a', {'b': 2})",
        "import re\nN = re.compile('a')",
        "x = f()\nN = 1",
        "N = 1\ndef f():\n    return N",
        "N = [x for x in (1, 2)]",
    ],
)
def test_a_name_that_one_statement_gives_a_value_stands_apart(text: str) -> None:
    assert "N" in apart(text)


@pytest.mark.parametrize(
    "text",
    [
        "N = f()",
        "N = 1\nN = 2",
        "N = 1\nN += 1",
        "N = 1\ndel N",
        "N = 1\nfor N in (): pass",
        "N = 1\nif x: N = 2",
        "if x:\n    N = 1",
        "try:\n    N = 1\nexcept E: pass",
        "N = M = 1",
        "N, M = 1, 2",
        "N = 1\ndef N(): pass",
        "N = 1\nclass N: pass",
        "N = 1\nimport N",
        "N = 1\nfrom m import x as N",
        "N = 1\nwith f() as N: pass",
        "N = 1\ntry: pass\nexcept E as N: pass",
        "N = 1\nmatch x:\n    case [N]: pass",
        "N = 1\nmatch x:\n    case {'a': 1, **N}: pass",
        "N = 1\ndef f():\n    global N\n    N = 2",
        "N = 1\nif (N := 2): pass",
        "N = 1\n@f(N := 2)\ndef g(): pass",
        "N = 1\ndef g(a=(N := 2)): pass",
        "from m import *\nM = 1\nN = M + 1",
        "from m import *\nN = len('a')",
        "M = f()\nN = M + 1",
        "N = M\nM = 1",
        "import re as r\nN = r.compile('a')",
        "import re\nre = x\nN = re.compile('a')",
        "N = '\\d'",
        "N: int",
    ],
)
def test_a_name_that_may_be_bound_otherwise_does_not(text: str) -> None:
    assert "N" not in apart(text)


@pytest.mark.parametrize(
    "name", ["__version__", "__path__", "pytest_plugins", "pytestmark", "collect_ignore"]
)
def test_names_that_others_read_do_not(name: str) -> None:
    assert name not in apart(f"{name} = 'x'")


def test_a_docstring_stands_apart_unless_somebody_runs_or_reads_it() -> None:
    assert apart("'''Text.'''") == {DOCSTRING}
    assert apart("'''>>> 1 + 1\n2\n'''") == set()
    assert apart("'''PYTEST_DONT_REWRITE'''") == set()


def test_a_text_that_is_no_docstring_means_nothing() -> None:
    assert changes("x = f()\n'one'\n", "x = f()\n'two'\n") == {}


def test_a_module_of_very_many_names_is_one_whole() -> None:
    assert apart("\n".join(f"N{n} = {n}" for n in range(MOST_NAMES + 1))) == set()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("N = 1\nM = 2", "N = 3\nM = 2", {"N": "changed"}),
        ("N = 1", "N = 1\nM = 2", {"M": "added"}),
        ("N = 1\nM = 2", "N = 1", {"M": "removed"}),
        ("A = 1\nB = A + 1", "A = 2\nB = A + 1", {"A": "changed", "B": "changed"}),
        ("N = 1\nx = f()", "x = f()\nN = 1", {"N": "changed"}),  # f() may have used it
        ("N = 1\nM = 2", "M = 2\nN = 1", {}),
        ("N = 1 # one", "N = 0x1", {}),
        ("'''a'''\nN = 1", "'''b'''\nN = 1", {DOCSTRING: "changed"}),
        ("N = 1\nx = f()", "N = 1\nx = g()", None),
        ("N = 1", "N = f()", None),
        ("N: int = 1", "N: str = 1", None),
        ("N: int = 1", "N: int = 2", {"N": "changed"}),
        ("A = 1\nB = A", "B = A\nA = 1", None),  # the other order raises
        ("N = 1", "import re\nN = 1", None),
    ],
)
def test_two_states_of_a_module_differ_in_names_or_in_more(
    old: str, new: str, found: dict[str, str] | None
) -> None:
    assert changes(old, new) == found


@pytest.mark.parametrize("other", ["gone", "changed while the tests ran", "", "0a1b", "0a1b N"])
def test_what_is_no_fingerprint_of_a_module_differs_in_more(other: str) -> None:
    assert differing(parse(b"N = 1").level, other) is None


def docstrings(text: str) -> set[str]:
    return set(take_docstrings(ast.parse(text), MOST_NAMES))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f():\n    'x'\n", {"f.__doc__"}),
        ("async def f():\n    'x'\n    return 1\n", {"f.__doc__"}),
        ("class C:\n    pass\nclass D(C):\n    def f(self):\n        'x'\n", set()),
        ("import functools\n@functools.lru_cache(3)\ndef f():\n    'x'\n", {"f.__doc__"}),
        ("def f():\n    def g():\n        'x'\n", set()),
        ("def f():\n    'x >>> 1'\n", set()),
        ("def test_f():\n    'x'\n", set()),
        ("@command\ndef f():\n    'x'\n", set()),
        ("@cache\n@command\ndef f():\n    'x'\n", set()),
        ("if x:\n    def f():\n        'x'\n", set()),
        ("def f():\n    'x'\ndef f():\n    'y'\n", set()),
    ],
)
def test_docstrings_that_nobody_but_who_asks_for_them_reads_stand_apart(text: str, names: set[str]) -> None:
    assert docstrings(text) == names


def test_where_there_are_too_many_docstrings_none_stands_apart() -> None:
    assert take_docstrings(ast.parse("def f():\n    'x'\ndef g():\n    'y'\n"), 1) == {}


def test_a_docstring_that_stands_apart_changes_neither_the_function_nor_the_rest_but_the_whole() -> None:
    old, new = (parse(f"def f():\n    'It {what}.'\n    return 1\n".encode()) for what in ("is", "was"))
    assert dict(differing(old.level, new.level) or ()) == {"f.__doc__": "changed"}
    assert old.units == new.units
    assert old.whole != new.whole
    assert old.tests != new.tests


def test_bindings_are_counted_in_the_module_alone() -> None:
    found = bindings(ast.parse("a = 1\ndef f():\n    a = 2\nclass C:\n    a = 3\nb = lambda a: a\n"))
    assert (found["a"], found["b"], found["f"], found["C"]) == (1, 1, 1, 1)


names = st.sampled_from(["A", "B", "C", "D"])
values = st.sampled_from(["1", "2", "'x'", "A", "B + 1", "[A, C]", "f()", "{**D}", "len(A)"])
statements = st.builds("{} = {}".format, names, values) | st.sampled_from(
    ["f()", "import A", "def B(): pass"]
)


@settings(max_examples=50)
@given(st.lists(statements, max_size=6), st.lists(statements, max_size=6))
def test_modules_that_are_alike_but_for_names_hold_the_same_under_all_others(
    old: list[str], new: list[str]
) -> None:
    found = changes("\n".join(old), "\n".join(new))
    if found is not None:
        before, after = _run(old), _run(new)
        assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= set(
            found
        )


def _run(lines: list[str]) -> dict[str, object]:
    """Run a module; what is called sees all names, and its result tells them."""
    space: dict[str, object] = {}
    calls: list[object] = []

    def f() -> object:
        calls.append(sorted(space.keys() & {"A", "B", "C", "D"}))
        return repr(calls)

    space["f"] = f
    try:
        exec("\n".join(line.replace("import A", "import re as A") for line in lines), space)
    except Exception as error:  # noqa: BLE001 - any of them
        return {"raised": type(error).__name__, **_plain(space)}
    return _plain(space)


def _plain(space: dict[str, object]) -> dict[str, object]:
    return {name: repr(space[name]).partition(" at 0x")[0] for name in ("A", "B", "C", "D") if name in space}
