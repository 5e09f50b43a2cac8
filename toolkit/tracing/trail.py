"""The trail: lines that a process appends while it is traced, readable after any crash.

One file per process, ``<folder>/<name>.trail``; each line is a JSON array whose first item says what it is:

==========  ===========================================================================================
``start``   process id, Python version, whether functions are traced, parent, context it was started in
``early``   name, path: a module that was imported before tracing began
``module``  name, path, context number of its import
``file``    path, hash of its content when it was first used
``code``    index, path, qualified name, first line: a function of the project that was entered
``calls``   index of a function, indexes of functions it was seen to call, files it opened, modules it loaded
``touch``   context number, kind, name, what it touched, functions; several lines of one context add up
``begin``   a test begins: node id
``result``  it ended: node id, outcome, seconds
``gone``    name of a child process, number of the context in which it was no longer running
``until``   last line but one of a child: number of its parent's context in which it ended
``end``     the process ended by itself
``many``    lines that were written together
==========  ===========================================================================================
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = ".trail"

MANY = "many"
"""First item of a line that holds others."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class TrailWriter:
    """Appends lines; what cannot be written is counted, never raised into the test run."""

    def __init__(self, folder: str, name: str) -> None:
        self.path = os.path.join(folder, name + SUFFIX)
        self.dropped = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self.path, flags, 0o644)

    def write(self, *lines: list[Any]) -> None:
        """Append lines with one system call."""
        if not lines:
            return
        line = lines[0] if len(lines) == 1 else [MANY, *lines]
        data = (_encode(line) + "\n").encode("ascii")
        try:
            if os.write(self._descriptor, data) < len(data):
                self.dropped += 1
        except OSError:
            self.dropped += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


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
