"""A task may take any number of words; every other command line is understood as before."""

import pytest
from invoke.collection import Collection
from invoke.context import Context
from invoke.program import Program

from toolkit.tasks.door import task

SEEN: list[object] = []


@task(
    positional=["first", "rest"],
    iterable=["rest"],
    help={"first": "a", "rest": "b", "flag": "c", "name": "d"},
)
def many(_context: Context, first: str, rest: list[str], *, flag: bool = False, name: str = "") -> None:
    """Take one word, then any number."""
    SEEN.append((first, rest, flag, name))


@task(help={"name": "a"})
def other(_context: Context, *, name: str = "") -> None:
    """Take none."""
    SEEN.append(("other", name))


def run(*words: str) -> list[object]:
    SEEN.clear()
    Program(namespace=Collection(many, other)).run(["invoke", *words], exit=False)
    return list(SEEN)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("many a", [("a", [], False, "")]),
        ("many a b c", [("a", ["b", "c"], False, "")]),
        ("many a b --flag c --name d e", [("a", ["b", "c", "e"], True, "d")]),
        ("many a --rest b c", [("a", ["b", "c"], False, "")]),
        ("many a b other", [("a", ["b"], False, ""), ("other", "")]),
        ("many a b ./other", [("a", ["b", "./other"], False, "")]),
        ("other --name x many a b", [("other", "x"), ("a", ["b"], False, "")]),
        ("many a b -- c", [("a", ["b"], False, "")]),
    ],
)
def test_words_go_where_they_belong(line: str, seen: list[object]) -> None:
    assert run(*line.split()) == seen


@pytest.mark.parametrize(
    ("line", "message"), [("other x", "No idea what 'x' is"), ("many a --bad", "'--bad'")]
)
def test_mistakes_are_still_mistakes(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*line.split()) == []
    assert message in capsys.readouterr().err
