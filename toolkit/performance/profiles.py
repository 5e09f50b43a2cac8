"""Profiles of single tests: made by pyinstrument (time) or memray (memory), kept as pages with a note beside.

A page asks no network: memray is told so, the web fonts of pyinstrument's page are taken out.
"""

import contextlib
import hashlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.errors import EnvironmentFailed, MissingExtra
from toolkit.records import NodeId

FOLDER = "profiles"
"""In the folder of the reports."""
PACKAGES = {"time": "pyinstrument", "memory": "memray"}
INTERVAL = 0.001
"""Seconds between two samples of time."""
PATIENCE = 300.0
"""Seconds for memray to draw its page."""
_FONTS = re.compile(r"""https://fonts\.googleapis\.com/[^"']*""")
"""Address of a style sheet that pyinstrument's page loads; in its place an empty one stands."""
_NAMED = 60

Kind = Literal["time", "memory"]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The note beside a page: which test it is of.

    Attributes:
        test: its identity.
        kind: ``time`` or ``memory``.
        file: name of the page in the same folder.
        seconds: that the test took while it was profiled.
        made: Unix seconds.
    """

    test: NodeId
    kind: Kind
    file: str
    seconds: float
    made: float


def require_profiler(kind: Kind) -> None:
    """Claim that the profiler is installed, without importing it.

    Raises:
        MissingExtra: it is not; memray exists for Linux and macOS only.
    """
    if importlib.util.find_spec(PACKAGES[kind]) is None:
        raise MissingExtra(f"profiling {kind}", extra="profiling", package=PACKAGES[kind])


@contextlib.contextmanager
def profiled(kind: Kind, test: NodeId, folder: Path) -> Iterator[None]:
    """Profile a block and keep its page, also when the block fails, but not when it is interrupted.

    Args:
        kind: what is followed.
        test: that the block runs.
        folder: gets the page and its note; an older page of the test is replaced.

    Raises:
        EnvironmentFailed: the page cannot be made or written.
    """
    with tempfile.TemporaryDirectory(prefix="toolkit-profile-") as scratch:
        begun = time.perf_counter()
        stop, draw = _BEGIN[kind](Path(scratch))
        try:
            yield
        finally:
            seconds = time.perf_counter() - begun
            stop()
            if isinstance(sys.exception(), Exception | None):
                file = f"{page_name(test)}-{kind}.html"
                note = Profile(test=test, kind=kind, file=file, seconds=seconds, made=time.time())
                _keep(draw, note, folder)


def page_name(test: NodeId) -> str:
    """Return a file name for a test: legible, safe everywhere, different for different tests."""
    legible = re.sub(r"[^A-Za-z0-9_.-]+", "-", test)[-_NAMED:].strip("-.")
    return f"{legible}-{hashlib.sha256(test.encode('utf-8', 'backslashreplace')).hexdigest()[:12]}"


def _keep(draw: Callable[[], str], note: Profile, folder: Path) -> None:
    try:
        page = draw()
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in (
            (folder / note.file, page),
            (folder / f"{note.file}.json", msgspec.json.encode(note).decode()),
        ):
            hidden = path.with_name(f".{path.name}.tmp")
            hidden.write_text(text, encoding="utf-8")
            hidden.replace(path)
    except OSError as error:
        raise EnvironmentFailed(f"the profile of {note.test} cannot be kept: {error}") from error


Begun = tuple[Callable[[], object], Callable[[], str]]
"""What ends a profile, and what draws its page then."""


def _begin_time(_scratch: Path) -> Begun:
    from pyinstrument import Profiler

    profiler = Profiler(interval=INTERVAL, async_mode="disabled")
    profiler.start()
    return profiler.stop, lambda: _FONTS.sub("data:text/css,", profiler.output_html())


def _begin_memory(scratch: Path) -> Begun:
    """Follow memory. As many outermost frames as there are now are left out: pytest's, not the test's."""
    import memray

    recorded = scratch / "memory.bin"
    tracker = memray.Tracker(recorded)
    tracker.__enter__()
    return lambda: tracker.__exit__(None, None, None), lambda: _memory_page(recorded)


def _memory_page(recorded: Path) -> str:
    page = recorded.with_suffix(".html")
    command = [sys.executable, "-m", "memray", "flamegraph", "--no-web", "-f", "-o", str(page), str(recorded)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE
    )
    if done.returncode:
        raise EnvironmentFailed(f"memray ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return page.read_text(encoding="utf-8")


_BEGIN: dict[Kind, Callable[[Path], Begun]] = {"time": _begin_time, "memory": _begin_memory}


def read_profiles(folder: Path) -> tuple[Profile, ...]:
    """Read the notes of a folder, by test; those without their page, and what is no note, are left out."""
    found = []
    for path in sorted(folder.glob("*.html.json")):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            note = msgspec.json.decode(path.read_bytes(), type=Profile)
            if path.name == f"{note.file}.json" and (folder / note.file).is_file():
                found.append(note)
    return tuple(sorted(found, key=lambda note: (note.test, note.kind)))
