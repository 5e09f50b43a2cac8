"""What was created, written down as it happens, so that it can be removed in reverse after any crash.

One file of JSON lines for each load, in the project's state folder. It holds no passwords: servers are named
by host, port and database, and their URLs come from the environment again when something is to be removed.
"""

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from toolkit.errors import InputError, UsageError
from toolkit.leases.owners import Owner, judge
from toolkit.leases.sharing import NO_LOCK
from toolkit.scenarios.storing import Stored


class Posted(msgspec.Struct, frozen=True, kw_only=True, tag="api"):
    """A resource of the API. ``headers`` still have their ``${VARIABLE}``."""

    name: str
    delete: str
    headers: dict[str, str] = {}


class Cached(msgspec.Struct, frozen=True, kw_only=True, tag="cache"):
    """A cache entry."""

    key: str


Entry = Stored | Posted | Cached


class Kept(msgspec.Struct, frozen=True, kw_only=True, tag="kept"):
    """The load is complete, and outlives its process."""


class Head(msgspec.Struct, frozen=True, kw_only=True, tag="load"):
    """The first line."""

    id: str
    scenario: str
    seed: int
    made: float
    database: str = ""
    api: str = ""
    cache: str = ""
    claimed: bool = False
    """Whether the cache was a test worker's own database, which its next user empties."""
    owner: Owner | None = None
    """The process that loads or uses the data; None: none does."""


class Ledger:
    """The file of one load."""

    def __init__(self, file: Path, head: Head) -> None:
        self.file = file
        self.head = head

    @classmethod
    def begin(cls, folder: Path, head: Head) -> Self:
        """Start a new file.

        Raises:
            OSError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        ledger = cls(folder / f"{head.id}.jsonl", head)
        ledger.file.touch()
        ledger._append([head])
        return ledger

    def user(self) -> str:
        """Say which living process loads or uses the data; empty: none."""
        owner = self.head.owner
        if owner is None or judge(owner, NO_LOCK).state == "dead":
            return ""
        return "" if Kept() in self._lines() else owner.described()

    def write(self, entries: Iterable[Entry | Kept]) -> None:
        """Add what is about to be there.

        Raises:
            InputError: the ledger is gone: somebody removes the data while it is being loaded.
        """
        try:
            self._append(entries)
        except FileNotFoundError as error:
            raise InputError(
                f"{self.file}: is gone: the data was removed while it was being loaded", hint="load it again"
            ) from error

    def _append(self, lines: Iterable[Entry | Kept | Head]) -> None:
        """Write at the end of the file, which must be there."""
        if data := b"".join(msgspec.json.encode(line) + b"\n" for line in lines):
            with open(self.file, "ab", opener=_opened) as stream:
                stream.write(data)

    def entries(self) -> list[Entry]:
        """Return all entries in the order of their making; a torn last line is left out.

        A file that is gone meanwhile has none: somebody else has removed everything.

        Raises:
            InputError: the file is damaged elsewhere.
        """
        return [line for line in self._lines() if not isinstance(line, Kept)]

    def _lines(self) -> list[Entry | Kept]:
        found: list[Entry | Kept] = []
        lines = _read(self.file).split(b"\n")
        for number, line in enumerate(lines[1:], 2):
            if not line:
                continue
            try:
                found.append(msgspec.json.decode(line, type=Entry | Kept))
            except msgspec.MsgspecError as error:
                if number < len(lines):
                    raise InputError(f"{self.file}, line {number}: {error}") from error
        return found

    def forget(self) -> None:
        """Everything is gone: remove the file."""
        self.file.unlink(missing_ok=True)


def new_id() -> str:
    """Make an id that sorts by time."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f"-{secrets.token_hex(3)}"


def ledgers(folder: Path) -> Iterator[Ledger]:
    """Yield the ledgers of all loads that were not removed, newest first.

    One that is gone meanwhile, or just being begun, is left out.

    Raises:
        InputError: a file is no ledger.
    """
    for file in sorted(folder.glob("*.jsonl"), reverse=True):
        try:
            if not (data := _read(file)):
                continue
            head = msgspec.json.decode(data.split(b"\n", 1)[0], type=Head)
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{file}: is no ledger of loaded data: {error}") from error
        yield Ledger(file, head)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def find_ledgers(folder: Path, names: Iterable[str]) -> list[Ledger]:
    """Return the ledgers of these loads or scenarios; of all, when none is named.

    Raises:
        UsageError: there is no such load.
    """
    wanted = list(names)
    found = list(ledgers(folder))
    known = {word for ledger in found for word in (ledger.head.id, ledger.head.scenario)}
    for name in wanted:
        if name not in known:
            raise UsageError(f"nothing is loaded that is called {name!r}", hint=f"loaded: {sorted(known)}")
    return [each for each in found if not wanted or {each.head.id, each.head.scenario} & set(wanted)]
