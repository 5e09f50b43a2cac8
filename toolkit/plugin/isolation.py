"""What every worker has to itself: a folder, a range of ports, a name for whatever services share.

Disjoint between the workers of a run and between runs on one machine. A range of ports belongs to whoever
holds a socket bound to its first port: the kernel hands it out once, in each network namespace, to any user
of the machine, and takes it back when the process ends, however it ends.
"""

import hashlib
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from toolkit.errors import EnvironmentFailed
from toolkit.plugin.worker import Worker

LOOPBACK = "127.0.0.1"
BLOCK = 64
"""Ports of one range, with the first, which only shows whose it is."""
FIRST_PORT = 20_000
LAST_PORT = 49_151  # the end of the registered ports (RFC 6335)


def ephemeral_ports(file: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> tuple[int, int]:
    """Return the range from which the system takes ports for outgoing connections: ip(7), RFC 6335."""
    try:
        low, high = file.read_text(encoding="ascii").split()
        return int(low), int(high)
    except (OSError, ValueError):
        return LAST_PORT + 1, 65_535


def blocks(ephemeral: tuple[int, int]) -> list[int]:
    """Return the first ports of all ranges, those that no outgoing connection takes away first."""
    low, high = ephemeral
    starts = range(FIRST_PORT, LAST_PORT - BLOCK + 2, BLOCK)
    return sorted(starts, key=lambda start: start <= high and start + BLOCK > low)


class PortRange:
    """Ports that belong to this process until it is closed or the process ends."""

    def __init__(self, guard: socket.socket) -> None:
        self._guard = guard
        self.first = int(guard.getsockname()[1]) + 1
        self.last = self.first + BLOCK - 2
        self._next = self.first

    def __repr__(self) -> str:
        return f"PortRange({self.first}-{self.last})"

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def take(self) -> int:
        """Return a port of the range on which a server can listen now, each time the next one.

        Raises:
            EnvironmentFailed: others listen on every port of the range.
        """
        size = self.last - self.first + 1
        for _ in range(size):
            port = self._next
            self._next = self.first + (port - self.first + 1) % size
            if can_listen(port):
                return port
        raise EnvironmentFailed(
            f"no free port in {self.first}-{self.last}",
            hint="close the servers that the tests of this worker have started",
        )

    def close(self) -> None:
        """Give the range back."""
        self._guard.close()


def claim_ports(candidates: list[int] | None = None) -> PortRange:
    """Take a range of ports that no other process of this machine has.

    Raises:
        EnvironmentFailed: all ranges are taken.
    """
    starts = blocks(ephemeral_ports()) if candidates is None else candidates
    for start in starts:
        guard = _bind(start)
        if guard is not None:
            guard.listen(1)
            return PortRange(guard)
    raise EnvironmentFailed(
        f"all {len(starts)} port ranges of this machine are taken",
        hint="run fewer workers or fewer test runs at once",
    )


def can_listen(port: int) -> bool:
    """Tell whether a server can listen on this port of the loopback address."""
    probe = _bind(port)
    if probe is None:
        return False
    with closing(probe):
        return True


def _bind(port: int) -> socket.socket | None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # there, others could bind the same port, too, unless we forbid it
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # there, this allows only what servers do: to follow a connection that is still fading out
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        return None
    return bound


def namespace(worker: str, *origin: object) -> str:
    """Name what this worker keeps on shared services: ``t_<10 hexadecimal digits>_<worker>``.

    Of ``[a-z0-9_]`` only, at most 37 characters: fits a key prefix, a queue name and an unquoted identifier
    of PostgreSQL, with 26 characters left for what the user adds.

    Args:
        worker: the worker's id, for people who look at the service.
        origin: what makes the process unique everywhere: run, machine, process id.
    """
    digest = hashlib.blake2s("\0".join(map(str, origin)).encode(), digest_size=5).hexdigest()
    return f"t_{digest}_{re.sub(r'[^a-z0-9]+', '', worker.lower())[-24:]}"


@pytest.fixture(scope="session")
def worker_tmp(tmp_path_factory: pytest.TempPathFactory, worker: Worker) -> Path:
    """A folder that only this worker of this run uses, kept for the session."""
    return tmp_path_factory.mktemp(f"worker-{worker.id}", numbered=False)


@pytest.fixture(scope="session")
def worker_ports() -> Iterator[PortRange]:
    """A range of ports that no other worker and no other run on this machine uses; ``take()`` gives one."""
    with closing(claim_ports()) as ports:
        yield ports


@pytest.fixture
def free_port(worker_ports: PortRange) -> int:
    """A port of this worker's range on which a server can listen on the loopback address now."""
    return worker_ports.take()


@pytest.fixture(scope="session")
def worker_namespace(worker: Worker) -> str:
    """A prefix for keys, queues and databases that no other worker and no other run uses."""
    return namespace(worker.id, os.environ.get("TOOLKIT_RUN_ID"), platform.node(), os.getpid(), time.time())
