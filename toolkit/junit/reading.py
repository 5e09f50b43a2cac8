"""Read the cases of a JUnit XML file one after the other, in memory that does not grow with the file.

The counters of suites are never trusted: runners disagree about them, nested suites count twice. Every
``<testcase>`` counts. A file that is truncated, empty, hostile or of another kind is an
:class:`~toolkit.errors.InputError` that names the file, the line and the column; the cases read before are
then void, and whoever counts must forget them.

Entities and document types with declarations are refused ("billion laughs", CVE-2003-1564; external entities,
CWE-611). One tag may be as long as :data:`LONGEST_TAG`.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from pyexpat import ExpatError, ParserCreate, XMLParserType
from typing import BinaryIO

import msgspec

from toolkit.errors import InputError
from toolkit.junit.cases import JUnitCase
from toolkit.junit.events import Recorder
from toolkit.junit.parsing import Cases
from toolkit.junit.plain import Doubt, Skimmer

CHUNK = 64 * 1024
LONGEST_TAG = 16 * 1024 * 1024
"""Bytes; a tag is held in memory as a whole, since its attributes are needed together."""

_WHITESPACE = b" \t\r\n"
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ASCII_BASED = frozenset({"ascii", "utf-8", "iso8859-1", "iso8859-15", "cp1252"})
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Cases that were counted and not kept: one good attempt each, faster than was asked for."""

    cases: int
    seconds: float
    missing: int = 0  # tests that the writer knew to have no result; only in the last tally of a file


def read_cases(source: Path | BinaryIO, *, where: str | None = None) -> Iterator[JUnitCase]:
    """Yield every case of one file, in its order.

    Args:
        source: a path, or a stream of bytes that the caller closes.
        where: what errors call the file; the path by default.

    Raises:
        InputError: the file cannot be opened, read to its end or understood. What was yielded is void.
    """
    for item in read_notable(source, lambda: 0.0, where=where):
        if isinstance(item, JUnitCase):
            yield item


def read_notable(
    source: Path | BinaryIO, floor: Callable[[], float], *, where: str | None = None, skim: bool = False
) -> Iterator[JUnitCase | Tally]:
    """Yield the cases worth keeping, and tallies of the others: several times faster on large files.

    Args:
        source: as for :func:`read_cases`.
        floor: seconds; a test with one good attempt that took less is only tallied. Asked again and again,
            so it may rise while the file is read.
        where: as for :func:`read_cases`.
        skim: take plain cases out before expat sees them; see :mod:`toolkit.junit.plain`.

    Raises:
        InputError: as for :func:`read_cases`. With ``skim`` it only says that something is unusual: read the
            same again without, to have it read or to learn what is wrong, and where.
    """
    if isinstance(source, Path):
        try:
            stream = source.open("rb")
        except OSError as error:
            raise InputError(f"{where or source}: cannot be read: {error.strerror or error}") from error
        with stream:
            yield from _items(stream, floor, where or str(source), skim=skim)
    else:
        yield from _items(source, floor, where or str(getattr(source, "name", "report")), skim=skim)


def _items(
    stream: BinaryIO, floor: Callable[[], float], where: str, *, skim: bool
) -> Iterator[JUnitCase | Tally]:
    chunks = _chunks(stream, where)
    first = next(chunks, b"")
    if not first:
        raise InputError(f"{where}: the file is empty")
    parser, chunks = _parser(first, chunks, where)
    recorder = Recorder(parser, where)
    try:
        cases = Cases()
        if skim and _ascii_based(first):
            chunks = _skimmed(chunks, cases)
        yield from _followed(parser, recorder, chunks, cases, floor)
    finally:
        recorder.release()


def _followed(
    parser: XMLParserType,
    recorder: Recorder,
    chunks: Iterator[bytes],
    cases: Cases,
    floor: Callable[[], float],
) -> Iterator[JUnitCase | Tally]:
    fed, where = 0, recorder.where
    for chunk in chunks:
        fed += len(chunk)
        cases.floor = floor()
        _feed(parser, chunk, where, final=False)
        yield from _taken(cases, recorder)
        if fed - parser.CurrentByteIndex > LONGEST_TAG + CHUNK:
            raise recorder.refusal(f"a tag is longer than {LONGEST_TAG:,} bytes")
    _feed(parser, b"", where, final=True)
    yield from _taken(cases, recorder)
    if cases.runs:
        raise Doubt(f"{where}: plain cases inside of others")
    yield Tally(cases=cases.tallied, seconds=cases.seconds, missing=cases.missing)


def _skimmed(chunks: Iterable[bytes], cases: Cases) -> Iterator[bytes]:
    skimmer = Skimmer()
    for chunk in chunks:
        rest, runs = skimmer.skim(chunk)
        cases.runs.extend(runs)
        yield rest


def _taken(cases: Cases, recorder: Recorder) -> list[JUnitCase]:
    """Turn what was recorded into cases."""
    try:
        cases.take(recorder.events)
    except InputError as error:
        raise recorder.refusal(error.message) from error
    recorder.events.clear()
    ready, cases.ready = cases.ready, []
    return ready


def _chunks(stream: BinaryIO, where: str) -> Iterator[bytes]:
    """Yield the bytes; blank lines before the XML declaration, which XML forbids, are left out."""
    try:
        chunk = stream.read(CHUNK)
        bom = codecs.BOM_UTF8 if chunk.startswith(codecs.BOM_UTF8) else b""
        while chunk and not (start := chunk[len(bom) :].lstrip(_WHITESPACE)):
            chunk, bom = stream.read(CHUNK), b""
        chunk = chunk and start
        while chunk:
            yield chunk
            chunk = stream.read(CHUNK)
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror or error}") from error


def _parser(first: bytes, rest: Iterator[bytes], where: str) -> tuple[XMLParserType, Iterator[bytes]]:
    """Make a parser for the encoding; expat knows UTF-8, UTF-16 and what has one byte per character."""
    name = _foreign_encoding(first, where)
    parser = ParserCreate(encoding=None if name is None else "utf-8")
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024
    chunks = _joined(first, rest)
    return parser, chunks if name is None else _recoded(chunks, name, where)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _foreign_encoding(first: bytes, where: str) -> str | None:
    """Name the encoding if Python has to translate it for expat."""
    if first.startswith(_UTF32):
        return "utf-32"
    declared = _DECLARED.match(first[:200])
    if declared is None:
        return None
    name = declared[1].decode("ascii")
    try:
        codec = codecs.lookup(name)
        one_byte = len(bytes(range(256)).decode(name, "replace")) == 256  # noqa: PLR2004 - all bytes
    except (LookupError, UnicodeError) as error:
        raise InputError(f"{where}: line 1: unknown encoding {name!r}") from error
    return None if one_byte or codec.name in {"utf-8", "utf-16", "ascii"} else codec.name


def _ascii_based(first: bytes) -> bool:
    """Whether bytes below 128 are ASCII; ``first`` is the beginning without byte order mark."""
    declared = _DECLARED.match(first[:200])
    named = "utf-8" if declared is None else codecs.lookup(declared[1].decode("ascii")).name
    return first.startswith(b"<") and b"\0" not in first[:4] and named in _ASCII_BASED


def _recoded(chunks: Iterator[bytes], name: str, where: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError as error:
        raise InputError(f"{where}: not {name} as it says: {error}") from error


def _feed(parser: XMLParserType, chunk: bytes, where: str, *, final: bool) -> None:
    try:
        parser.Parse(chunk, final)
    except ExpatError as error:
        what = _REASONS.get(error.code, str(error).partition(":")[0])
        raise InputError(f"{where}: line {error.lineno}, column {error.offset + 1}: {what}") from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise InputError(f"{where}: line {parser.CurrentLineNumber}: {error}") from error


_REASONS = {
    3: "the file ends before its first element is complete: it is truncated or no XML",
    5: "the file ends inside a tag: it is truncated",
    4: "not well-formed XML: a character or a tag that cannot stand here",
    7: "not well-formed XML: the closing tag does not fit the open one",
    9: "the file goes on after the end of the document: two reports in one file?",
}
"""Expat's codes (``XML_Error`` in expat.h) in words that say what to do."""
