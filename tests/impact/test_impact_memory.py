"""What the memory of coverage keeps, forgets and survives; how measured lines become those of tests."""

import contextlib
import io
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.covered import CoveredWriter, read_covered
from toolkit.impact.fingerprints import digest
from toolkit.impact.inputs import CaseInputs, CaseRecord, Input, Traced
from toolkit.impact.memory import (
    CoverageMemory,
    FileState,
    open_memory,
    pack_arcs,
    pack_lines,
    unpack_numbers,
    unpack_pairs,
)
from toolkit.impact.remembering import recall, remember_run
from toolkit.impact.selection import keep_covered, select
from toolkit.impact.trails import ProcessTrail, Touched
from toolkit.records import NodeId, Outcome

A, B, C, D = (NodeId(f"test_x.py::test_{name}") for name in "abcd")
STATE = FileState(path="x.py", digest="1")


@given(arcs=st.sets(st.tuples(st.integers(-9999, 99999), st.integers(-9999, 99999))))
@settings(max_examples=25)
def test_packing_loses_nothing(arcs: set[tuple[int, int]]) -> None:
    assert set(unpack_pairs(pack_arcs(arcs))) == arcs
    lines = {abs(first) for first, _ in arcs}
    assert set(unpack_numbers(pack_lines(lines))) == lines


def test_tests_are_known_by_settings_and_forgotten(tmp_path: Path) -> None:
    with open_memory(tmp_path / "new" / "coverage.sqlite") as memory:
        with memory.transaction():
            memory.remember("py", "s", [(A, [(STATE, b"1")], []), (B, [(STATE, b"2")], [(STATE, b"1")])])
        assert memory.tests("py", "s") == {A, B}
        assert memory.tests("py", "other") == memory.tests("other", "s") == set()
        assert memory.coverage("py", {A}) == {STATE: {b"1"}}
        assert memory.coverage("py", {A, B, C}) == {STATE: {b"1", b"2"}}
        memory.forget("py", [A])
        assert memory.tests("py", "s") == {B}
        with contextlib.suppress(RuntimeError), memory.transaction():
            memory.forget("py", [B])
            raise RuntimeError
        assert memory.tests("py", "s") == {B}


def test_what_nobody_refers_to_is_dropped_at_times(tmp_path: Path) -> None:
    with open_memory(tmp_path / "coverage.sqlite") as memory:
        for number in range(400):
            state = FileState(path="x.py", digest=str(number))
            memory.keep_text(str(number), b"x = 1")
            memory.remember("py", "s", [(A, [(state, b"%d" % number)], [])])
            memory.tidy()
        count = memory._db.execute("SELECT count(*) FROM parts").fetchone()[0]
        assert 1 <= count < 300
        assert memory.coverage("py", {A}) == {state: {b"399"}}
        assert memory.text("399") == b"x = 1"
        assert memory.text("0") is None


def test_a_damaged_file_or_one_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "coverage.sqlite"
    path.write_bytes(b"no database at all, but long enough to look like one" * 100)
    open_memory(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with open_memory(path) as memory:
        assert memory.tests("py", "s") == set()
    (tmp_path / "folder").mkdir()
    with pytest.raises(sqlite3.OperationalError):
        open_memory(tmp_path / "folder")


def test_a_torn_file_of_a_process_is_read_up_to_the_tear_and_not_complete(tmp_path: Path) -> None:
    file = tmp_path / "main.covered"
    writer = CoveredWriter(file, "s", arcs=False)
    writer.context(1, {"x.py": {1, 2}})
    writer.context(2, {"x.py": {1, 2}})
    writer.tracers({"x.html": "templates"})
    writer.end()
    whole = read_covered(file)
    assert whole.complete
    assert whole.contexts == {1: {("x.py", pack_lines([1, 2]))}, 2: {("x.py", pack_lines([1, 2]))}}
    assert whole.tracers == {"x.html": "templates"}
    file.write_bytes(file.read_bytes()[:-4])
    assert not read_covered(file).complete


def test_a_damaged_file_of_a_process_is_read_up_to_the_damage(tmp_path: Path) -> None:
    file = tmp_path / "main.covered"
    writer = CoveredWriter(file, "s", arcs=False)
    writer.context(1, {"x.py": {1, 2}})
    before = len(file.read_bytes())
    assert before > 20, "nothing waits to be written"
    writer.context(2, {"x.py": {1}})
    writer.end()
    whole = file.read_bytes()
    for damaged in (b"\xc1", b"\x01", msgspec.msgpack.encode(["context", 3, [99]])):
        record = len(damaged).to_bytes(4, "big") + damaged
        file.write_bytes(whole[:before] + record + whole[before:])
        found = read_covered(file)
        assert found.contexts.get(1) == {("x.py", pack_lines([1, 2]))}
        assert not found.complete


def test_what_cannot_be_written_is_not_whole(tmp_path: Path) -> None:
    file = tmp_path / "main.covered"
    writer = CoveredWriter(file, "s", arcs=False)
    stream: Any = writer._stream
    writer._stream = Full()
    writer.context(1, {"x.py": {1, 2}})
    writer._stream = stream
    writer.context(2, {"x.py": {1, 2}})
    writer.end()
    found = read_covered(file)
    assert found.contexts == {}
    assert not found.complete


class Full(io.RawIOBase):
    """A file on a full disk."""

    def write(self, _data: Any) -> int:
        raise OSError(28, "no space left")


class Run:
    """A project with one file, and runs whose trails and coverage are written here."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "run"
        self.folder.mkdir()
        self.text = "".join(f"x{number} = {number}\n" for number in range(1, 10))
        self.write()
        self.trails: list[ProcessTrail] = []

    def write(self) -> None:
        (self.root / "x.py").write_text(self.text)

    def process(
        self, name: str, covered: dict[int, set[int]], *, complete: bool = True, **fields: object
    ) -> ProcessTrail:
        writer = CoveredWriter(self.folder / f"{name}.covered", "s", arcs=False)
        for number, lines in covered.items():
            writer.context(number, {str(self.root / "x.py"): lines, str(self.root / "gone.py"): {1}})
        writer.end(complete=complete)
        self.trails.append(ProcessTrail(name=name, **fields))  # type: ignore[arg-type]
        return self.trails[-1]

    def remember(self, memory: CoverageMemory, *tests: NodeId, inputs: tuple[Input, ...] = ()) -> None:
        cases = tuple(
            CaseInputs(
                test=test,
                inputs=frozenset(range(len(inputs) // 2)),
                shared=(frozenset(range(len(inputs) // 2, len(inputs))),),
                outcome=Outcome.PASSED,
            )
            for test in tests
        )
        traced = Traced(inputs=inputs, fingerprints=("",) * len(inputs), cases=cases)
        remember_run(memory, "py", self.root, self.folder, self.trails, traced)

    def recall(self, memory: CoverageMemory, *tests: NodeId) -> set[int]:
        found = recall(memory, "py", self.root, tests, arcs=False)
        return set(found.executed.get("x.py", ()))


def test(name: NodeId, **items: dict[str, int]) -> Touched:
    return Touched(kind="test", name=name, items=dict(items))


test.__test__ = False  # type: ignore[attr-defined]


def test_a_test_gets_its_own_lines_its_fixtures_its_imports_and_its_children(tmp_path: Path) -> None:
    run = Run(tmp_path)
    contexts = {
        1: Touched(kind="session"),
        2: test(A, uses={"3": 1, "4": 1}),
        3: Touched(kind="fixture", name="shared (session)"),
        4: Touched(kind="import", name="lazy.py"),
        7: Touched(kind="import", name="other.py"),
        5: test(B, uses={"3": 1}),
        6: test(C),
    }
    run.process(
        "main", {1: {1}, 2: {2}, 3: {3}, 4: {4}, 5: {5}, 6: {6}, 7: {9}}, contexts=contexts, begun=[A, B, C]
    )
    run.process("main-child", {0: {7}}, parent="main", started_in=5, until=5.0, pid=1)
    run.process("main-child-child", {0: {8}}, parent="main-child", started_in=1, pid=2)
    with open_memory(tmp_path / "coverage.sqlite") as memory:
        run.remember(memory, A, B, inputs=(Input("module", "lazy.py"), Input("module", "other.py")))
        assert memory.tests("py", "s") == {A, B}
        assert run.recall(memory, A) == {2, 3, 4, 9}
        assert run.recall(memory, B) == {3, 4, 5, 7, 8, 9}
        run.text = "# new\n" + run.text.replace("x3 = 3", "x3 = 4")
        run.write()
        assert run.recall(memory, A) == {3, 5, 10}, "moved on by one line; what changed does not count"
        (tmp_path / "x.py").unlink()
        assert run.recall(memory, A, B) == set()


def test_what_a_child_executed_while_several_tests_ran_is_nobodys(tmp_path: Path) -> None:
    """Nobody knows for which test it worked: neither is left out as long as that is so."""
    run = Run(tmp_path)
    contexts = {
        1: Touched(kind="session"),
        2: test(A, uses={"3": 1}),
        3: Touched(kind="fixture", name="server (session)"),
        4: test(B, uses={"3": 1}),
        5: test(C),
        6: test(D),
    }
    run.process(
        "main", {2: {2}, 4: {4}, 5: {5}, 6: {6}}, contexts=contexts, begun=[A, B, C, D],
        gone={"main-server": 4, "main-late": 5},
    )  # fmt: skip
    run.process("main-server", {0: {7}}, parent="main", started_in=3, pid=1)
    run.process("main-late", {0: {8}}, parent="main", started_in=5, pid=2)
    with open_memory(tmp_path / "coverage.sqlite") as memory:
        run.remember(memory, A, B, C, D)
        assert memory.tests("py", "s") == {C, D}
        assert run.recall(memory, C) == {5, 8}
        assert run.recall(memory, D) == {6}
        run.trails[0].gone = {"main-server": 3, "main-late": 6}
        run.remember(memory, A, B, C, D)
        assert memory.tests("py", "s") == {A, B}, "the server was gone before a test began"
        assert run.recall(memory, A) == {2, 7}
        assert run.recall(memory, B) == {4, 7}


def test_what_was_not_measured_whole_is_not_remembered(tmp_path: Path) -> None:
    """A process that was killed, a run without coverage, a file that changed meanwhile."""
    run = Run(tmp_path)
    run.process("gw0", {2: {2}}, contexts={2: test(A)}, begun=[A])
    run.process("gw1", {2: {2}}, contexts={2: test(B)}, begun=[B], complete=False)
    with open_memory(tmp_path / "coverage.sqlite") as memory:
        run.remember(memory, A, B)
        assert memory.tests("py", "s") == {A}
        again = [ProcessTrail(name="main", contexts={2: test(A)}, begun=[A])]
        run.trails, run.folder = again, tmp_path / "empty"
        run.remember(memory, A)
        assert memory.tests("py", "s") == set()
        run.trails, run.folder = [], tmp_path / "run"
        files = {"x.py": digest(b"something else")}
        run.process("gw0", {2: {2}}, contexts={2: test(A)}, begun=[A], files=files)
        run.remember(memory, A)
        assert run.recall(memory, A) == set()


def test_tests_whose_coverage_is_not_remembered_run() -> None:
    known = {test: CaseRecord(test=test, outcomes="P", duration=2.0) for test in (A, B)}
    found = keep_covered(select(known, {}), known, {A, C})
    assert found.left_out == {A}
    assert found.saved == 2.0
    assert str(found.verdicts[B]) == "what it covers is not remembered"
