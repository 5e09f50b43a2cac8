"""Plain cases, taken out of a document before expat sees it: most of any report, at a fraction of the price.

A case is plain if it passed and says nothing but its usual attributes and its output. In the place of several
in a row one element :data:`MARK` is left, so expat still checks everything around them.

This is sound since in well-formed XML (sections 2.4 and 3.1 of the recommendation) a ``<`` begins a tag,
except in comments, CDATA sections, processing instructions and document types; from the first of those on,
nothing is taken. Taken is only what needs no translation: ASCII without references, controls or ``>``.
Positions in errors are not those of the file, so whoever gets an error reads the file again without this.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from toolkit.errors import InputError

MARK = "toolkit.plain"
"""Name of the element that stands for a run of plain cases."""

_ELEMENT = f"<{MARK}/>"
_NEEDED = frozenset({"classname", "name", "time"})
_KNOWN = _NEEDED | {"file", "line", "timestamp"}
"""Attributes that say nothing about the outcome."""
_VALUE = r"([ !#-%'-;=?-~]*+)"
_SECONDS = r"([0-9]++(?:\.[0-9]++)?)"
_TEXT = r"[\t\n\r -%'-;=?-~]*+"
_END = rf"(?: ?/>|>\s*+(?:<system-out>{_TEXT}</system-out>\s*+)?</testcase>)"
_TAG = re.compile(r'<testcase((?: [a-z]++="[^"<&]*+")++) ?/?>')
_ATTRIBUTE = re.compile(r' ([a-z]++)="')
_DECLARATION = "<?xml "

Names = tuple[str, ...]


class Doubt(InputError):
    """Plain cases stood where it matters what is around them."""


class Run(NamedTuple):
    """Plain cases in a row: some of those of a chunk."""

    columns: Mapping[str, list[str]]  # values of each attribute, for the whole chunk
    start: int  # index of the first
    keys: list[int]  # hashes of class name, name and file
    seconds: list[float]

    def attributes(self) -> Iterator[dict[str, str]]:
        """Yield what expat would have told of each case."""
        for number in range(self.start, self.start + len(self.keys)):
            yield {name: values[number] for name, values in self.columns.items()}


class Skimmer:
    """Takes the plain cases out of one document, chunk by chunk."""

    def __init__(self) -> None:
        self._names: Names = ()
        self._last = ""
        self._stopped = False

    def skim(self, chunk: bytes) -> tuple[bytes, list[Run]]:
        """Return what expat shall see of a chunk, and a run for each mark in it."""
        if self._stopped:
            return chunk, []
        text = chunk.decode("latin-1")  # each byte one character, and back
        names = self._names = self._names or _attribute_names(text)
        usual = _NEEDED <= set(names) <= _KNOWN
        rest, runs = _split(text, names) if usual else (text, [])
        self._stopped = bool(names) and not usual
        if self._enters_other_markup(text, rest):
            self._stopped = True
            return chunk, []
        return rest.encode("latin-1"), runs

    def _enters_other_markup(self, text: str, rest: str) -> bool:
        """Whether a comment, a CDATA section or the like begins; the XML declaration is none.

        Args:
            text: a chunk.
            rest: the chunk without plain cases: there is no ``<`` in them but that of their own tags.
        """
        start = len(_DECLARATION) if not self._last and text.startswith(_DECLARATION) else 0
        split = self._last == "<" and text.startswith(("!", "?"))
        self._last = text[-1:]
        return split or "<!" in rest or rest.find("<?", start) >= 0


def _attribute_names(text: str) -> Names:
    """Name the attributes of the first case, in order: one writer writes all in the same."""
    tag = _TAG.search(text)
    return tuple(_ATTRIBUTE.findall(tag[1])) if tag else ()


@lru_cache(maxsize=32)
def _pattern(names: Names) -> re.Pattern[str]:
    values = (f' {name}="{_SECONDS if name == "time" else _VALUE}"' for name in names)
    return re.compile(f"<testcase{''.join(values)}{_END}")


def _split(text: str, names: Names) -> tuple[str, list[Run]]:
    """Split a text into runs and what is around them; everything per case is done by functions in C."""
    parts = _pattern(names).split(text)
    step = len(names) + 1
    columns = {name: parts[number::step] for number, name in enumerate(names, start=1)}
    files = columns.get("file") or repeat("")
    keys = list(map(hash, zip(columns["classname"], columns["name"], files)))  # noqa: B905 - repeat is endless
    seconds = list(map(float, columns["time"]))
    pieces: list[str] = []
    runs: list[Run] = []
    start = 0
    for end, between in _borders(parts[::step]):
        if end > start:
            pieces.append(_ELEMENT)
            runs.append(Run(columns, start, keys[start:end], seconds[start:end]))
            start = end
        pieces.append(between)
    return "".join(pieces), runs


def _borders(between: list[str]) -> list[tuple[int, str]]:
    """Find what is more than blank between two cases, with the number of cases before it; and the end."""
    usual, last = between[len(between) // 2], len(between) - 1
    blank = usual.isspace()
    return [
        (number, piece)
        for number, piece in enumerate(between)
        if number == last or not ((blank and piece == usual) or not piece or piece.isspace())
    ]
