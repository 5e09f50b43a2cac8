"""What each context of a process executed, as coverage measured it: a file beside the process's trail.

``<folder>/<name>.covered``: a sequence of records, each a length (four bytes, big endian) and a MessagePack
array. Reading ends where one is torn or damaged. Nothing is buffered, so nothing is lost when the process is
killed.
"""

import contextlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any

import msgspec

from toolkit.impact.lines import Arc
from toolkit.impact.memory import pack_arcs, pack_lines

SUFFIX = ".covered"
WHOLE = 0
"""Stands for all contexts of a child process: everything it executed belongs to whoever started it."""

_LENGTH = struct.Struct(">I")


@dataclass(slots=True, kw_only=True)
class ProcessCoverage:
    """One file, read."""

    settings: str = ""
    complete: bool = False
    tracers: dict[str, str] = field(default_factory=dict)
    contexts: dict[int, set[tuple[str, bytes]]] = field(default_factory=dict)  # number → path, lines or arcs


class CoveredWriter:
    """Writes such a file; equal sets of lines are written once.

    Args:
        path: of the file.
        settings: digest of how coverage measures.
        arcs: whether arcs are measured, not lines.
    """

    def __init__(self, path: Path, settings: str, *, arcs: bool) -> None:
        self._stream: RawIOBase = path.open("wb", buffering=0)
        self._whole = True
        self._pack: Any = pack_arcs if arcs else pack_lines
        self._numbers: dict[tuple[str, bytes], int] = {}
        self._write("settings", settings)

    def context(self, number: int, executed: Mapping[str, Iterable[int] | Iterable[Arc]]) -> None:
        """Add what a context executed: path → lines or arcs. May be called again for a context."""
        found = [self._number(path, self._pack(lines)) for path, lines in executed.items()]
        self._write("context", number, found)

    def tracers(self, found: Mapping[str, str]) -> None:
        """Add which of coverage's plugins measured which file."""
        if found:
            self._write("tracers", dict(found))

    def end(self, *, complete: bool = True) -> None:
        """Say whether everything was seen, and close."""
        if complete:
            self._write("end")
        self._stream.close()

    def _number(self, path: str, packed: bytes) -> int:
        key = (path, packed)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._write("part", path, packed)
        return self._numbers[key]

    def _write(self, *record: object) -> None:
        """After a record that could not be written none follows: what is missing then is not known."""
        data = msgspec.msgpack.encode(record)
        data = _LENGTH.pack(len(data)) + data
        if self._whole:
            try:
                self._whole = self._stream.write(data) == len(data)
            except OSError:
                self._whole = False


def read_covered(path: Path) -> ProcessCoverage:
    """Read the coverage of one process, as far as it is readable."""
    found = ProcessCoverage()
    parts: list[tuple[str, bytes]] = []
    with contextlib.suppress(msgspec.MsgspecError, LookupError, TypeError, ValueError):
        for kind, *values in _records(path.read_bytes()):
            _take(found, parts, kind, values)
    return found


def _take(found: ProcessCoverage, parts: list[tuple[str, bytes]], kind: Any, values: list[Any]) -> None:
    match kind:
        case "settings":
            found.settings = values[0]
        case "part":
            parts.append((values[0], values[1]))
        case "context":
            found.contexts.setdefault(values[0], set()).update(parts[number] for number in values[1])
        case "tracers":
            found.tracers.update(values[0])
        case "end":
            found.complete = True


def _records(data: bytes) -> Iterator[list[Any]]:
    decode = msgspec.msgpack.Decoder(list[Any]).decode
    at = 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            return
        yield decode(data[at : at + length])
        at += length
