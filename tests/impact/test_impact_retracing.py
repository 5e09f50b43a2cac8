"""When everything runs, only what is new, changed or due is traced; selection misses nothing afterwards."""

import random
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.impact.exchange import export_store, import_store
from toolkit.impact.inputs import CaseInputs, CaseRecord, Input, Traced
from toolkit.impact.kept import pack_windows, reached, united, unpack_windows
from toolkit.impact.policy import PastRun
from toolkit.impact.retracing import untraced
from toolkit.impact.selection import Selection, select
from toolkit.impact.session import ImpactSession
from toolkit.impact.store import STORE_NAME, open_store
from toolkit.records import NodeId, Outcome

pytestmark = pytest.mark.usefixtures("unmeasured")

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")


def run_all(project: Any, *arguments: str, code: int = 0, **variables: str) -> int:
    """Run everything; return how many tests were traced."""
    project.run(*arguments, code=code, impacted="--no-impacted", **variables)
    found = re.search(r"impacted: (?:\d+ ran, )?(\d+) (?:of them traced|recorded)", project.output)
    assert found is not None, project.output
    return int(found[1])


def share(project: Any, value: float) -> None:
    project.write("pyproject.toml", f"[tool.toolkit.impact]\nretrace = {value}\n")


@contextmanager
def edited(project: Any, name: str, old: str, new: str) -> Iterator[None]:
    before = (project.root / name).read_text()
    project.replace(name, old, new)
    yield
    project.write(name, before)


def selected(project: Any) -> set[str]:
    """Plan the next run in this process; return the tests that it would select, without their files."""
    with open_store(project.root / ".toolkit" / STORE_NAME) as store:
        plan = ImpactSession(project.root, store).plan()
    return {test.partition("::")[2] for test in plan.verdicts if test not in plan.left_out}


LIB = """
import functools
import threading
_found = {}
_one = None
def make_a(): return 13
def make_b(): return 14
def text_of(name):
    with open(name) as stream: return stream.read()
def get(kind):
    if kind not in _found:
        _found[kind] = {'a': make_a, 'b': make_b}[kind]()
    return _found[kind]
def slow_inner(): return 5
@functools.lru_cache
def slow(): return slow_inner()
@functools.lru_cache
def slow_text(): return text_of('data.txt')
def other(): return 0
def for_fixture(): return 7
def late_inner(): return 8
def late():
    import late_module
    return late_module.VALUE
class Lazy:
    _value = None
    @property
    def value(self):
        if self._value is None: self._value = lazy_inner()
        return self._value
def lazy_inner(): return 9
LAZY = Lazy()
"""
TESTS = """
import lib, pytest
@pytest.fixture(scope="session")
def shared(): return lib.for_fixture()
def test_fill(shared):
    assert shared == 7 and lib.get('a') == 13 and lib.slow() == 5 and lib.slow_text() == '1'
    assert lib.late() == 8 and lib.LAZY.value == 9
def test_get(): assert lib.get('a') + lib.other() == 13
def test_slow(): assert lib.slow() + lib.other() == 5
def test_text(): assert lib.slow_text() + str(lib.other()) == '10'
def test_shared(shared): assert shared + lib.other() == 7
def test_late(): assert lib.late() + lib.other() == 8
def test_lazy(): assert lib.LAZY.value + lib.other() == 9
"""


@needs_monitoring
def test_what_an_untraced_test_kept_for_others_belongs_to_these(project: Any) -> None:
    """The first test fills everything and is not traced again; the others are, and only look at it."""
    project.write("lib.py", LIB)
    project.write("late_module.py", "import lib\nVALUE = lib.late_inner()\n")
    project.write("data.txt", "1")
    project.write("test_lib.py", TESTS)
    project.write("test_free.py", "def test_free(): pass\n")
    share(project, 0)
    assert run_all(project, "--order=declared") == 8
    project.replace("lib.py", "def other(): return 0", "def other(): return 0 + 0")
    assert run_all(project, "--order=declared") == 6
    assert run_all(project, "--order=declared") == 0
    assert run_all(project, "-n", "2") == 0
    assert selected(project) == set()
    for old, new, users in (
        ("return 13", "return 12 + 1", {"test_get"}),
        ("return 5", "return 4 + 1", {"test_slow"}),
        ("return 7", "return 6 + 1", {"test_shared"}),
        ("return 8", "return 7 + 1", {"test_late"}),
        ("return 9", "return 8 + 1", {"test_lazy"}),
    ):
        with edited(project, "lib.py", old, new):
            found = selected(project)
            assert users | {"test_fill"} <= found, (old, found)
            assert "test_free" not in found
    with edited(project, "data.txt", "1", "2"):
        assert {"test_fill", "test_text"} <= selected(project)


@needs_monitoring
def test_an_untraced_test_that_fails_is_known_to_have_failed_and_is_traced_from_then_on(project: Any) -> None:
    project.write(
        "test_state.py",
        "import os\nfrom pathlib import Path\n"
        "def test_moody(): assert not Path(os.environ['OUTSIDE']).exists()\ndef test_calm(): pass\n",
    )
    share(project, 0)
    mark = project.root.parent / "mark"
    assert run_all(project, OUTSIDE=str(mark)) == 2
    assert run_all(project, OUTSIDE=str(mark)) == 0
    mark.touch()
    run_all(project, code=1, OUTSIDE=str(mark))
    assert "2 ran, 0 of them traced" in project.output
    assert selected(project) == {"test_moody"}
    run_all(project, code=1, OUTSIDE=str(mark))
    assert "impacted: 2 recorded" in project.output  # the records have missed a failure: all are made anew


@needs_monitoring
@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_what_the_project_runs_between_untraced_tests_belongs_to_all(
    project: Any, options: tuple[str, ...]
) -> None:
    """A conftest file is around the tests, and only in the first of them: it is not in any test."""
    project.write("lib.py", "def between(): return 1\ndef used(): return 2\n")
    project.write(
        "conftest.py",
        "import lib, pytest\n"
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
        "def pytest_runtest_protocol(item):\n"
        "    result = yield\n"
        "    if item.name == 'test_a': lib.between()\n"
        "    return result\n",
    )
    project.write(
        "test_lib.py",
        "import lib\ndef test_a(): pass\ndef test_b(): pass\ndef test_c(): assert lib.used() == 2\n",
    )
    share(project, 0)
    assert run_all(project, *options, "--order=declared") == 3
    project.replace("lib.py", "return 2", "return 1 + 1")
    assert run_all(project, *options, "--order=declared") == 1
    with edited(project, "lib.py", "return 1\n", "return 0 + 1\n"):
        assert selected(project) == {"test_a", "test_b", "test_c"}


@needs_monitoring
def test_a_share_is_traced_by_turns_and_all_tests_are_beside_other_threads(project: Any) -> None:
    project.write(
        "test_many.py",
        "import os, threading, time\n"
        "def test_starts():\n"
        "    if 'THREAD' in os.environ:\n"
        "        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n"
        + "".join(f"def test_{n}(): pass\n" for n in range(9)),
    )
    share(project, 0.25)
    assert run_all(project) == 10
    assert run_all(project) == 3
    share(project, 0)
    assert run_all(project, "--order=declared", THREAD="1") == 10  # the first one reads a changed variable
    assert run_all(project, "--order=declared", THREAD="1") == 9


@needs_monitoring
def test_threads_that_wait_for_something_to_do_are_no_reason_to_trace(project: Any) -> None:
    """As the one of pytest-rerunfailures, a pool or a server; with a function of the project they are."""
    project.write(
        "conftest.py",
        "import os, queue, selectors, socket, threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def start(run): threading.Thread(target=run, daemon=True).start()\n"
        "def in_project(): threading.Event().wait()\n"
        "pool, server = ThreadPoolExecutor(), socket.create_server(('127.0.0.1', 0))\n"
        "ready, asked, queued = selectors.DefaultSelector(), threading.Event(), queue.Queue()\n"
        "def pytest_sessionstart():\n"
        "    for run in (queued.get, asked.wait, server.accept, ready.select): start(run)\n"
        "    pool.submit(int).result()\n"
        "    if 'AT_WORK' in os.environ: start(in_project)\n",
    )
    project.write("test_many.py", "".join(f"def test_{n}(): pass\n" for n in range(5)))
    share(project, 0)
    assert run_all(project) == 5
    assert [run_all(project), run_all(project, AT_WORK="1")] == [0, 5]


@needs_monitoring
def test_what_a_waiting_thread_is_given_in_an_untraced_test_counts_for_the_next(project: Any) -> None:
    project.write(
        "lib.py",
        "import threading\n"
        "go = threading.Event()\n"
        "def long():\n    go.wait(30)\n    return short()\n"
        "def short(): return 3\n",
    )
    project.write(
        "test_jobs.py",
        "import concurrent.futures, lib\n"
        "pool = concurrent.futures.ThreadPoolExecutor(1)\n"
        "def test_begin():\n    lib.answer = pool.submit(lib.long)\n"
        "def test_end():\n    lib.go.set()\n    assert lib.answer.result(30) == 3\n",
    )
    share(project, 0)
    assert run_all(project, "--order=declared") == 2
    project.replace("test_jobs.py", "lib.go.set()", "lib.go.set(); assert lib.go")
    assert run_all(project, "--order=declared") == 1  # that one, beside an untraced one that begins its work
    project.replace("lib.py", "def long():\n    go", "def long():\n    1\n    go")
    assert "test_end" in selected(project)


@needs_monitoring
def test_where_coverage_is_measured_all_tests_are_traced(project: Any) -> None:
    """It asks the tracer which test executed what."""
    project.write("test_two.py", "def test_one(): pass\ndef test_two(): pass\n")
    share(project, 0)
    assert [run_all(project), run_all(project)] == [2, 0]
    assert run_all(project, "-p", "pytest_cov", "--cov=.", "--cov-report=") == 2


def test_imported_records_count_as_traced_only_where_there_are_no_others(tmp_path: Path) -> None:
    """Beside others, what the imported tests keep for these is not known whole."""
    keeper, ran = Input("function", "lib.py", "get"), Input("function", "lib.py", "make")
    with open_store(tmp_path / "one.sqlite") as one, one.transaction():
        one.record("e", recording("a", {keeper: frozenset({ran})}))
    with open_store(tmp_path / "one.sqlite") as one:
        export_store(one, tmp_path / "shared")
    with open_store(tmp_path / "empty.sqlite") as empty:
        import_store(empty, tmp_path / "shared")
        assert empty.windows("e") == {keeper: frozenset({ran})}
        assert empty.tests("e")[NodeId("a")].traced
    with open_store(tmp_path / "other.sqlite") as other:
        with other.transaction():
            other.record("e", recording("b", {}))
        import_store(other, tmp_path / "shared")
        assert [bool(record.traced) for _test, record in sorted(other.tests("e").items())] == [False, True]


def test_what_keeping_functions_ran_is_begun_anew_when_all_tests_were_traced(tmp_path: Path) -> None:
    keeper, one, two = (Input("function", "lib.py", name) for name in ("get", "one", "two"))
    with open_store(tmp_path / STORE_NAME) as store, store.transaction():
        store.record("e", recording("a", {keeper: frozenset({one})}))
        store.record("e", recording("b", {keeper: frozenset({two})}))
        assert store.windows("e") == {keeper: frozenset({one, two})}
        store.record("e", recording("ab", {keeper: frozenset({two})}))
        assert store.windows("e") == {keeper: frozenset({two})}
        partly = msgspec.structs.replace(recording("ab", {}).cases[0], whole=False)
        store.record("e", msgspec.structs.replace(recording("b", {}), cases=(partly,)))
        assert store.tests("e")[NodeId("a")].traced == 0


def recording(tests: str, windows: dict[Input, frozenset[Input]]) -> Traced:
    cases = tuple(
        CaseInputs(test=NodeId(test), inputs=frozenset({0}), outcome=Outcome.PASSED) for test in tests
    )
    item = Input("module", "lib.py")
    return Traced(inputs=(item,), fingerprints=("now",), cases=cases, windows=windows)


def test_a_store_of_an_older_version_is_brought_up_to_date_and_everything_is_traced_once(
    tmp_path: Path,
) -> None:
    import sqlite3

    path = tmp_path / STORE_NAME
    with open_store(path) as store:
        store.connection.execute("INSERT INTO segments VALUES (1, 1, 0)")
        store.connection.execute(
            "INSERT INTO tests (environment, node, segment, position, outcomes)"
            " VALUES ('e', 't.py::t', 1, 0, 'P')"
        )
        store.connection.execute("ALTER TABLE tests DROP COLUMN traced")
        store.connection.execute("DROP TABLE windows")
        store.connection.execute("PRAGMA user_version = 1")
    with open_store(path) as store:
        known = store.tests("e")
        assert known[NodeId("t.py::t")].traced == 0
        assert store.windows("e") == {}
    assert untraced(select(known, {}, full="all"), known, 0, []) == frozenset()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


# -- which tests ---------------------------------------------------------------------------------------------


def records(ages: list[int]) -> dict[NodeId, CaseRecord]:
    return {
        NodeId(f"t.py::t{n}"): CaseRecord(test=NodeId(f"t.py::t{n}"), outcomes="P", traced=age)
        for n, age in enumerate(ages)
    }


@given(st.lists(st.integers(0, 5), max_size=30), st.floats(0, 1), st.sets(st.integers(0, 29)))
@settings(max_examples=50)
def test_every_test_that_is_left_untraced_is_unaffected_and_was_traced_and_no_older_one_is_due(
    ages: list[int], portion: float, changed: set[int]
) -> None:
    known = records(ages)
    touched = {NodeId(f"t.py::t{n}"): "x" for n in changed}
    found = untraced(select(known, touched, full="all"), known, portion, [])
    assert found.isdisjoint(touched)
    assert all(known[test].traced for test in found)
    due = [known[test].traced for test in known.keys() - touched.keys() - found if known[test].traced]
    assert max(due, default=0) <= min((known[test].traced for test in found), default=9)
    assert len(due) >= portion * (len(due) + len(found))


def test_all_are_traced_after_a_run_that_proved_records_wrong() -> None:
    known = records([1, 1, 1])
    selection: Selection = select(known, {}, full="all")
    fine = PastRun(at=1, mode="full")
    wrong = PastRun(at=1, mode="shadow", missed=1)
    partial = PastRun(at=2, mode="selected")
    assert len(untraced(selection, known, 0, [wrong, fine, partial])) == 3
    assert untraced(selection, known, 0, [fine, wrong, partial]) == frozenset()


ITEMS = st.builds(Input, st.just("function"), st.sampled_from("ab"), st.sampled_from("xyz"))
WINDOWS = st.dictionaries(ITEMS, st.frozensets(ITEMS))


@given(WINDOWS, WINDOWS)
@settings(max_examples=50)
def test_what_keeping_functions_ran_comes_out_as_it_was_put_in_and_nothing_of_two_runs_is_lost(
    one: dict[Input, frozenset[Input]], other: dict[Input, frozenset[Input]]
) -> None:
    assert unpack_windows(pack_windows(one)) == one
    both = united(one, other)
    for keeper in both:
        assert both[keeper] == one.get(keeper, frozenset()) | other.get(keeper, frozenset())
        everything = reached(both, keeper)
        assert both[keeper] <= everything
        assert all(both.get(item, frozenset()) <= everything for item in everything)


# -- random programs -------------------------------------------------------------------------------------

LEAVES = 8
WAYS = {
    "plain": "def use_{n}(): return leaf_{k}()",
    "dict": """
        _kept_{n} = {{}}
        def use_{n}():
            if {key!r} not in _kept_{n}:
                _kept_{n}[{key!r}] = leaf_{k}()
            return _kept_{n}[{key!r}]
    """,
    "common": """
        def use_{n}():
            return common({k})
    """,
    "lru": """
        def use_{n}():
            import lru_{n}
            return lru_{n}.cached({k})
    """,
    "single": """
        _one_{n} = None
        def use_{n}():
            global _one_{n}
            if _one_{n} is None:
                _one_{n} = leaf_{k}()
            return _one_{n}
    """,
    "object": """
        class Lazy_{n}:
            _value = None
            def value(self):
                if self._value is None: self._value = common({k})
                return self._value
        LAZY_{n} = Lazy_{n}()
        def use_{n}(): return LAZY_{n}.value()
    """,
    "late": """
        def use_{n}():
            import late_{n}
            return late_{n}.VALUE
    """,
    "copied": """
        class Copied_{n}:
            def __init__(self): self._value, self._other = None, {{}}
            def value(self):
                if self._value is None:
                    self._value = leaf_{k}()
                return self._value
            def other(self):
                if 1 not in self._other:
                    self._other[1] = leaf_{k}()
                return self._other[1]
        COPIED_{n} = Copied_{n}()
        def use_{n}():
            made = copy.deepcopy(COPIED_{n}) if COPIED_{n}._other else COPIED_{n}
            return made.value() if made.other() == {k} else None
    """,
    "handed on": """
        class Handed_{n}:
            def __init__(self, value): self._value = value
            def value(self):
                if not self._value:
                    self._value = [leaf_{k}()]
                return self._value[0]
        HANDED_{n} = Handed_{n}([])
        def use_{n}():
            made = Handed_{n}(HANDED_{n}._value) if HANDED_{n}._value else HANDED_{n}
            return made.value()
    """,
    "flag": """
        class Flag_{n}:
            _dirty = True
            def value(self):
                if self._dirty:
                    self._value = leaf_{k}()
                    self._dirty = False
                return self._value
        FLAG_{n} = Flag_{n}()
        def use_{n}(): return FLAG_{n}.value()
    """,
    "asked before": """
        class Asked_{n}:
            _value = None
            def ask(self): return self._value
            def value(self):
                found = self.ask()
                if found is not None:
                    return found
                if self._value is None:
                    self._value = leaf_{k}()
                return self._value
        ASKED_{n} = Asked_{n}()
        def use_{n}(): return ASKED_{n}.value()
    """,
    "of the class": """
        class Wide_{n}:
            kept = {{}}
            def value(self):
                if {k} not in self.kept:
                    self.kept[{k}] = leaf_{k}()
                return self.kept[{k}]
        def use_{n}(): return Wide_{n}().value()
    """,
    "shared state": """
        class Shared_{n}:
            state = {{}}
            def __init__(self): self.__dict__ = self.state
            def value(self):
                try:
                    return self.found
                except AttributeError:
                    self.found = leaf_{k}()
                return self.found
        def use_{n}(): return Shared_{n}().value()
    """,
    "inherited": """
        class Base_{n}:
            _value = None
            @classmethod
            def value(cls):
                if cls._value is None:
                    cls._value = leaf_{k}()
                return cls._value
        def use_{n}(): Base_{n}.value(); return type("Derived", (Base_{n},), {{}}).value()
    """,
    "stand-in": """
        class Real_{n}:
            _value = None
        class StandIn_{n}:
            def __init__(self, real): self.__dict__["real"] = real
            def __getattr__(self, name): return getattr(self.real, name)
            def __setattr__(self, name, value): setattr(self.real, name, value)
            def value(self):
                if self._value is None:
                    self._value = leaf_{k}()
                return self._value
        REAL_{n} = Real_{n}()
        def use_{n}(): return StandIn_{n}(REAL_{n}).value()
    """,
    "local": """
        class Box_{n}:
            __slots__ = ("value",)
        BOX_{n} = Box_{n}()
        BOX_{n}.value = None
        def box_{n}(): return BOX_{n}
        def use_{n}():
            box = box_{n}()
            if box.value is None:
                box.value = leaf_{k}()
            return box.value
    """,
    "left early": """
        class Early_{n}:
            def __init__(self): self.value = None
        EARLY_{n} = Early_{n}()
        def early_{n}(): return EARLY_{n}
        def peek_{n}(early): return early.value
        def use_{n}():
            early = early_{n}()
            if peek_{n}(early) is not None:
                return peek_{n}(early)
            if early.value is None:
                early.value = leaf_{k}()
            return early.value
    """,
    "given": """
        GIVEN_{n} = {{}}
        def fill_{n}(given):
            if {k} not in given:
                given[{k}] = leaf_{k}()
            return given[{k}]
        def use_{n}(): return fill_{n}({{}}) and fill_{n}(dict(GIVEN_{n})) or fill_{n}(GIVEN_{n})
    """,
    "swapped": """
        SWAPPED_{n} = {{}}
        class Swapped_{n}:
            def __init__(self): self.kept = {{}}
            def take(self): self.kept = SWAPPED_{n}
            def value(self):
                self.take()
                if {k} not in self.kept:
                    self.kept[{k}] = leaf_{k}()
                return self.kept[{k}]
        def use_{n}(): return Swapped_{n}().value()
    """,
}
HEAD = """
import copy
_common = {}
def common(k):
    if k not in _common:
        _common[k] = LEAVES[k]()
    return _common[k]
"""
LRU = """
import functools, lib
@functools.lru_cache
def cached(x): return lib.LEAVES[x]()
"""


class Program:
    """A random project: functions that keep leaves in many ways, shared fixtures, tests that use some."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ways = [(self.rng.choice(sorted(WAYS)), self.rng.randrange(LEAVES)) for _ in range(9)]
        self.fixtures = [(self.rng.choice(("session", "module")), self.rng.randrange(9)) for _ in range(3)]
        self.tests = [
            (self.rng.sample(range(9), 2), self.rng.sample(range(3), self.rng.randrange(2)))
            for _ in range(12)
        ]

    def leaf(self, k: int, form: int) -> str:
        return f"def leaf_{k}(): return {k}{' + 0' * form}\n"

    def write(self, project: Any) -> None:
        parts = [HEAD, *(self.leaf(k, 0) for k in range(LEAVES))]
        parts.append(f"LEAVES = [{', '.join(f'leaf_{k}' for k in range(LEAVES))}]\n")
        for n, (way, k) in enumerate(self.ways):
            parts.append(textwrap.dedent(WAYS[way]).format(n=n, k=k, key=f"key {k}"))
            project.write(f"late_{n}.py", f"import lib\nVALUE = lib.leaf_{k}()\n")
            project.write(f"lru_{n}.py", LRU)
        project.write("lib.py", "\n".join(parts))
        project.write(
            "sub/conftest.py",
            "import lib, pytest\n"
            + "".join(
                f"@pytest.fixture(scope={scope!r})\ndef fix_{f}(): return lib.use_{n}()\n"
                for f, (scope, n) in enumerate(self.fixtures)
            ),
        )
        for file in range(2):
            project.write(f"sub/test_{file}.py", "import lib\n" + "".join(self.tests_of(file)))
        project.write("test_free.py", "def test_free(): pass\n")

    def tests_of(self, file: int) -> Iterator[str]:
        for t, (uses, fixtures) in list(enumerate(self.tests))[file::2]:
            given_by = ", ".join(f"fix_{f}" for f in fixtures)
            values = [f"lib.use_{n}() == {self.ways[n][1]}" for n in uses]
            values += [f"fix_{f} == {self.ways[self.fixtures[f][1]][1]}" for f in fixtures]
            yield f"def test_{t}({given_by}):\n    assert {' and '.join(values)}\n"

    def users(self, k: int) -> set[str]:
        """Return the tests whose outcome a leaf decides."""
        return {
            f"test_{t}"
            for t, (uses, fixtures) in enumerate(self.tests)
            if k in {self.ways[n][1] for n in (*uses, *(self.fixtures[f][1] for f in fixtures))}
        }


def misses_nothing(project: Any, seed: int, runs: int) -> tuple[int, int]:
    """Return how many tests were not traced, and not selected, for the test of the test."""
    program = Program(seed)
    program.write(project)
    share(project, 0.2)
    assert run_all(project, f"--order=random:{seed}") == 13
    forms = [0] * LEAVES
    spared = known = 0
    for number in range(runs):
        k = program.rng.randrange(LEAVES)
        project.replace("lib.py", program.leaf(k, forms[k]), program.leaf(k, forms[k] + 1))
        forms[k] += 1
        known += 13 - run_all(project, f"--order=random:{seed + number + 1}")
        for other in range(LEAVES):
            form = forms[other]
            with edited(project, "lib.py", program.leaf(other, form), program.leaf(other, form + 1)):
                found = selected(project)
                assert program.users(other) <= found, (seed, number, other)
                spared += 13 - len(found)
    return known, spared


@needs_monitoring
def test_after_runs_with_few_tests_traced_selection_finds_all_users_of_a_change(project: Any) -> None:
    assert min(misses_nothing(project, seed=1, runs=2)) > 0


@needs_monitoring
@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_programs_with_caches_and_fixtures_miss_nothing(project: Any, seed: int) -> None:
    with TemporaryDirectory() as folder:
        misses_nothing(type(project)(Path(folder)), seed, runs=2)
