"""What each audited event means. Inside a real hook nothing can be measured, so events are told by hand."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from toolkit.tracing.audit import TOKEN, AuditHook
from toolkit.tracing.borders import Borders
from toolkit.tracing.tracer import Tracer


class Touched:
    """Stands for the tracer: remembers what it is told."""

    def __init__(self, root: Path) -> None:
        self.borders = Borders(str(root), copies={str(root.parent / "copy"): "lib"})
        self.made: set[str] = set()
        self.touches: list[tuple[str, str]] = []
        self.children = 0
        self.codes: list[object] = []

    def touch(self, kind: str, item: str) -> None:
        self.touches.append((kind, item))

    def note_file(self, _path: str, _filename: str) -> None:
        """Contents are not the subject."""

    def found_code(self, code: object) -> None:
        self.codes.append(code)

    def expect_child(self) -> None:
        self.children += 1


Tell = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Touched:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "data.txt").write_text("x")
    return Touched(root)


@pytest.fixture
def tell(touched: Touched) -> Tell:
    """Tell of an event as the interpreter does: the handler's caller is the hook, whose caller did it."""
    hook = AuditHook(cast("Tracer", touched))

    def hear(event: str, *arguments: Any) -> list[tuple[str, str]]:
        touched.touches.clear()
        hook.handlers[event](arguments)
        return list(touched.touches)

    return hear


def called_from(filename: str, tell: Tell, *event: Any) -> list[tuple[str, str]]:
    """Tell of an event that code of another file caused."""
    code = compile("def act(tell, event): return tell(*event)", filename, "exec")
    space: dict[str, Any] = {}
    exec(code, space)
    return cast("list[tuple[str, str]]", space["act"](tell, event))


RUNNER = str(Path(os.sep, "x", "_pytest", "y.py"))
FROZEN = "<frozen importlib._bootstrap_external>"


def test_reading_a_file_is_a_touch_and_its_absence_another(tell: Tell) -> None:
    assert tell("open", "data.txt", "r", os.O_RDONLY) == [("file", "data.txt")]
    assert tell("open", b"none.txt", None, os.O_RDONLY) == [("absent", "none.txt")]
    assert tell("open", "data.txt", None, os.O_RDWR) == [("file", "data.txt")], "the old content is left"
    assert tell("open", 3, "r", 0) == []
    assert tell("open", "/etc/hosts", "r", 0) == []


def test_what_is_written_first_is_no_input_afterwards(tell: Tell, touched: Touched) -> None:
    assert tell("open", "out.txt", "w", os.O_WRONLY) == []
    assert tell("open", "new.txt", None, os.O_RDWR) == []
    assert tell("open", "cut.txt", None, os.O_WRONLY | os.O_TRUNC) == []
    assert tell("open", "out.txt", "r", os.O_RDONLY) == []
    assert touched.made == {"out.txt", "new.txt", "cut.txt"}


def test_the_runner_and_imports_read_for_themselves(tell: Tell, touched: Touched) -> None:
    (Path(touched.borders.root) / "code.py").write_text("")
    assert called_from(RUNNER, tell, "open", "data.txt", "r", 0) == []
    assert called_from(RUNNER, tell, "os.listdir", ".") == []
    assert called_from(FROZEN, tell, "os.scandir", ".") == []
    assert called_from(FROZEN, tell, "open", "code.py", "r", 0) == []
    assert called_from("/lib/linecache.py", tell, "open", "code.py", "r", 0) == []
    assert tell("open", "code.py", "r", 0) == [("file", "code.py")], "somebody reads source as data"


def test_folders_patterns_databases_and_libraries(tell: Tell) -> None:
    assert tell("os.listdir", None) == [("folder", ".")]
    assert tell("os.scandir", ".") == [("folder", ".")]
    assert tell("glob.glob", "none/*.txt") == [("absent", "none")]
    assert tell("glob.glob", "*.txt") == []
    assert tell("sqlite3.connect", "file:data.txt?mode=ro") == [("file", "data.txt")]
    assert tell("sqlite3.connect", ":memory:") == []
    assert called_from(RUNNER, tell, "sqlite3.connect", "data.txt") == []
    assert tell("ctypes.dlopen", "data.txt") == [("file", "data.txt")]
    assert tell("ctypes.dlopen", None) == []


def test_code_and_imports(tell: Tell, touched: Touched, tmp_path: Path) -> None:
    code = compile("1", "x.py", "exec")
    tell("exec", code)
    tell("exec", "no code")
    assert touched.codes == [code]
    assert tell("import", "json", None) == [("import", "json")]
    assert tell("import", None, None) == []
    assert tell("import", "data", str(Path("data.txt").absolute())) == [
        ("file", "data.txt"),
        ("import", "data"),
    ]
    copied = tell("import", "lib.fast", str(tmp_path / "copy" / "fast.so"))
    assert copied == [
        ("everything", "lib.fast is built from the project and installed as a copy"),
        ("import", "lib.fast"),
    ]
    assert tell("code.__new__", None, "data.txt") == [("file", "data.txt")]
    assert tell("code.__new__", None, None) == []
    assert called_from(RUNNER, tell, "code.__new__", None, "data.txt") == []


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("subprocess.Popen", ("{}", [], None, "{env}")),
        ("os.posix_spawn", ("{}", [], "{env}")),
        ("os.spawn", (0, "{}", [], "{env}")),
        ("os.exec", ("{}", [], "{env}")),
    ],
)
def test_children_are_traced_if_they_are_python_and_inherit_the_token(
    tell: Tell, touched: Touched, event: str, arguments: tuple[Any, ...]
) -> None:
    def with_(program: Any, environment: Any) -> tuple[Any, ...]:
        given = {"{}": program, "{env}": environment}
        return tuple(given.get(item, item) if isinstance(item, str) else item for item in arguments)

    assert tell(event, *with_(sys.executable, {TOKEN: "x"})) == []
    assert tell(event, *with_(b"/usr/bin/python3.12", {TOKEN.encode(): b"x"})) == []
    assert touched.children == 2
    for program, environment in ((sys.executable, {}), (sys.executable, 7), ("git", {TOKEN: "x"}), (5, {})):
        ((kind, why),) = tell(event, *with_(program, environment))
        assert kind == "everything"
        assert why.endswith("is not traced")


def test_a_child_inherits_the_environment_of_its_parent(
    tell: Tell, touched: Touched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "x")
    assert tell("subprocess.Popen", "python3", [], None, None) == []
    monkeypatch.delenv(TOKEN)
    assert tell("subprocess.Popen", "python3", [], None, None) != []
    assert touched.children == 1


def test_programs_that_the_machine_is_asked_with_and_those_nobody_follows(tell: Tell) -> None:
    space: dict[str, Any] = {"__name__": "platform"}
    exec("def ask(tell): return tell('subprocess.Popen', 'uname', [], None, None)", space)
    assert space["ask"](tell) == []
    assert called_from("/lib/subprocess.py", tell, "os.posix_spawn", "git", [], None) == []
    assert called_from("/lib/subprocess.py", tell, "subprocess.Popen", "git", [], None, {}) != []
    assert tell("os.system", "ls") == [("everything", "started ls")]


def test_silent_once_stopped_and_never_raising(touched: Touched) -> None:
    hook = AuditHook(cast("Tracer", touched))
    hook._lost("open")
    assert touched.touches == [("everything", "open could not be followed")]
    handlers = dict(hook.handlers)
    hook.stop()
    hook._lost("open")
    for event, arguments in (
        ("open", ("data.txt", "r", 0)),
        ("import", ("json", None)),
        ("ctypes.dlopen", ("data.txt",)),
        ("os.system", ("ls",)),
        ("subprocess.Popen", ("git", [], None, None)),
        ("exec", (compile("1", "x.py", "exec"),)),
    ):
        handlers[event](arguments)
    assert len(touched.touches) == 1
    assert not hook.handlers
