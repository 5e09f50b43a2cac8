"""What was created, written down as it happens, so that it can be removed in reverse after any crash.

One file of JSON lines for each load, in the project's state folder. It holds no passwords: servers are named
by host, port and database, and their URLs come from the environment again when something is to be removed.
"""

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


class Head(msgspec.Struct, frozen=True, kw_only=True, tag="load"):
    """The first line."""

    id: str
    scenario: str
    seed: int
    made: float
    database: str = ""
    api: str = ""
    cache: str = ""
    owner: Owner | None = None
    """The process that uses the data; None: it was loaded to stay."""


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
        ledger._append([head])
        return ledger

    def user(self) -> str:
        """Say which living process uses the data; empty: none."""
        owner = self.head.owner
        if owner is None or judge(owner, NO_LOCK).state == "dead":
            return ""
        return owner.described()

    def write(self, entries: Iterable[Entry]) -> None:
        """Add what is about to be there."""
        self._append(entries)

    def _append(self, lines: Iterable[Entry | Head]) -> None:
        with self.file.open("ab") as stream:
            stream.writelines(msgspec.json.encode(line) + b"\n" for line in lines)

    def entries(self) -> list[Entry]:
        """Return all entries in the order of their making; a torn last line is left out.

        Raises:
            InputError: the file is damaged elsewhere.
        """
        found: list[Entry] = []
        lines = self.file.read_bytes().split(b"\n")
        for number, line in enumerate(lines[1:], 2):
            if not line:
                continue
            try:
                found.append(msgspec.json.decode(line, type=Entry))
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
    """Yield the ledgers of all loads that were not removed, newest first."""
    for file in sorted(folder.glob("*.jsonl"), reverse=True):
        try:
            head = msgspec.json.decode(file.read_bytes().split(b"\n", 1)[0], type=Head)
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{file}: is no ledger of loaded data: {error}") from error
        yield Ledger(file, head)


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
