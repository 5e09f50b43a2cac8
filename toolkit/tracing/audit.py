"""Files, folders, imports and child processes, by an audit hook (PEP 578).

The hook sees every audited event of the process and cannot be removed, so it is one dictionary look-up for
the events that do not matter, is silent once tracing stopped, and never raises.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.tracing.tracer import Tracer

MACHINERY = ("<frozen importlib", "<frozen zipimport", "<frozen runpy")
"""File names of code that reads source files in order to import them."""

PARTS_OF_THE_RUNNER = (
    f"{os.sep}_pytest{os.sep}",
    f"{os.sep}pluggy{os.sep}",
    f"{os.sep}coverage{os.sep}",
    f"{os.sep}xdist{os.sep}",
    f"{os.sep}toolkit{os.sep}tracing{os.sep}",
    f"{os.sep}toolkit{os.sep}plugin{os.sep}",
)
"""Parts of file names of code whose own reading and listing says nothing about a test."""

ASKS_THE_MACHINE = frozenset({"ctypes.util", "platform", "uuid", "_osx_support", "sysconfig", "locale"})
"""Modules of the standard library that start programs only to learn about the machine."""

TOKEN = "TOOLKIT_TRACE"  # noqa: S105 - the name of a variable
"""Environment variable that makes a child process trace itself: see ``toolkit.tracing.children``."""

_PYTHON = re.compile(r"^(?:python|pypy)[0-9.]*t?(?:\.exe)?$", re.IGNORECASE)


class AuditHook:
    """Turns audit events into touches. Install it once per process with :meth:`install`."""

    def __init__(self, tracer: "Tracer") -> None:
        self.tracer: Tracer | None = tracer
        self.handlers: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "exec": self._exec,
            "code.__new__": self._made_code,
            "open": self._open,
            "import": self._import,
            "sqlite3.connect": self._database,
            "ctypes.dlopen": self._library,
            "os.listdir": self._list,
            "os.scandir": self._list,
            "glob.glob": self._glob,
            "subprocess.Popen": self._popen,
            "os.system": self._untraced,
            "os.exec": self._exec_program,
            "os.posix_spawn": self._spawn,
            "os.spawn": self._spawn_mode,
            "os.startfile": self._untraced,
        }

    def install(self) -> None:
        """Start to listen; for the life of the process."""
        handlers = self.handlers

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in handlers:
                try:
                    handlers[event](arguments)
                except Exception:  # noqa: BLE001 - an audit hook that raises would break the user's code
                    self._lost(event)

        sys.addaudithook(hook)

    def stop(self) -> None:
        """Listen no more."""
        self.handlers.clear()
        self.tracer = None

    def _lost(self, event: str) -> None:
        if self.tracer is not None:
            self.tracer.touch("everything", f"{event} could not be followed")

    # -- code --------------------------------------------------------------------------------------------

    def _exec(self, arguments: tuple[Any, ...]) -> None:
        code = arguments[0]
        if isinstance(code, CodeType) and self.tracer is not None:
            self.tracer.found_code(code)

    def _made_code(self, arguments: tuple[Any, ...]) -> None:
        """Code built by hand (``code.replace``, unpickled): its functions cannot be seen, its file can."""
        filename = arguments[1]
        if isinstance(filename, str) and not _from_runner(sys._getframe(2)):
            self._touch_path("file", filename)

    def _import(self, arguments: tuple[Any, ...]) -> None:
        name, filename = arguments[0], arguments[1]
        if self.tracer is None:
            return
        if isinstance(filename, str):  # an extension module
            self._touch_path("file", filename)
            if self.tracer.borders.relative(filename) is None and self.tracer.borders.original(filename):
                why = f"{name} is built from the project and installed as a copy"
                self.tracer.touch("everything", why)
        if isinstance(name, str):
            self.tracer.touch("import", name)

    # -- files -------------------------------------------------------------------------------------------

    def _touch_path(self, kind: str, raw: object) -> None:
        if self.tracer is None or isinstance(raw, int):
            return
        filename = os.fsdecode(raw) if isinstance(raw, (str, bytes, os.PathLike)) else ""
        path = self.tracer.borders.relative(filename)
        if path is None:
            return
        if kind == "file" and not os.path.exists(filename):
            kind = "absent"
        if kind == "file":
            self.tracer.note_file(path, filename)
        self.tracer.touch(kind, path)

    def _open(self, arguments: tuple[Any, ...]) -> None:
        raw, mode, flags = arguments
        if self.tracer is None or isinstance(raw, int):
            return
        filename = os.fsdecode(raw)
        path = self.tracer.borders.relative(filename)
        if path is None or path in self.tracer.made:
            return
        frame = sys._getframe(2)
        if _writes(mode, flags) and _empties(mode, flags, filename):
            self.tracer.made.add(path)
            return
        if _from_runner(frame) or (path.endswith((".py", ".pyc")) and _reads_source_only(frame)):
            return
        self._touch_path("file", filename)

    def _database(self, arguments: tuple[Any, ...]) -> None:
        raw = arguments[0]
        if _from_runner(sys._getframe(2)):
            return
        if isinstance(raw, (str, bytes)) and os.fsdecode(raw) not in {"", ":memory:"}:
            self._touch_path("file", os.fsdecode(raw).removeprefix("file:").partition("?")[0])

    def _library(self, arguments: tuple[Any, ...]) -> None:
        self._touch_path("file", arguments[0])

    def _list(self, arguments: tuple[Any, ...]) -> None:
        frame = sys._getframe(2)
        if frame.f_code.co_filename.startswith(MACHINERY) or _from_runner(frame):
            return
        self._touch_path("folder", "." if arguments[0] is None else arguments[0])

    def _glob(self, arguments: tuple[Any, ...]) -> None:
        pattern = os.fsdecode(arguments[0])
        fixed = pattern
        while any(sign in fixed for sign in "*?["):
            fixed = os.path.dirname(fixed)
        if not os.path.isdir(fixed or "."):
            self._touch_path("absent", fixed)

    # -- processes ---------------------------------------------------------------------------------------

    def _popen(self, arguments: tuple[Any, ...]) -> None:
        program, _command, _folder, environment = arguments
        self._child(program, environment, what="subprocess")

    def _spawn(self, arguments: tuple[Any, ...]) -> None:
        if sys._getframe(2).f_code.co_filename.endswith("subprocess.py"):
            return  # seen as subprocess.Popen already
        program, _command, environment = arguments
        self._child(program, environment, what="posix_spawn")

    def _spawn_mode(self, arguments: tuple[Any, ...]) -> None:
        _mode, program, _command, environment = arguments
        self._child(program, environment, what="os.spawn")

    def _exec_program(self, arguments: tuple[Any, ...]) -> None:
        program, _command, environment = arguments
        self._child(program, environment, what="os.exec")

    def _untraced(self, arguments: tuple[Any, ...]) -> None:
        if self.tracer is not None:
            self.tracer.touch("everything", f"started {arguments[0]!s:.60}")

    def _child(self, program: object, environment: object, *, what: str) -> None:
        """A child is traced when it is Python and inherits the token; else the test may depend on all."""
        if self.tracer is None or _asked_by(sys._getframe(3)):
            return
        name = (
            os.path.basename(os.fsdecode(program)) if isinstance(program, (str, bytes, os.PathLike)) else ""
        )
        python = bool(_PYTHON.match(name)) or name == os.path.basename(sys.executable)
        if python and _passes_token(environment):
            self.tracer.expect_child()
        else:
            self.tracer.touch("everything", f"{what}: {name or 'a program'} is not traced")


def _passes_token(environment: object) -> bool:
    if environment is None:
        return TOKEN in os.environ
    if isinstance(environment, Mapping):
        return any(os.fsdecode(key) == TOKEN for key in environment if isinstance(key, (str, bytes)))
    return False


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(sign in mode for sign in "wx")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _empties(mode: object, flags: object, filename: str) -> bool:
    """Whether nothing of an earlier content is left: then it is not an input."""
    if isinstance(mode, str):
        return True
    return isinstance(flags, int) and (bool(flags & os.O_TRUNC) or not os.path.exists(filename))


def _from_runner(frame: FrameType | None) -> bool:
    """Whether pytest, coverage or xdist asks, directly or through the standard library's file functions."""
    for _ in range(4):
        if frame is None:
            return False
        filename = frame.f_code.co_filename
        if _is_runner(filename):
            return True
        if not _is_plumbing(filename):
            return False
        frame = frame.f_back
    return False


def _is_runner(filename: str) -> bool:
    return any(part in filename for part in PARTS_OF_THE_RUNNER)


def _is_plumbing(filename: str) -> bool:
    return filename.endswith(("pathlib.py", "os.py", "codecs.py", "tokenize.py", "_local.py", "glob.py")) or (
        filename.startswith("<frozen")
    )


def _reads_source_only(frame: FrameType | None) -> bool:
    """Whether a Python file is opened to be imported, or to show its lines in a traceback or warning."""
    through_linecache = False
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(MACHINERY):
            return True
        if filename.endswith("linecache.py"):
            through_linecache = True
        elif not _is_plumbing(filename):
            return through_linecache and not filename.endswith("inspect.py")
        frame = frame.f_back
    return through_linecache


def _asked_by(frame: FrameType | None) -> bool:
    """Whether the standard library starts a program to learn about the machine."""
    for _ in range(8):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") in ASKS_THE_MACHINE or _is_runner(frame.f_code.co_filename):
            return True
        if "subprocess" not in frame.f_code.co_filename and not _is_plumbing(frame.f_code.co_filename):
            return False
        frame = frame.f_back
    return False
