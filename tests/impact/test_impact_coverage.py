"""Coverage with ``--impacted``: reports are those of a run of everything."""

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from coverage import CoverageData

from toolkit.impact.covered import read_covered
from toolkit.impact.inputs import CaseInputs, Traced
from toolkit.impact.memory import pack_arcs
from toolkit.impact.trails import ProcessTrail, Touched
from toolkit.plugin.covering import CONTEXT, CoverageKeeper, CoverageSplit, Splitter, can_split
from toolkit.records import NodeId, Outcome

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")

CODE = """
def double(x):
    if x > 3:
        return 2 * x
    return x + x

def triple(x):
    import lazy_module
    return lazy_module.times(x, 3)

def in_child():
    return 1

def set_up():
    return 1
"""
LAZY = """
def times(x, y):
    return x * y if x else 0
"""
CONFTEST = """
import measured_code, pytest

@pytest.fixture(scope="session")
def shared():
    return measured_code.set_up()
"""
TESTS = """
import subprocess, sys
import measured_code as c

def test_double():
    assert c.double(2) == 4

def test_more():
    assert c.double(4) == 8

def test_triple():
    assert c.triple(2) == 6

def test_triple_nothing(shared):
    assert c.triple(0) == 0

def test_child():
    assert not subprocess.call([sys.executable, "-c", "import measured_code as c; c.in_child()"])
"""
SETTINGS = """
[run]
branch = true
source = .
omit = test_*
patch = subprocess
"""


def measure(project: Any, *arguments: str, impacted: str = "--impacted") -> tuple[set[str], dict[str, Any]]:
    """Run with pytest-cov; return the tests that ran, and what of each file was executed."""
    file = project.root.parent / "coverage.json"
    ran = project.run(
        "-p",
        "pytest_cov",
        "--cov",
        f"--cov-report=json:{file}",
        *arguments,
        impacted=impacted,
        PYTHONPATH=f"{project.root}{os.pathsep}{project.root.parent}",
    )
    told = json.loads(file.read_text())
    keys = ("executed_lines", "missing_lines", "executed_branches", "missing_branches")
    return ran, {name: {key: found[key] for key in keys} for name, found in told["files"].items()}


@pytest.fixture
def measured_project(project: Any) -> Any:
    project.write("measured_code.py", CODE)
    project.write("lazy_module.py", LAZY)
    project.write("conftest.py", CONFTEST)
    project.write("test_code.py", TESTS)
    project.write(".coveragerc", SETTINGS)
    return project


@needs_monitoring
@pytest.mark.slow
def test_the_coverage_of_what_is_left_out_is_remembered_and_carried_through_edits(
    measured_project: Any,
) -> None:
    project = measured_project
    every = {"test_double", "test_more", "test_triple", "test_triple_nothing", "test_child"}
    assert project.run("-p", "pytest_cov") == every
    ran, whole = measure(project)
    assert ran == every, "what they cover is not remembered yet"
    assert whole["measured_code.py"]["missing_lines"] == []
    project.replace("measured_code.py", "def triple", "# three\n\ndef triple")
    project.replace("measured_code.py", "return x + x", "if x > 99:\n        return 0\n    return x + x")
    ran, found = measure(project, "-n", "2")
    assert ran == {"test_double", "test_more"}
    assert "remembered for 3 files, carried through changes of 1 file" in project.output
    assert found["measured_code.py"]["missing_lines"] == [6], project.output
    assert (every, found) == measure(project, impacted="--no-impacted")


@needs_monitoring
@pytest.mark.usefixtures("unmeasured")
def test_contexts_of_coverage_are_whole_beside_the_selection(measured_project: Any) -> None:
    """With ``--cov-context=test`` each line is known with every test that executed it."""
    project = measured_project
    data = CoverageData(basename=str(project.root / ".coverage"))
    assert project.run(
        "-p", "pytest_cov", "--cov", "--cov-context=test", "--cov-report=", "-k", "triple",
        PYTHONPATH=f"{project.root}{os.pathsep}{project.root.parent}",
    )  # fmt: skip
    data.read()
    contexts = data.contexts_by_lineno(str(project.root / "measured_code.py"))
    data.close()
    number = CODE.splitlines().index("def triple(x):") + 2
    assert {name.partition("::")[2].partition("|")[0] for name in contexts[number]} == {
        "test_triple",
        "test_triple_nothing",
    }
    assert project.run("-p", "pytest_cov", "-k", "triple") == set(), "coverage's own file is no input"


class FakeCollector:
    """Hands over what it was told, as coverage's does."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.covdata: Any = self
        self.waiting: dict[str, Any] = {}

    def flush_data(self) -> None:
        if self.waiting:
            self.covdata.add_arcs(self.waiting)
            self.waiting = {}

    def tracer_name(self) -> str:
        return "CTracer"

    def add_arcs(self, found: Any) -> None:
        self.got.append(("arcs", {path: set(arcs) for path, arcs in found.items()}))

    def set_context(self, context: str) -> None:
        self.got.append(("context", context))

    def add_file_tracers(self, found: Any) -> None:
        self.got.append(("tracers", dict(found)))


@pytest.fixture
def collector() -> FakeCollector:
    return FakeCollector()


def fake_coverage(collector: Any) -> Any:
    return SimpleNamespace(_collector=collector, get_option=lambda name: name == "run:branch")


def test_what_is_handed_over_is_split_by_context_and_passed_on_once(
    collector: FakeCollector, tmp_path: Path
) -> None:
    file = tmp_path / "main.covered"
    splitter = Splitter(fake_coverage(collector), file)
    collector.waiting = {"a.py": [(1, 2)], "b.py": []}
    splitter.switch(7)
    collector.waiting = {"a.py": [(1, 2), (2, 3)]}
    splitter.switch(8)
    assert collector.got == [], "nothing is written while a test runs"
    splitter.add_file_tracers({"t.html": "templates"})
    assert collector.got[0] == ("arcs", {"a.py": {(1, 2), (2, 3)}, "b.py": set()})
    assert collector.got[1] == ("tracers", {"t.html": "templates"})
    splitter.add_arcs({"a.py": [(1, 2), (3, 4)]})
    assert collector.got[2] == ("arcs", {"a.py": {(3, 4)}})
    assert splitter.waiting == {}, "everything else is asked of coverage's own data"
    splitter.stop()
    splitter.stop()
    splitter.switch(9)
    found = read_covered(file)
    assert found.complete
    assert found.contexts == {
        0: {("a.py", pack_arcs([(1, 2)]))},
        7: {("a.py", pack_arcs([(1, 2), (2, 3)]))},
        8: {("a.py", pack_arcs([(1, 2), (3, 4)]))},
    }


def test_the_data_file_is_not_begun_while_other_workers_start(
    collector: FakeCollector, tmp_path: Path
) -> None:
    """Each worker of pytest-cov that starts erases the files of all: what is there is kept until the end."""
    collector.waiting = {"a.py": [(1, 2)]}
    splitter = Splitter(fake_coverage(collector), tmp_path / "main.covered")
    assert collector.got == []
    assert collector.waiting == {}
    splitter.switch(7)
    assert collector.got == []
    splitter.stop()
    assert collector.got == [("arcs", {"a.py": {(1, 2)}})]
    assert read_covered(tmp_path / "main.covered").contexts == {}, "executed before the first context"


def test_a_worker_in_which_nothing_was_executed_says_so_to_coverage(
    collector: FakeCollector, tmp_path: Path
) -> None:
    """Data to which nothing was ever added refuses to list the files that were not executed."""
    splitter = Splitter(fake_coverage(collector), tmp_path / "main.covered")
    splitter.pass_on()
    assert collector.got == [], "nobody has asked"
    splitter._holding = True
    splitter.add_arcs({})
    splitter._holding = False
    splitter.pass_on()
    splitter.pass_on()
    assert collector.got == [("arcs", {})]


def test_contexts_of_coverage_get_all_that_was_executed_in_each(
    collector: FakeCollector, tmp_path: Path
) -> None:
    """What was passed on for one context is passed on for the next one, too."""
    splitter = Splitter(fake_coverage(collector), tmp_path / "main.covered")
    collector.waiting = {"a.py": [(1, 2)]}
    splitter.switch(7)
    splitter.set_context("one")
    splitter.add_arcs({"a.py": [(1, 2), (2, 3)]})
    splitter.set_context("two")
    splitter.add_arcs({"a.py": [(1, 2)]})
    splitter.add_file_tracers({})
    assert collector.got == [
        ("arcs", {"a.py": {(1, 2)}}),
        ("context", "one"),
        ("arcs", {"a.py": {(1, 2), (2, 3)}}),
        ("context", "two"),
        ("arcs", {"a.py": {(1, 2)}}),
    ]


def test_where_somebody_takes_the_data_away_nothing_counts_as_whole(
    collector: FakeCollector, tmp_path: Path
) -> None:
    splitter = Splitter(fake_coverage(collector), tmp_path / "main.covered")
    collector.covdata = collector
    splitter.stop()
    assert not read_covered(tmp_path / "main.covered").complete


def test_a_child_made_by_fork_writes_no_file_and_passes_everything_on(
    collector: FakeCollector, tmp_path: Path
) -> None:
    splitter = Splitter(fake_coverage(collector), tmp_path / "main.covered")
    splitter.add_arcs({"a.py": [(1, 2)]})
    splitter._forked()
    splitter.add_arcs({"a.py": [(1, 2)]})
    assert collector.got == [("arcs", {"a.py": {(1, 2)}})] * 2
    splitter.stop()
    assert not read_covered(tmp_path / "main.covered").complete


def test_it_begins_with_the_collection_and_ends_with_the_session(
    collector: FakeCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer: Any = SimpleNamespace(switched=None)
    split = CoverageSplit(tracer, tmp_path / "main.covered")
    monkeypatch.setattr("toolkit.plugin.covering.measured", lambda: None)
    split.pytest_collection()
    assert not tracer.switched, "nobody measures"
    monkeypatch.setattr("toolkit.plugin.covering.measured", lambda: fake_coverage(collector))
    split.pytest_collection()
    collector.waiting = {"a.py": [(1, 2)]}
    tracer.switched(1)
    loop = split.pytest_runtestloop()
    next(loop)
    assert collector.got == []
    with contextlib.suppress(StopIteration):
        loop.send(None)
    assert collector.got == [("arcs", {"a.py": {(1, 2)}})], "complete when the loop is over"
    split.pytest_sessionfinish()
    assert not tracer.switched
    assert read_covered(tmp_path / "main.covered").complete


def test_a_coverage_that_cannot_be_asked_remembers_nothing(tmp_path: Path) -> None:
    assert not can_split(SimpleNamespace())
    keeper = CoverageKeeper(tmp_path, "py", tmp_path)
    keeper.coverage = fake_coverage(SimpleNamespace())
    assert keeper.tests() == set()
    assert "nothing is left out" in keeper.note


class Measurement:
    """What the keeper asks of a measurement: options, and real data of coverage."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._collector = FakeCollector()
        self.options = {"branch": True, "data_file": str(folder / ".coverage"), "context": "unit", **options}
        self.data = CoverageData(basename=str(folder / ".coverage.vm.pid1.Xmain"))

    def get_option(self, name: str) -> Any:
        return self.options.get(name.removeprefix("run:"))

    def get_data(self) -> CoverageData:
        return self.data


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[CoverageKeeper]:
    """A project with one file, in which a run of one test ended that started another process."""
    (tmp_path / "x.py").write_text("a = 1\nb = 2\nc = 3\n")
    folder = tmp_path / ".toolkit" / "trace" / "1"
    folder.mkdir(parents=True)
    measurement = Measurement(tmp_path)
    splitter = Splitter(measurement, folder / "main.covered")
    splitter.switch(2)
    splitter.add_arcs({str(tmp_path / "x.py"): [(-1, 1), (1, -1)]})
    splitter.stop()
    (folder / "main.trail").write_text('["start",1,"3.12",true,"",0]\n')
    (folder / "main-child-1.trail").write_text('["start",77,"3.12",true,"main",2]\n')
    child = CoverageData(basename=str(tmp_path / ".coverage.vm.pid77.Xabc"))
    child.add_arcs({str(tmp_path / "x.py"): [(2, 3)]})
    child.write()
    child.close()
    (tmp_path / ".coverage.vm.pid77.Xtorn").write_bytes(b"SQLite format 3 torn")
    keeper = CoverageKeeper(tmp_path, "py", folder)
    keeper.coverage = measurement
    yield keeper
    measurement.data.close()


TEST = NodeId("test_x.py::test_it")


def run_of_one_test() -> tuple[list[ProcessTrail], Traced]:
    touched = Touched(kind="test", name=TEST)
    main = ProcessTrail(name="main", contexts={2: touched}, begun=[TEST])
    child = ProcessTrail(name="main-child-1", parent="main", started_in=2)
    case = CaseInputs(test=TEST, inputs=frozenset(), outcome=Outcome.PASSED)
    return [main, child], Traced(inputs=(), fingerprints=(), cases=(case,))


def test_the_next_run_gets_what_a_test_and_its_child_executed_under_a_name_that_says_so(
    kept: CoverageKeeper, tmp_path: Path
) -> None:
    assert kept.tests() == set()
    kept.take_children()
    kept.keep(*run_of_one_test())
    assert kept.tests() == {TEST}
    kept.add([])
    assert kept.note == ""
    kept.add([TEST])
    assert kept.note == "coverage of left-out tests remembered for 1 file"
    data = kept.coverage.get_data()
    assert data.measured_contexts() == {f"unit|{CONTEXT}"}
    assert set(data.arcs(str(tmp_path / "x.py")) or ()) == {(-1, 1), (1, -1), (2, 3)}
    kept.coverage.options["relative_files"] = True
    assert kept.tests() == set(), "measured with other settings"


def test_a_memory_that_cannot_be_written_is_said_and_nothing_is_left_out(
    kept: CoverageKeeper, tmp_path: Path
) -> None:
    (tmp_path / ".toolkit" / "coverage.sqlite").mkdir()
    kept.keep(*run_of_one_test())
    assert "cannot be used" in kept.note
    assert "that of this run is not remembered" in kept.note
    assert kept.tests() == set()
    assert "nothing is left out" in kept.note


def test_a_damaged_memory_is_said_and_begun_anew(kept: CoverageKeeper, tmp_path: Path) -> None:
    """What was left out in this run is missing in its coverage; the next run leaves nothing out."""
    kept.keep(*run_of_one_test())
    with sqlite3.connect(tmp_path / ".toolkit" / "coverage.sqlite") as connection:
        connection.execute("UPDATE parts SET content = x'00'")
    connection.close()
    assert kept.tests() == {TEST}
    kept.add([TEST])
    assert "is damaged and begun anew" in kept.note
    assert "the coverage of left-out tests is missing here" in kept.note
    assert kept.tests() == set()
    kept.keep(*run_of_one_test())
    kept.add([TEST])
    assert kept.note.endswith("coverage of left-out tests remembered for 1 file")


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM parts", "DELETE FROM lists", "DELETE FROM files", "UPDATE lists SET content = x'00'",
     "UPDATE texts SET content = x'00'", "DROP TABLE tests"],
)  # fmt: skip
def test_no_damage_of_the_memory_breaks_a_run(kept: CoverageKeeper, tmp_path: Path, damage: str) -> None:
    kept.keep(*run_of_one_test())
    with sqlite3.connect(tmp_path / ".toolkit" / "coverage.sqlite") as connection:
        connection.execute(damage)
        connection.execute("UPDATE meta SET value = -1000")  # so that it is tidied
    connection.close()
    (tmp_path / "x.py").write_text("# new\na = 1\nb = 2\nc = 3\n")
    kept.tests()
    kept.add([TEST])
    kept.keep(*run_of_one_test())
    kept.note = ""
    kept.keep(*run_of_one_test())
    assert kept.note == ""
    assert kept.tests() == {TEST}


def test_without_coverage_no_memory_is_begun(tmp_path: Path) -> None:
    keeper = CoverageKeeper(tmp_path, "py", tmp_path)
    keeper.keep([], Traced(inputs=(), fingerprints=(), cases=()))
    assert not (tmp_path / ".toolkit").exists()
