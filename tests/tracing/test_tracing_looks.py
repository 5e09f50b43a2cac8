"""What functions that keep things find is told from what they find nothing at, without running their code."""

import ast
import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.keeping import Function, keeps
from toolkit.impact.looking import keepers_of, looks_of
from toolkit.impact.trails import borrowing_nothing, read_process
from toolkit.tracing.looks import EMPTY, ENTERING, FALSE, LEAVING, NONE, USED, Looks
from toolkit.tracing.session import TracedProcess

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")


def looks(text: str) -> tuple[tuple[int, str, str], ...] | None:
    function = ast.parse(text).body[0]
    assert isinstance(function, Function)
    assert keeps(function)
    return looks_of(function)


def test_every_line_that_reads_the_place_is_told_and_the_begin_of_the_call() -> None:
    found = looks(
        "def value(self, k):\n"
        "    if k not in self.kept:\n"
        "        self.kept[k] = compute()\n"
        "    return self.kept[k]\n"
    )
    assert found is not None
    assert set(found) == {(line, "self.kept", EMPTY) for line in (2, 3, 4, ENTERING)}


def test_what_is_found_when_nothing_is_kept_follows_from_how_it_is_asked_for() -> None:
    for asked, nothing in (
        ("if self.x is None: self.x = f()", NONE),
        ("if self.x is not None: return self.x\n    self.x = f()", NONE),
        ("if not self.x: self.x = f()", FALSE),
        ("if self.x: self.x = f()", USED),
        ("if self.x == 1: self.x = f()", USED),
        ("if self.x is None: g()\n    self.x = f()", USED),
        ("try:\n        return self.x\n    except AttributeError:\n        self.x = f()", USED),
    ):
        found = looks(f"def value(self):\n    {asked}\n    return self.x\n")
        assert found is not None, asked
        assert (ENTERING, "self.x", nothing) in found, asked
        assert (asked.count("\n") + 3, "self.x", USED) in found


def test_what_is_bound_in_the_call_is_looked_at_when_it_is_left() -> None:
    found = looks("def value(self):\n    box = self.box()\n    if not box.x:\n        box.x = f()\n")
    assert found is not None
    assert set(found) == {(3, "box.x", FALSE), (LEAVING, "box.x", FALSE)}


@pytest.mark.parametrize(
    "body",
    [
        "global x\n    x = f()",
        "if k not in TABLE: TABLE[k] = f()",
        "if self.x is None: self.x = f()\n    OTHER[k] = 1",
        "if self.x is None: self.x = f()\n    self.parts()[k] = 1",
        "if self.x is None: self.x = f()\n    return getattr(self, name)",
        "if self.x is None: self.x = f()\n    yield self.x",
        "if self.x is None: self.x = f()\n    return other.x",
        "if self.x is None: self.x = f()\n    return lambda: self.x",
        "if self.x is None: self.x = f()\n    return (self.x for _ in k)",
        "if self.x is None: self.x = f()\n    return vars(self)",
        "if self.x is None: self.x = f()\n    return 'x'",
        "if self.x is None: self.x = {}\n    if k not in self.x: self.x[k] = f()",
        "if k in self.x: self.x.pop(k)\n    self.x[k] = f()",
        "if k in self.x: del self.x[k]\n    self.x[k] = f()",
        "for part in k:\n        if part.x is None: part.x = f()",
        "self = f()\n    if self.x is None: self.x = f()",
        "if self.__x is None: self.__x = f()",
        "if self.__x.y is None: self.__x.y = f()",
        "def inner():\n        nonlocal k\n    if k.x is None: k.x = f()",
        "import sys\n    if sys.x is None: sys.x = f()\n    sys = 1",
        "match k:\n        case [self]: pass\n    if self.x is None: self.x = f()",
    ],
)
def test_where_looks_cannot_be_told_with_certainty_nothing_is_told(body: str) -> None:
    assert looks(f"def value(self, k, name):\n    {body}\n") is None
    assert looks(f"async def value(self, k, name):\n    {body}\n".replace("yield", "return")) is None


def test_what_goes_over_a_place_at_once_is_followed() -> None:
    found = looks(
        "def value(self, k):\n    if k not in self.x: self.x[k] = f()\n    return list(y for y in self.x)\n"
    )
    assert found is not None
    assert (3, "self.x", EMPTY) in found


def test_results_that_are_kept_and_files_that_are_not_python_have_no_looks() -> None:
    text = b"@functools.cache\ndef a(self):\n    if not self.x: self.x = 1\n"
    assert keepers_of(text, {1}) == {1: None}
    assert keepers_of(b"def (", {1, 5}) == {1: None, 5: None}


# -- what is found ---------------------------------------------------------------------------------------


class Frame:
    """Stands where a frame is looked at."""

    def __init__(self, **variables: object) -> None:
        self.f_locals = variables


class Follows:
    """Looks of one function at one place."""

    def __init__(self, place: str, nothing: str) -> None:
        self.looks = Looks()
        self.looks.plan(1, [(7, place, nothing)])

    def finds(self, **variables: object) -> bool:
        frame: Any = Frame(**variables)
        assert self.looks.at(1, 7, frame)
        assert not self.looks.at(1, 8, frame)
        return bool(self.looks._found)

    def found(self, **variables: object) -> bool:
        return self.finds(**variables) and bool(self.looks.take())


class Plain:
    x: Any
    default: Any = None

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("x",)
    x: Any


class Counted(Plain):
    reads = 0

    @property
    def prop(self) -> None:
        type(self).reads += 1

    def __getattr__(self, name: str) -> Any:
        type(self).reads += 1
        raise AttributeError(name)


class Overridden(Plain):
    reads = 0

    def __getattribute__(self, name: str) -> Any:
        Overridden.reads += 1
        return object.__getattribute__(self, name)


def test_nothing_is_found_only_where_nothing_is() -> None:
    cases: tuple[tuple[str, tuple[Any, ...], tuple[Any, ...]], ...] = (
        (EMPTY, ({}, [], set(), OrderedDict(), deque()), ({1: 1}, [0], {0}, None, (), "", 0, Plain())),
        (NONE, (None,), (0, "", {}, False, Plain())),
        (FALSE, (None, 0, "", False, {}, ()), (1, "x", [0], Plain())),
        (USED, (), (None, 0, {}, Plain())),
    )
    for nothing, blank, kept in cases:
        for value in blank:
            assert not Follows("it.x", nothing).finds(it=Plain(x=value)), (nothing, value)
        for value in kept:
            assert Follows("it.x", nothing).finds(it=Plain(x=value)), (nothing, value)
        assert not Follows("it.x", nothing).finds(it=Plain())
        assert not Follows("it.x", nothing).finds(it=Slotted())
        assert not Follows("it.x", nothing).finds(other=1), "unbound: it cannot be read"
    assert not Follows("it.a.x", NONE).finds(it=Plain(a=Plain(x=None)))
    assert Follows("it.a.x", NONE).finds(it=Plain(b=1))
    assert not Follows("it.default", NONE).finds(it=Plain())


def test_no_code_of_anybody_runs_and_what_would_need_it_counts_as_found() -> None:
    assert Follows("it.prop", NONE).finds(it=Counted())
    assert Follows("it.other", NONE).finds(it=Counted())
    made = Overridden(x=None)
    Overridden.reads = 0
    assert Follows("it.x", NONE).finds(it=made)
    assert Follows("it.x", NONE).finds(it=Plain), "a class: others may inherit from it"
    assert Follows("it.x", NONE).finds(it=sys)
    assert Counted.reads == Overridden.reads == 0


def test_what_had_nothing_is_trusted_in_this_context_only() -> None:
    follows, one = Follows("it.x", NONE), Plain(x=None)
    assert not follows.finds(it=one)
    one.x = 5
    assert not follows.finds(it=one)
    assert follows.found(it=Plain(x=5)), "another thing"
    assert follows.found(it=one), "another context"


def test_a_container_that_takes_the_place_of_a_trusted_one_is_not_trusted() -> None:
    follows, one = Follows("it.x", EMPTY), Plain(x={})
    assert not follows.finds(it=one)
    one.x[1] = 1
    assert not follows.finds(it=one)
    one.x = dict(one.x)
    assert follows.finds(it=one)
    alone = Follows("kept", EMPTY)
    kept: dict[int, int] = {}
    assert not alone.finds(kept=kept)
    kept[1] = 1
    assert alone.finds(kept=kept), "a dictionary cannot be told from another at its address"


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["look", "fill", "next", "copy", "new"]))))
@settings(max_examples=50)
def test_whatever_was_there_before_the_context_began_is_found(steps: list[tuple[int, str]]) -> None:
    """The oracle notes with each value in which context it was made; copies carry it along."""
    follows, context = Follows("it.x", NONE), 0
    things = [Plain(x=None) for _ in range(4)]
    for number, step in steps:
        thing = things[number]
        if step == "look":
            old = thing.x is not None and thing.x[0] < context
            assert follows.finds(it=thing) or not old
            thing.x = thing.x or (context,)
        elif step == "fill":
            thing.x = (context,)
        elif step == "new":
            things[number] = Plain(x=None)
        elif step == "copy":
            things[number] = Plain(x=things[number - 1].x)
        else:
            follows.looks.take()
            context += 1


def test_nothing_lives_longer_for_being_looked_at() -> None:
    looks_now = Looks()
    gone: list[Any] = []
    looks_now.plan(1, [(1, "thing.x", NONE)])

    def function() -> None:
        thing: Plain | None = Plain(x=None)
        gone.append(weakref.ref(thing))
        frame: FrameType | None = sys._getframe()
        looks_now.at(1, 1, frame)  # type: ignore[arg-type]
        frame = thing = None

        gone.append(gone[0]())

    function()
    assert gone[1] is None


LIB = """
class Lazy:
    def __init__(self):
        self.kept = {}
    def value(self, k):
        if k not in self.kept:
            self.kept[k] = compute(k)
        return self.kept[k]
    def early(self, k):
        if self.has(k):
            return self.get(k)
        if k not in self.kept:
            self.kept[k] = compute(k)
        return self.kept[k]
    def has(self, k):
        return k in self.kept
    def get(self, k):
        return self.kept[k]
def compute(k):
    return k + 1
SHARED = Lazy()
"""


@pytest.fixture
def lib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    import importlib

    name = f"lib_of_looks_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(LIB)
    monkeypatch.syspath_prepend(str(tmp_path))
    process = TracedProcess(
        str(tmp_path), str(tmp_path / "trails"), "main", children=False, keepers_of=keepers_of
    )
    try:
        yield SimpleNamespace(module=importlib.import_module(name), process=process, root=tmp_path)
    finally:
        process.stop()
        sys.modules.pop(name, None)


def alone(lib: SimpleNamespace, *tests: Callable[[ModuleType], object]) -> list[set[str]]:
    """Run tests; return for each the functions that borrowed nothing."""
    for number, test in enumerate(tests):
        context = lib.process.begin_test(f"test {number}")
        test(lib.module)
        lib.process.end_test(context)
    trail = read_process(lib.root / "trails" / "main.trail")
    return [
        {trail.codes[position][1] for position in borrowing_nothing(trail, number) & touched.functions}
        for number, touched in trail.contexts.items()
        if touched.kind == "test"
    ]


@needs_monitoring
def test_who_finds_what_another_test_kept_borrows_and_who_makes_all_itself_does_not(
    lib: SimpleNamespace,
) -> None:
    found = alone(
        lib,
        lambda module: module.Lazy().value(1),
        lambda module: module.SHARED.value(1),
        lambda module: [made := module.Lazy(), made.value(1), made.value(1), made.value(2)],
        lambda module: module.SHARED.value(2),
        lambda module: module.SHARED.early(1),
        lambda module: [made := module.Lazy(), made.early(1), made.early(1)],
    )
    value, early = {"Lazy.value"}, {"Lazy.early"}
    assert found == [value, value, value, set(), set(), early]
