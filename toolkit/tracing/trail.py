"""The trail: lines that a process appends while it is traced, readable after any crash.

One file per process, ``<folder>/<name>.trail``; each line is a JSON array whose first item says what it is:

==========  ===========================================================================================
``start``   process id, Python version, whether functions are traced, parent, context it was started in
``early``   name, path: a module that was imported before tracing began
``module``  name, path, context number of its import
``file``    path, hash of its content when it was first used
``code``    index, path, qualified name, first line: a function of the project that was entered
``calls``   index of a function, indexes of functions it was seen to call, files it opened, modules it loaded
``looks``   index of a function whose looks at what it keeps are followed
``touch``   context number, kind, name, what it touched, functions; several lines of one context add up
``begin``   a test begins: node id, whether it is traced
``result``  it ended: node id, outcome, seconds
``gone``    name of a child process, number of the context in which it was no longer running
``until``   last line but one of a child: number of its parent's context in which it ended
``dropped`` lines are missing from here on, because one could not be written; nothing follows
``end``     the process ended by itself
``many``    lines that were written together
==========  ===========================================================================================
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

SUFFIX = ".trail"

MANY = "many"
"""First item of a line that holds others."""

DROPPED = "dropped"
"""First item of the line that says that others are missing."""


def _encoder() -> Callable[[object], str]:
    """Return what writes JSON; ``JSONEncoder.encode`` makes its inner part anew for each line."""
    whole = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # no CPython
        return whole.encode
    parts = make(None, whole.default, encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda line: "".join(parts(line, 0))


_encode = _encoder()


class TrailWriter:
    """Appends lines; what cannot be written is never raised into the test run.

    Once a line was lost, the next ones would only make the trail look whole. So nothing more is written then
    but a mark that says so: as a line or, where nothing can be appended any more, as a file beside the trail.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.path = os.path.join(folder, name + SUFFIX)
        self.dropped = False
        self._marked = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self.path, flags, 0o644)

    def write(self, *lines: list[Any]) -> None:
        """Append lines with one system call."""
        if self.dropped:
            self._mark()
        elif lines:
            line = lines[0] if len(lines) == 1 else [MANY, *lines]
            if not self._append(_encode(line) + "\n"):
                self.drop()

    def drop(self) -> None:
        """Write no more lines; say that they are missing."""
        self.dropped = True
        self._mark()

    def _mark(self) -> None:
        if not self._marked:
            self._marked = self._append(f'\n["{DROPPED}"]\n') or _touch(mark_beside(self.path))

    def _append(self, text: str) -> bool:
        data = text.encode("ascii")
        try:
            return os.write(self._descriptor, data) == len(data)
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        if self.dropped:
            self._mark()
        with contextlib.suppress(OSError):  # a test may have closed all that is open
            os.close(self._descriptor)


def mark_beside(path: str) -> str:
    """Return the file that says of a trail what the line ``dropped`` says."""
    return path.removesuffix(SUFFIX) + f".{DROPPED}"


def _touch(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
    except OSError:
        return False
    return True


def read_trail(path: Path) -> Iterator[list[Any]]:
    """Yield the lines of one trail; a torn last line ends it."""
    with path.open("rb") as stream:
        for raw in stream:
            try:
                line = json.loads(raw.decode("utf-8", "surrogateescape"))
            except ValueError:
                continue
            if isinstance(line, list):
                yield from unfold(line)


def unfold(line: list[Any]) -> list[list[Any]]:
    """Return the lines that a line holds: itself, or those written together."""
    if not line:
        return []
    return line[1:] if line[0] == MANY else [line]


def content_digest(filename: str) -> str:
    """Return a short hash of a file's content; empty when it cannot be read."""
    try:
        with io.FileIO(filename) as stream:
            return hashlib.blake2b(stream.readall(), digest_size=12).hexdigest()
    except OSError:
        return ""
