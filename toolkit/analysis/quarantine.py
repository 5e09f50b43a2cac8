"""The quarantine: a file in the repository that names the tests which do not fail the build, and until when.

.. code-block:: toml

    [[test]]
    id = "tests/test_shop.py::test_checkout"
    owner = "@shop"
    reason = "the payment sandbox answers late"
    since = 2026-11-22
    expires = 2026-12-22

An id without parameters stands for all parameters of the test. Adding and releasing change the text of their
own entries only: comments and order stay. The file is read by the plugin too, so nothing heavy is imported.
"""

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from toolkit.errors import InputError, UsageError

HEADING = """\
# Flaky tests that run and are reported, but do not fail the build. Each has an owner, a reason and an end.
# invoke flaky.quarantine, flaky.release and flaky.check keep it; it is fit for review and editing by hand.
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One test in quarantine, from ``since`` until the end of the day ``expires``."""

    id: str
    owner: str
    reason: str
    since: dt.date
    expires: dt.date
    issue: str = ""

    def expired(self, today: dt.date) -> bool:
        """Tell whether it is over."""
        return today > self.expires

    def told(self) -> str:
        """Say it in one line."""
        return f"until {self.expires} by {self.owner}: {self.reason}"


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    test: tuple[Entry, ...] = ()


Quarantine = tuple[Entry, ...]


def parse_quarantine(text: str, where: str) -> Quarantine:
    """Read the text of a quarantine file.

    Args:
        text: of the file; empty is no quarantine.
        where: its path, for messages.

    Raises:
        InputError: it is not TOML, or an entry lacks something, has something unknown, or is there twice.
    """
    try:
        entries = msgspec.convert(tomllib.loads(text), _File).test
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not TOML: {error}", hint=_HINT) from error
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_readable(str(error), text)}", hint=_HINT) from error
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        problem = _problem(entry, seen)
        if problem:
            raise InputError(f"{where}: test {number} ({entry.id!r}): {problem}", hint=_HINT)
        seen.add(entry.id)
    return entries


_HINT = "each [[test]] needs id, owner, reason, since and expires (dates such as 2026-12-31)"


def _readable(message: str, text: str) -> str:
    """Say which test of the file a message is about."""
    found = re.search(r"\$\.test\[(\d+)\]", message)
    if found is None:
        return message
    ids = re.findall(r"^\s*id\s*=\s*(.+)$", text, re.MULTILINE)
    number = int(found[1])
    named = f" ({ids[number]})" if number < len(ids) else ""
    return f"test {number + 1}{named}: {message.partition(' - at')[0]}"


def _problem(entry: Entry, seen: set[str]) -> str:
    empty = [name for name in ("id", "owner", "reason") if not getattr(entry, name).strip()]
    if empty:
        return f"{', '.join(empty)} must not be empty"
    if entry.expires < entry.since:
        return "expires before it begins"
    return "is there twice" if entry.id in seen else ""


def entry_of(test: str, entries: Mapping[str, Entry]) -> Entry | None:
    """Return the entry of a test: its own, else that of the test without parameters."""
    found = entries.get(test)
    if found is None and test.endswith("]"):
        path, separator, name = test.partition("::")
        found = entries.get(path + separator + name.partition("[")[0])
    return found


def with_entry(text: str, entry: Entry) -> str:
    """Return the text of a file with one more entry."""
    lines = ["[[test]]"]
    for name, value in msgspec.structs.asdict(entry).items():
        if value:
            lines.append(f"{name} = {value if isinstance(value, dt.date) else _quoted(value)}")
    return (text.rstrip("\n") or HEADING.rstrip("\n")) + "\n\n" + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Write a TOML basic string: JSON's, with the one character that JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def without_entries(text: str, tests: Iterable[str]) -> str:
    """Return the text of a file without the entries of some tests; all else stays as it is written.

    Raises:
        UsageError: an entry is not written as a ``[[test]]`` block of its own.
    """
    gone = set(tests)
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if _BLOCK.match(line)]
    for start, last in reversed(list(pairwise([*starts, len(lines)]))):
        end = last
        while _EMPTY.match(lines[end - 1]):  # comments and empty lines at its end belong to what follows
            end -= 1
        if not gone.isdisjoint(_ids("".join(lines[start:end]))):
            del lines[start:end]
    changed = re.sub(r"\n{3,}", "\n\n", "".join(lines))
    if _ids(changed) != _ids(text) - gone:
        raise UsageError("the quarantine file is not written in [[test]] blocks: remove the entry by hand")
    return changed


_BLOCK = re.compile(r"\s*\[\[\s*test\s*\]\]")
_EMPTY = re.compile(r"\s*(#.*)?$")


def _ids(text: str) -> set[str]:
    try:
        return {entry.id for entry in msgspec.convert(tomllib.loads(text), _File).test}
    except (tomllib.TOMLDecodeError, msgspec.ValidationError):
        return set()
