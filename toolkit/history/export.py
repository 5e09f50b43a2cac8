"""A history as compressed JSON lines: for a backup, another machine, or a merge.

The first line says what it is; every other line is one whole run record. Runs know their id, so exports of
several machines can be imported in any order and as often as one likes.
"""

import contextlib
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Unpack

import msgspec

from toolkit import __version__
from toolkit.errors import InputError
from toolkit.history.answers import Chosen
from toolkit.history.store import History
from toolkit.records import RunRecord

FORMAT = "toolkit-history"
VERSION = 1
GZIP_MAGIC = b"\x1f\x8b"


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """First line of an export."""

    format: str
    version: int
    toolkit: str


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """Every other line."""

    origin: str
    record: RunRecord


_EXPORTED = msgspec.json.Decoder(Exported)


def write_export(history: History, path: Path, **chosen: Unpack[Chosen]) -> int:
    """Write runs, oldest first, to a file that appears only when it is whole.

    Args:
        history: where they are.
        path: the file to write; replaced when it exists.
        chosen: as for :meth:`History.runs`.

    Returns:
        how many runs were written.

    Raises:
        InputError: the file cannot be written.
    """
    rows = history.runs(limit=None, **chosen)[::-1]
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(partial, "wb", compresslevel=6) as stream:
            stream.write(_line(Heading(format=FORMAT, version=VERSION, toolkit=__version__)))
            written = 0
            for row in rows:
                record = history.record(row.run)
                if record is not None:  # another process may have pruned it meanwhile
                    stream.write(_line(Exported(origin=row.origin, record=record)))
                    written += 1
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return written


def is_export(path: Path) -> bool:
    """Tell whether a file is an export, by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def read_export(path: Path, unreadable: Callable[[str], None]) -> Iterator["Exported"]:
    """Yield the runs of an export; what cannot be read is told to ``unreadable`` and the rest goes on.

    Raises:
        InputError: it is no export, or a newer toolkit made it.
    """
    try:
        with gzip.open(path, "rb") as stream:
            _check_heading(path, stream.readline(_HEADING_LIMIT))
            for number, line in enumerate(stream, start=2):
                try:
                    yield _EXPORTED.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    unreadable(f"line {number}: {error}")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        unreadable(f"ends too early or is damaged: {error}")


_HEADING_LIMIT = 10_000


def _check_heading(path: Path, line: bytes) -> None:
    try:
        heading = msgspec.json.decode(line, type=Heading)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not an export of a history: {error}") from error
    if heading.format != FORMAT:
        raise InputError(f"{path}: format {heading.format!r}, expected {FORMAT!r}")
    if heading.version > VERSION:
        raise InputError(
            f"{path}: version {heading.version}, made by toolkit {heading.toolkit}; "
            f"this one reads up to {VERSION}",
            hint="upgrade nox-invoke-toolkit",
        )


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
