"""The nodes of a syntax tree are those of ``ast``, and files are cut into units once in a process."""

import ast
from pathlib import Path

import pytest

import toolkit.impact.state as state_module
from toolkit.impact.fingerprints import digest, parse
from toolkit.impact.keeping import Function
from toolkit.impact.looking import keepers_of
from toolkit.impact.nodes import children, walk
from toolkit.impact.state import ParsedHere, cached_parse, keepers_among

SAMPLES = (
    Path(__file__),
    Path(parse.__code__.co_filename),
    Path(keepers_of.__code__.co_filename),
    Path(walk.__code__.co_filename),
)
NO_NODES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.type_ignore)

FORMS = '''
async def one(a, /, b: int = 1, *c, d=2, **e) -> None:
    """Text."""
    global here
    async with a as x, b as [y, *z]: await x
    async for i in a: yield {**i, "k": f"{i!r:>{b}}"}
    try: here += not a and b < d in e
    except (A, B) as error: raise error from None
    else: del x.y[1:2, ...]
    match a:
        case {"k": P(1, q=[_, *rest]), **more} | None as name if (w := lambda v=1: v): pass
class C(Base, metaclass=M):
    field: list[int] = [i for i in range(3) if i]
from .a import b as c, d
'''


class Memory:
    """A cache."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value


@pytest.mark.parametrize("text", [*(path.read_text() for path in SAMPLES), FORMS, ""])
def test_the_nodes_are_those_of_ast_but_for_contexts_and_operators(text: str) -> None:
    tree = ast.parse(text)
    assert walk(tree) == [node for node in ast.walk(tree) if not isinstance(node, NO_NODES)]
    for node in walk(tree):
        assert children(node) == [
            child for child in ast.iter_child_nodes(node) if not isinstance(child, NO_NODES)
        ]
    assert walk(*tree.body)[: len(tree.body)] == tree.body


def test_a_file_that_was_looked_through_for_caches_is_not_parsed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = (
        b"KEPT = {}\ndef get(x):\n    if x not in KEPT: KEPT[x] = x\n    return KEPT[x]\ndef other(): pass\n"
    )
    cache = Memory()
    here = ParsedHere(cache)
    of = keepers_among({}, here)
    assert of(data, {2, 5}) == keepers_of(data, {2, 5}) == {2: of(data, {2})[2]}
    assert of(b"no python", {1, 2}) == {1: None, 2: None}
    expected = parse(data)
    monkeypatch.setattr(state_module, "parse", None)
    assert not cache.values
    for _ in range(2):  # from this process, then from the cache
        assert cached_parse(data, digest(data), here) == expected
    assert len(cache.values) == 1


def test_functions_are_found_in_every_kind_of_statement() -> None:
    bodies = ("if 1:", "while 1:", "for x in y:", "with a:", "try:", "class A:", "def f():")
    for body in bodies:
        end = "\nfinally: pass" if body == "try:" else ""
        tree = ast.parse(f"{body}\n  def found(): pass{end}")
        assert [node.name for node in walk(tree) if isinstance(node, Function)][-1] == "found"
