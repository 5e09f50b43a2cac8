"""Proof of life: an owner holds an advisory lock of its own number for as long as it lives.

The lock belongs to one connection, so it goes when the process goes, however it ends. Whoever cleans up asks
the server for the lock and never the clock. A number is drawn at random and used by one owner only, and its
lock is taken before the first database is made: a number without a lock belongs to a dead owner for ever.
"""

import contextlib
import itertools
import os
import secrets
import socket
import threading
import time
from typing import Self

from toolkit.databases.marks import VERSION, Mark, MarkKind
from toolkit.databases.server import Server
from toolkit.errors import EnvironmentFailed

LOCKS = (
    "SELECT ((classid::bigint << 32) | objid::bigint) FROM pg_locks"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
)
"""All advisory locks on single numbers, of every database of the server."""


class DatabaseOwner:
    """This process as an owner of databases on one server. Thread-safe; close it to let everything go."""

    def __init__(self, url: str, *, run: str = "") -> None:
        self.server = Server(url, name="toolkit owner")
        self.number = secrets.randbits(63)
        self.by = f"pid {os.getpid()} on {socket.gethostname()}" + (f", run {run}" if run else "")
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._hold()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock: what is still marked with this number may now be dropped by anyone."""
        with contextlib.suppress(Exception):  # a lost connection has lost its lock already
            self.server.fetch("SELECT pg_advisory_unlock(%s)", [self.number])
        self.server.close()

    def next_number(self) -> int:
        """Return a number that this owner has not used yet."""
        with self._guard:
            return next(self._numbers)

    def mark(self, kind: MarkKind, *, key: str = "", test: str = "") -> Mark:
        """Return the mark of a database of this owner."""
        return Mark(
            toolkit=VERSION,
            kind=kind,
            owner=self.number if kind in {"clone", "build"} else 0,
            by=self.by,
            made=time.time(),
            key=key,
            test=test,
        )

    def assure(self) -> None:
        """Take the lock again if the server was restarted meanwhile."""
        with self._guard:
            try:
                self.server.fetch("SELECT 1")
            except EnvironmentFailed:
                self.server.close()
                self._hold()

    def _hold(self) -> None:
        self.server.fetch("SELECT pg_advisory_lock(%s)", [self.number])


def living_owners(server: Server) -> frozenset[int]:
    """Return the numbers of all owners that live at this moment."""
    return frozenset(int(number) for (number,) in server.fetch(LOCKS))
