"""What a block left open: connections, files, threads, child processes; sessions on the database server."""

import gc
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.assertions.connecting import asking
from toolkit.errors import MissingExtra

PATIENCE = 0.5
"""Seconds in which threads and sockets that are just being closed may go."""

Held = dict[str, str]
"""Identity of what is open → how a person calls it."""


@contextmanager
def no_leaks(*, ignore: str = "", within: float = PATIENCE) -> Iterator[None]:
    """Claim that a block closes every file, connection, thread and child process that it opened.

    What a pool keeps on purpose counts too: open it before the block, or close it in it.

    Args:
        ignore: regular expression; what it finds in the description of a leak is none.
        within: seconds after the block in which things may still go.

    Raises:
        AssertionError: names each file, address, thread and process that is left.
        MissingExtra: other systems than Linux need the package psutil.
    """
    __tracebackhide__ = True
    before = held()
    yield
    left = _left(before, ignore, within)
    if left:
        raise AssertionError("\n".join([f"{len(left)} left open:", *(f"  {each}" for each in left)]))


def _left(before: Held, ignore: str, within: float) -> list[str]:
    end = time.monotonic() + within
    while True:
        gc.collect()
        now = held()
        left = [now[key] for key in now if before.get(key) != now[key]]
        left = sorted(each for each in left if not (ignore and re.search(ignore, each)))
        if not left or time.monotonic() >= end:
            return left
        time.sleep(0.01)


def held() -> Held:
    """Return what this process has open now."""
    threads = {f"thread {each.ident}": f"thread {each.name}" for each in threading.enumerate()}
    if sys.platform == "linux":
        return {**threads, **_descriptors(), **_children()}
    return {**threads, **_by_psutil()}


def _descriptors() -> Held:
    folder = Path("/proc/self/fd")
    found = {}
    for name in os.listdir(folder):  # noqa: PTH208 - the descriptor of the listing itself is gone afterwards
        try:
            found[f"descriptor {name}"] = os.readlink(folder / name)  # noqa: PTH115 - not a path for sockets
        except OSError:
            continue
    inodes = _addresses() if any(each.startswith("socket:") for each in found.values()) else {}
    return {key: _described(key, target, inodes) for key, target in found.items()}


def _described(key: str, target: str, inodes: dict[str, str]) -> str:
    if target.startswith("socket:["):
        return f"{key}: connection {inodes.get(target[8:-1], '')} ({target})"
    return f"{key}: {target}"


def _addresses() -> dict[str, str]:
    """Return inode → addresses of the TCP sockets (proc_net_tcp(5): hexadecimal)."""
    found = {}
    for file in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            lines = Path(file).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            found[fields[9]] = f"from port {_port(fields[1])} to port {_port(fields[2])}"
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _children() -> Held:
    """Return the child processes of all threads (proc_pid_task(5), ``children``), corpses too."""
    found = {}
    for file in Path("/proc/self/task").glob("*/children"):
        for pid in file.read_text(encoding="ascii").split():
            try:
                command = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
            found[f"process {pid}"] = f"child process {pid}: {command.strip() or 'ended, not waited for'}"
    return found


def _by_psutil() -> Held:  # pragma: no cover - other systems than Linux; its parts are tested by name
    try:
        import psutil
    except ImportError as error:
        raise MissingExtra("no_leaks", extra="performance", package="psutil") from error
    own = psutil.Process()
    found = {f"file {each.fd} {each.path}": f"file {each.path}" for each in own.open_files()}
    for each in own.net_connections():
        found[f"connection {each.fd} {each.laddr}"] = f"connection from {each.laddr} to {each.raddr}"
    for child in own.children():
        found[f"process {child.pid}"] = f"child process {child.pid}"
    return found


SESSIONS = """
SELECT pid::text, coalesce(application_name, '') AS name, state, left(query, 200) AS query,
       backend_start::text AS started
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@contextmanager
def no_leaked_sessions(database: Any, *, within: float = PATIENCE) -> Iterator[None]:
    """Claim that a block leaves no connection open on the server of a PostgreSQL database, whoever opened it.

    Sees those of other processes too, such as an API server's: they are told by name, state and last query.

    Args:
        database: as for ``assert_rows``.
        within: seconds after the block in which they may still go.

    Raises:
        AssertionError: each connection that came and stayed.
    """
    __tracebackhide__ = True
    before = _sessions(database)
    yield
    end = time.monotonic() + within
    while left := {key: text for key, text in _sessions(database).items() if key not in before}:
        if time.monotonic() >= end:
            lines = [f"  {text}" for text in left.values()]
            raise AssertionError("\n".join([f"{len(left)} database connections left open:", *lines]))
        gc.collect()
        time.sleep(0.02)


def _sessions(database: Any) -> dict[str, str]:
    with asking(database) as ask:
        rows = ask.rows(SESSIONS)
    return {
        f"{row['pid']} {row['started']}": f"{row['pid']} {row['name']!r}, {row['state']}: {row['query']}"
        for row in rows
    }
