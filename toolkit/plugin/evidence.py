"""What is around a test at the moment it fails, found out within a bounded time.

Only what the machine itself tells at once is asked: no query, no resolver, no process. Servers are those
whose URLs the tests were given; each is asked by opening a connection, and known again for a second, so that
500 tests that fail of one dead database cost little.
"""

import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from toolkit.records import Evidence, NodeId, ServiceHealth

BUDGET = 0.25
"""Seconds for everything."""
CONNECT = 0.08
"""Seconds until a server must have taken the connection: on this machine under one millisecond."""
AGAIN = 1.0
"""Seconds for which an answer is believed."""
KNOWN = ("DATABASE_URL", "REDIS_URL", "AMQP_URL", "NATS_URL", "API_URL")
"""Variables in which tests get the URLs of servers; those of the configured services are asked too."""
PORTS = {
    "postgresql": 5432, "postgres": 5432, "redis": 6379, "amqp": 5672, "nats": 4222, "http": 80, "https": 443,
}  # fmt: skip
TAIL = 65_536
"""Bytes at the end of a neighbour's journal that are looked at."""
_URL = re.compile(
    r"^(?P<scheme>[a-z][a-z0-9.-]*)(?:\+\w+)?://(?:[^/]*@)?"
    r"(?P<host>\[[0-9a-f:]+\]|[^:/?#]+)(?::(?P<port>\d+))?"
)
_BEGUN = re.compile(rb'"kind":"begun","test":("(?:[^"\\]|\\.)*")')

Found = TypeVar("Found")


class Surroundings:
    """Finds out what is around the tests of one process.

    Args:
        root: of the project.
        folder: of the run's journals.
        worker: name of this process in them.
        variables: further variables that hold URLs of servers.
    """

    def __init__(self, root: Path, folder: Path, worker: str, variables: tuple[str, ...] = ()) -> None:
        self._root = root
        self._folder = folder
        self._worker = worker
        self._variables = tuple(dict.fromkeys((*KNOWN, *variables)))
        self._begun = time.monotonic()
        self._known: dict[str, tuple[float, ServiceHealth]] = {}

    def look(
        self, environ: Mapping[str, str], *, timeout: float | None = None, spent: float | None = None
    ) -> Evidence:
        """Find out what there is now.

        Args:
            environ: holds the URLs of the servers.
            timeout: seconds that the test is allowed, if it is known.
            spent: seconds since it began.
        """
        begun = time.monotonic()
        nothing: tuple[int | None, int | None] = (None, None)
        memory, total = quietly(memory_of_machine, nothing)
        return Evidence(
            elapsed=round(begun - self._begun, 3),
            services=tuple(self._services(environ, begun + BUDGET)),
            memory=memory,
            memory_total=total,
            disk=quietly(lambda: shutil.disk_usage(self._root).free, None),
            scratch=quietly(lambda: shutil.disk_usage(tempfile.gettempdir()).free, None),
            load=quietly(lambda: round(os.getloadavg()[0], 2), None),
            cores=os.cpu_count(),
            ports=quietly(lambda: tuple(sorted(listening_ports())), ()),
            neighbours=quietly(lambda: tuple(running_beside(self._folder, self._worker)), ()),
            timeout=timeout,
            left=None if timeout is None or spent is None else round(timeout - spent, 3),
            seconds=round(time.monotonic() - begun, 4),
        )

    def _services(self, environ: Mapping[str, str], until: float) -> Iterator[ServiceHealth]:
        for variable in self._variables:
            address = address_of(environ.get(variable, ""))
            if address is None or time.monotonic() >= until:
                continue
            key = f"{variable} {address}"
            asked, health = self._known.get(key, (0.0, None))
            if health is None or time.monotonic() - asked > AGAIN:
                health = ask(variable, *address)
                self._known[key] = (time.monotonic(), health)
            yield health


def quietly(look: Callable[[], Found], otherwise: Found) -> Found:
    """Return what a look finds; what a system does not tell must not fail a test a second time."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - whatever it is, the failure of the test is what matters
        return otherwise


def address_of(url: str) -> tuple[str, int] | None:
    """Return host and port of a URL; None: it has none, or they are not known."""
    match = _URL.match(url)
    if match is None:
        return None
    port = int(match["port"] or PORTS.get(match["scheme"], 0))
    host = match["host"].strip("[]")
    return (host, port) if 0 < port < 65_536 else None  # noqa: PLR2004 - the last port


def ask(variable: str, host: str, port: int) -> ServiceHealth:
    """Open a connection and close it. A resolver is not asked for a name: that may take long."""
    begun = time.monotonic()
    state = "open"
    numeric = "127.0.0.1" if host == "localhost" else host
    try:
        family = socket.AF_INET6 if ":" in numeric else socket.AF_INET
        socket.inet_pton(family, numeric)
    except OSError:
        return ServiceHealth(variable=variable, address=f"{host}:{port}", state="not asked: it is a name")
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(CONNECT)
            connection.connect((numeric, port))
    except ConnectionRefusedError:
        state = "refused"
    except TimeoutError:
        state = "timeout"
    except OSError as error:
        state = error.strerror or type(error).__name__
    taken = round(time.monotonic() - begun, 5)
    return ServiceHealth(variable=variable, address=f"{host}:{port}", state=state, seconds=taken)


def memory_of_machine() -> tuple[int | None, int | None]:
    """Return the bytes that programs can still get, and all there are: proc(5), ``MemAvailable``."""
    if not sys.platform.startswith("linux"):
        return None, None
    with open("/proc/meminfo", encoding="ascii") as stream:  # noqa: PTH123 - a look must be quick
        rows = dict(line.split(":", 1) for line in stream)
    return tuple(int(rows[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))  # type: ignore[return-value]


_LISTENING = "0A"


def listening_ports() -> Iterator[int]:
    """Yield the TCP ports on which this very process listens: proc(5), ``/proc/net/tcp``."""
    if not sys.platform.startswith("linux"):
        return
    own = {link for link in _links() if link.startswith("socket:[")}
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as stream:  # noqa: PTH123 - a look must be quick
            for line in list(stream)[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in own:
                    yield int(fields[1].rpartition(":")[2], 16)


def _links() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a look must be quick
        try:
            yield os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - a look must be quick
        except OSError:  # closed since
            continue


def running_beside(folder: Path, worker: str) -> Iterator[NodeId]:
    """Yield the test that runs now on each other worker, by the end of its journal."""
    for path in sorted(folder.glob("gw*.jsonl")):
        if path.stem != worker:
            test = _last_begun(path)
            if test is not None:
                yield test


def _last_begun(path: Path) -> NodeId | None:
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - TAIL, 0))
        tail = stream.read()
    begun = list(_BEGUN.finditer(tail))
    if not begun or b'"kind":"attempt"' in tail[begun[-1].end() :]:
        return None
    import json

    return NodeId(json.loads(begun[-1][1]))


def timeout_of(item: pytest.Item) -> float | None:
    """Return the seconds that pytest-timeout allows a test; None: as long as it takes."""
    marker = item.get_closest_marker("timeout")
    if marker is not None:
        given = marker.args[0] if marker.args else marker.kwargs.get("timeout")
    else:
        given = getattr(item.config, "_env_timeout", None)
    return float(given) if given else None
