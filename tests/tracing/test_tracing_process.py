"""The tracer in this process: what lands in the trail."""

import gc
import importlib
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

import toolkit.tracing.trail as trail_module
from toolkit.impact.fingerprints import digest, parse
from toolkit.impact.looking import keepers_of
from toolkit.impact.trails import read_process
from toolkit.tracing.borders import Borders
from toolkit.tracing.functions import BOUNDARY
from toolkit.tracing.keeping import may_keep, names_a_cache
from toolkit.tracing.session import TracedProcess
from toolkit.tracing.trail import TrailWriter, read_trail, unfold
from toolkit.tracing.windows import Windows

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")

LIB = """
import os
VALUE = 1
def plain():
    return inner()
def inner():
    return VALUE
def reads(path):
    with open(path) as stream:
        return stream.read()
def asks():
    return os.environ.get("TRACED_NAME"), os.environ.get("PYTEST_SOMETHING")
def steps():
    yield 1
    inner()
    yield 2
class Thing:
    def method(self):
        return [x for x in range(3)]
"""


GET = """
def get():
    if "it" not in STORE:
        STORE["it"] = inner()
    return STORE["it"]
"""


class Run:
    """A traced process around a module of its own, and its trail."""

    def __init__(self, root: Path, name: str, *, early: bool = False) -> None:
        self.root = root
        self.name = name
        (root / f"{name}.py").write_text(LIB)
        self.early = self.load() if early else None
        self.process = TracedProcess(
            str(root), str(root / "trails"), "main", children=False, keepers_of=keepers_of
        )
        self.tracer = self.process.tracer
        self.lib = self.early or self.load()

    def load(self) -> ModuleType:
        importlib.invalidate_caches()
        return importlib.import_module(self.name)

    def test(self, name: str, *actions: Any) -> None:
        context = self.process.begin_test(name)
        for action in actions:
            action()
        self.process.end_test(context)

    def lines(self) -> list[list[Any]]:
        return list(read_trail(self.root / "trails" / "main.trail"))

    def functions(self, kind: str, name: str) -> set[str]:
        lines = self.lines()
        codes = {line[1]: line[3] for line in lines if line[0] == "code"}
        return {
            codes[number]
            for line in lines
            if line[0] == "touch" and line[2:4] == [kind, name]
            for number in line[5]
        }

    def more(self, text: str) -> ModuleType:
        (self.root / f"{self.name}_more.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(f"{self.name}_more")

    def windows(self) -> dict[str, set[str]]:
        lines = self.lines()
        codes = {line[1]: line[3] for line in lines if line[0] == "code"}
        found: dict[str, set[str]] = {}
        for line in lines:
            if line[0] == "calls":
                found.setdefault(codes[line[1]], set()).update(codes[ran] for ran in line[2])
        return found

    def items(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in self.lines():
            if line[0] == "touch" and line[3] == name:
                for kind, values in line[4].items():
                    found.setdefault(kind, {}).update(values)
        return found


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Run(tmp_path, f"traced_{abs(hash(tmp_path))}")
    yield made
    made.process.stop()
    sys.modules.pop(made.name, None)


@needs_monitoring
def test_each_test_gets_the_functions_it_enters(run: Run) -> None:
    run.test("one", run.lib.plain, run.lib.plain)
    run.test("two", run.lib.inner)
    run.test("three", run.lib.Thing().method)
    run.test("four")
    assert run.functions("test", "one") == {"plain", "inner"}
    assert run.functions("test", "two") == {"inner"}
    assert run.functions("test", "three") == {"Thing.method"}
    assert run.functions("test", "four") == set()


@needs_monitoring
def test_a_function_counts_in_every_test_however_often_it_is_called(run: Run) -> None:
    for number in range(60):
        extra = [run.lib.Thing().method] if number % 7 == 0 else []
        run.test(f"t{number}", *[run.lib.plain] * (number % 5 * 20 + 1), *extra)
    for number in range(60):
        found = run.functions("test", f"t{number}")
        assert found == {"plain", "inner"} | ({"Thing.method"} if number % 7 == 0 else set())
    run.test("after", run.lib.inner)
    assert run.functions("test", "after") == {"inner"}


@needs_monitoring
def test_a_generator_that_goes_on_counts(run: Run) -> None:
    steps = run.lib.steps()
    run.test("begins", lambda: next(steps))
    run.test("goes on", lambda: next(steps))
    assert run.functions("test", "begins") == {"steps"}
    assert run.functions("test", "goes on") == {"steps", "inner"}


@needs_monitoring
def test_between_known_tests_that_follow_each_other_nobody_listens_and_lines_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    run = Run(tmp_path, f"following_{abs(hash(tmp_path))}")
    first = run.process.begin_test("first", known=True)
    run.process.end_test(first, ["result", "first", "passed", 1], follows=True)
    run.lib.inner()
    assert not run.tracer.functions.listening
    assert run.lines()[-1] == ["begin", "first", False]
    second = run.process.begin_test("second", known=True)
    assert run.lines()[-2:] == [["result", "first", "passed", 1], ["begin", "second", False]]
    fixture = run.tracer.push("fixture", "shared")
    run.lib.plain()
    run.tracer.pop(fixture)
    run.process.end_test(second, ["result", "second", "passed", 1])
    run.lib.Thing().method()
    third = run.process.begin_test("third")
    run.lib.inner()
    run.process.end_test(third, follows=True)
    run.lib.inner()
    assert run.functions("fixture", "shared") == {"plain", "inner"}
    assert run.functions("test", "third") == {"inner"}
    last = run.process.begin_test("last", known=True)
    run.process.end_test(last, ["result", "last", "passed", 1], follows=True)
    run.process.stop()
    assert run.functions("session", "") == {"Thing.method", "inner"}
    assert ["result", "last", "passed", 1] in run.lines()


@needs_monitoring
def test_contexts_in_a_test_are_apart_and_referred_to(run: Run) -> None:
    test = run.process.begin_test("outer")
    run.lib.inner()
    fixture = run.tracer.push("fixture", "shared")
    run.lib.plain()
    run.tracer.pop(fixture)
    run.lib.Thing().method()
    run.process.end_test(test)
    other = run.process.begin_test("other")
    run.tracer.resume(fixture)
    run.lib.plain()
    run.tracer.pop(fixture)
    run.tracer.pop(fixture)
    run.process.end_test(other)
    assert run.functions("fixture", "shared") == {"plain", "inner"}
    assert run.functions("test", "outer") == {"inner", "Thing.method"}
    assert run.items("outer")["uses"] == {str(fixture.number): 1}
    assert run.items("other")["uses"] == {str(fixture.number): 1}


@needs_monitoring
def test_threads_count_for_the_test_that_runs(run: Run) -> None:
    def in_thread() -> None:
        thread = threading.Thread(target=run.lib.plain)
        thread.start()
        thread.join()

    run.test("threaded", in_thread)
    assert run.functions("test", "threaded") == {"plain", "inner"}


def test_imports_are_contexts_with_their_own_name(run: Run) -> None:
    (module,) = [line for line in run.lines() if line[0] == "module"]
    assert module[1:3] == [run.name, f"{run.name}.py"]
    if sys.version_info >= (3, 12):
        assert run.functions("import", f"{run.name}.py") >= {"<module>"}


def test_a_failed_import_ends_its_context(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken_one.py").write_text("raise KeyError")
    with pytest.raises(KeyError):
        importlib.import_module("broken_one")
    run.test("later", run.lib.inner)
    assert [line[3] for line in run.lines() if line[0] == "touch" and line[2] == "import"].count(
        "broken_one.py"
    ) == 1
    assert run.tracer.current.kind == "session"


def test_files_folders_absent_paths_and_variables(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("x")
    run.tracer.made.clear()  # what a test wrote itself is no input of it
    made = tmp_path / "made.txt"

    def absent() -> None:
        with pytest.raises(FileNotFoundError):
            run.lib.reads(tmp_path / "missing")

    def own_file() -> None:
        made.write_text("y")
        run.lib.reads(made)

    run.test(
        "touching",
        lambda: run.lib.reads(tmp_path / "data" / "a.txt"),
        lambda: list((tmp_path / "data").iterdir()),
        absent,
        own_file,
        run.lib.asks,
    )
    found = run.items("touching")
    assert set(found["file"]) == {"data/a.txt"}
    assert set(found["folder"]) == {"data"}
    assert set(found["absent"]) == {"missing"}
    assert set(found["variable"]) == {"TRACED_NAME"}


def test_programs_that_cannot_be_followed_are_named(run: Run) -> None:
    run.test("starting", lambda: subprocess.run(["true"], check=True))
    assert list(run.items("starting")["everything"]) == ["subprocess: true is not traced"]


def test_stopping_gives_everything_back(tmp_path: Path) -> None:
    before = (os.environ.encodekey, os.environ.get("PYTHONPATH"))
    process = TracedProcess(str(tmp_path), str(tmp_path / "trails"), "main")
    assert "TOOLKIT_TRACE" in os.environ
    tool = process.tracer.functions
    process.stop()
    assert (os.environ.encodekey, os.environ.get("PYTHONPATH")) == before
    assert "TOOLKIT_TRACE" not in os.environ
    assert not tool.active
    again = TracedProcess(str(tmp_path), str(tmp_path / "trails"), "again", children=False)
    assert again.tracer.functions.active == (sys.version_info >= (3, 12))
    again.stop()


@needs_monitoring
def test_without_a_free_tool_id_nothing_breaks(tmp_path: Path) -> None:
    taken = [number for number in (3, 4) if sys.monitoring.get_tool(number) is None]
    for number in taken:
        sys.monitoring.use_tool_id(number, "other")
    try:
        process = TracedProcess(str(tmp_path), str(tmp_path / "trails"), "main", children=False)
        assert not process.tracer.functions.active
        process.end_test(process.begin_test("x"))
        process.stop()
    finally:
        for number in taken:
            sys.monitoring.free_tool_id(number)


@needs_monitoring
def test_modules_that_were_loaded_before_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    run = Run(tmp_path, f"early_{abs(hash(tmp_path))}", early=True)
    run.test("one", run.lib.plain)
    run.process.stop()
    assert ["early", run.name, f"{run.name}.py"] in run.lines()
    assert run.functions("test", "one") == {"plain", "inner"}
    gc.collect()


def test_borders(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    borders = Borders(str(tmp_path), outside=[str(tmp_path / "env")])
    assert borders.relative(str(tmp_path / "a" / "b.py")) == "a/b.py"
    assert borders.relative(str(tmp_path)) == "."
    for other in ("env/x.py", ".git/x", "lib/site-packages/x.py", "a/__pycache__/x.pyc"):
        assert borders.relative(str(tmp_path / other)) is None, other
    assert borders.relative("<string>") is None
    assert borders.relative("") is None
    assert borders.relative(os.__file__) is None


def test_links_in_installed_packages_lead_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the standard library itself is trusted not to hold any."""
    library, root = tmp_path / "python", tmp_path / "project"
    (library / "site-packages").mkdir(parents=True)
    (root / "lib").mkdir(parents=True)
    monkeypatch.setattr(os, "__file__", str(library / "os.py"))
    for place in (library / "site-packages" / "linked", library / "linked"):
        place.symlink_to(root / "lib", target_is_directory=True)
    borders = Borders(str(root))
    assert borders.relative(str(library / "site-packages" / "linked" / "x.py")) == "lib/x.py"
    assert borders.relative(str(library / "linked" / "x.py")) is None
    at_once = Borders(str(root))
    places = (library / "site-packages" / "linked", library / "linked", library / "site-packages")
    (library / "site-packages" / "y.py").symlink_to(root / "lib" / "y.py")
    paths = [str(place / file) for place in places for file in ("x.py", "y.py")]
    at_once.learn([*paths, "x.py", "<string>", ""])
    assert [at_once.relative(path) for path in paths] == [borders.relative(path) for path in paths]
    assert [at_once.relative(path) for path in paths] == [
        "lib/x.py",
        "lib/y.py",
        None,
        None,
        None,
        "lib/y.py",
    ]
    inside = Borders(str(library / "project"))
    assert inside.relative(str(library / "project" / "x.py")) == "x.py"


@needs_monitoring
def test_functions_that_keep_things_need_not_be_looked_for_in_a_known_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followed are the same as when the file is read; one that changed since it was first used is read."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"known_{abs(hash(tmp_path))}"
    text = f"STORE = {{}}\ndef inner(): return 1\n{GET}"
    (tmp_path / f"{name}.py").write_text(text)
    asked: list[bytes] = []

    def of(content: bytes, among: Any) -> Any:
        asked.append(content)
        return keepers_of(content, among)

    known = {digest(text): {unit.first: unit.looks for unit in parse(text.encode()).units if unit.keeps}}
    folder = tmp_path / "trails"
    process = TracedProcess(
        str(tmp_path), str(folder), "main", children=False, keepers_of=of, known_keepers=known
    )
    module = importlib.import_module(name)
    context = process.begin_test("one")
    module.get()
    process.end_test(context)
    assert asked == []
    (tmp_path / f"{name}.py").write_text(f"# moved by a line\n{text}")
    importlib.reload(module)
    process.stop()
    assert len(asked) == 1
    lines = list(read_trail(folder / "main.trail"))
    codes = {line[1]: line[3] for line in lines if line[0] == "code"}
    assert {codes[line[1]]: {codes[ran] for ran in line[2]} for line in lines if line[0] == "calls"} == {
        "get": {"inner"}
    }


def test_a_torn_trail_is_read_to_the_tear(tmp_path: Path) -> None:
    trail = TrailWriter(str(tmp_path), "x")
    trail.write(["begin", "t\udcff"], ["end"])
    trail.write()
    trail.close()
    path = tmp_path / "x.trail"
    path.write_bytes(path.read_bytes() + b'["touch", 1, "te')
    assert list(read_trail(path)) == [["begin", "t\udcff"], ["end"]]
    trail.write(["lost"])
    assert trail.dropped == 1
    assert json.loads('["end"]') == ["end"]


@pytest.mark.parametrize(
    "line", [["touch", 1, "test", 'ä\udcff"\n', {"file": {"a/b": 1}}, [1, 2]], [None, True, 0.25]]
)
def test_lines_are_written_as_json(line: list[Any]) -> None:
    whole = json.JSONEncoder(separators=(",", ":")).encode(line)
    with pytest.MonkeyPatch.context() as patch:
        assert trail_module._encoder()(line) == whole
        patch.setattr(json.encoder, "c_make_encoder", None)
        assert trail_module._encoder()(line) == whole


def test_functions_that_may_keep_things() -> None:
    namespace: dict[str, Any] = {}
    exec(
        "def stores():\n    global X\n    X = 1\n"
        "def loads(n):\n    import_module(n)\ndef plain(a):\n    return a\n",
        namespace,
    )
    assert may_keep(namespace["stores"].__code__)
    assert may_keep(namespace["loads"].__code__)
    assert not may_keep(namespace["plain"].__code__)


def test_whatever_keeps_things_by_its_form_may_keep_things() -> None:
    """Else what they run would not be noted. On modules of the standard library, all forms."""
    checked = 0
    for name in ("abc", "argparse", "functools", "json", "locale", "logging", "mimetypes", "re", "typing"):
        text = Path(inspect.getsourcefile(importlib.import_module(name)) or "").read_bytes()
        keeping = {unit.first: unit for unit in parse(text).units if unit.keeps or unit.kept}
        pending = [(compile(text, name, "exec"), False)]
        while pending:
            code, beside = pending.pop()
            inner = [const for const in code.co_consts if isinstance(const, CodeType)]
            pending += [(const, names_a_cache(code)) for const in inner]
            unit = keeping.get(code.co_firstlineno)
            if unit is not None and unit.name.rpartition(".")[2].partition("#")[0] == code.co_name:
                checked += 1
                assert beside or may_keep(code), unit
    assert checked > 50


KEEPERS = """
import functools
found = {}
def low(x=0):
    return x
def middle(x=0):
    return low(x)
@functools.cache
def decorated():
    return middle()
def by_hand(name):
    if name not in found:
        found[name] = middle(name)
    return found[name]
def outer():
    global last
    last = by_hand("outer")
def raises():
    if "x" not in found:
        found["x"] = 1 // 0
"""


@needs_monitoring
def test_what_runs_in_calls_of_what_keeps_things_is_noted_however_often_it_ran_before(run: Run) -> None:
    kept = run.more(KEEPERS)
    run.test("first", kept.middle)
    run.test("second", *[kept.middle] * 50, kept.decorated, kept.middle)
    run.test("third", lambda: kept.by_hand(1), kept.middle, kept.outer)
    assert run.windows() == {
        "decorated": {"middle", "low"},
        "by_hand": {"middle", "low"},
        "outer": {"by_hand", "middle", "low"},
    }


@needs_monitoring
def test_what_runs_after_what_keeps_things_raised_is_not_noted_with_it(run: Run) -> None:
    def fails() -> None:
        with pytest.raises(ZeroDivisionError):
            kept.raises()

    kept = run.more(KEEPERS)
    run.test("first", fails, kept.low)
    assert run.windows() == {}


def test_a_function_that_waits_in_a_greenlet_is_not_ended_by_who_waits_for_it() -> None:
    """``run_sync`` of SQLAlchemy: the coroutine below yields, and what it waits for goes on later."""
    windows = Windows()
    for position in (1, 2, 1):
        windows.begin(position)
    windows.end(1)
    windows.end(1)
    windows.begin(1)
    windows.entered(3)
    assert windows.take() == {1: {3}, 2: {3}}
    windows.end(2)
    windows.end(1)
    windows.end(1)
    assert windows.running == {}


@needs_monitoring
def test_what_other_threads_enter_meanwhile_is_no_reason_to_overlook_it(run: Run) -> None:
    kept = run.more(
        "found = {}\ndef low():\n    return 1\n"
        "def kept(before):\n    if 1 not in found:\n        before()\n        found[1] = low()\n"
    )
    begun, entered = threading.Event(), threading.Event()

    def before() -> None:
        begun.set()
        assert entered.wait(60)

    def act() -> None:
        thread = threading.Thread(target=kept.kept, args=(before,))
        thread.start()
        assert begun.wait(60)
        for _ in range(99):
            kept.low()
        entered.set()
        thread.join()

    run.test("first", act)
    assert run.windows() == {"kept": {"low"}}


@needs_monitoring
def test_of_what_keeps_things_and_is_called_very_often_some_calls_are_not_followed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is noted that it may have run whatever ran in the same test."""
    monkeypatch.setattr("toolkit.tracing.windows.ENTRIES", 1000)
    kept = run.more(KEEPERS)
    run.test("first", *[lambda: kept.by_hand(1)] * 1000)
    assert "often" not in run.items("first")
    run.test("second", *[lambda: kept.by_hand(1)] * 1001, lambda: kept.by_hand(2))
    assert len(run.items("second")["often"]) == 1


def test_slices_and_deletions_are_stores_too() -> None:
    bodies = ("x[:] = y", "x[1:2] = y", "del x[0]", "del x.y", "x[0] = y", "x.y = y")
    for body in bodies:
        namespace: dict[str, Any] = {}
        exec(f"def stores(x, y):\n    {body}\n", namespace)
        assert may_keep(namespace["stores"].__code__), body


def test_lines_written_together_are_read_one_by_one(tmp_path: Path) -> None:
    trail = TrailWriter(str(tmp_path), "x")
    trail.write(["start", 1], ["begin", "t"])
    trail.write(["end"])
    trail.close()
    assert len((tmp_path / "x.trail").read_bytes().splitlines()) == 2
    assert list(read_trail(tmp_path / "x.trail")) == [["start", 1], ["begin", "t"], ["end"]]
    assert unfold([]) == []


def test_after_a_line_that_could_not_be_written_only_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the trail if that can be written again, at once or later."""
    trail = TrailWriter(str(tmp_path), "x")
    trail.write(["start", 1])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk)
        patch.setattr(trail_module, "_touch", lambda _path: False)
        trail.write(["begin", "lost"])
    assert trail.dropped
    trail.write(["begin", "t"])
    trail.write(["end"])
    trail.close()
    assert list(read_trail(tmp_path / "x.trail")) == [["start", 1], ["dropped"]]
    assert read_process(tmp_path / "x.trail").dropped


def test_where_nothing_can_be_appended_an_empty_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = TrailWriter(str(tmp_path), "x.1-child")
    monkeypatch.setattr(os, "write", full_disk)
    trail.write(["start", 1])
    trail.close()
    assert (tmp_path / "x.1-child.dropped").exists()
    assert read_process(tmp_path / "x.1-child.trail").dropped


def test_a_torn_line_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = TrailWriter(str(tmp_path), "x")
    write, ends = os.write, [5, None]
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: ends.pop(0)]))
    trail.write(["begin", "torn"])
    trail.close()
    assert list(read_trail(tmp_path / "x.trail")) == [["dropped"]]


def test_a_trail_that_somebody_closed_is_closed_without_a_word(tmp_path: Path) -> None:
    trail = TrailWriter(str(tmp_path), "x")
    os.close(trail._descriptor)
    trail.write(["start", 1])
    assert trail.dropped
    trail.close()


def full_disk(_descriptor: int, _data: bytes) -> int:
    raise OSError(28, "no space left")


@needs_monitoring
def test_a_look_up_the_stack_ends_at_a_boundary(run: Run) -> None:
    def runner() -> None:
        run.lib.inner()

    run.tracer.functions.bound(runner.__code__)
    assert run.tracer.functions.position(runner.__code__) == BOUNDARY
    assert run.tracer.functions.position(run.lib.plain.__code__) is not None
    assert run.tracer.functions.position(json.dumps.__code__) is None
