"""The way to a server through a proxy of one's own: another URL, and faults of the network on it."""

import contextlib
import json
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Self

import msgspec

from toolkit.errors import EnvironmentFailed
from toolkit.services.faults.model import Fault

PROXY = Path(__file__).with_name("proxy.py")
PORTS = {"postgres": 5432, "postgresql": 5432, "redis": 6379, "amqp": 5672, "nats": 4222, "http": 80}
"""Scheme of a URL → its port when it names none."""


class Way:
    """A proxy in a process of its own, which ends with this one, however this one ends.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        scheme = parts.scheme.partition("+")[0]
        host, port = parts.hostname or "127.0.0.1", parts.port or PORTS.get(scheme, 80)
        self._process = subprocess.Popen(
            [sys.executable, "-ES", PROXY, host, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: then its input ends
        )
        try:
            self.port = int(self._answer())
        except ValueError as error:
            self.close()
            raise EnvironmentFailed(f"the proxy to {host}:{port} did not start") from error
        userinfo, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{userinfo}{at}127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set(self, fault: Fault | None) -> None:
        """Ill-treat the connections from now on, or no longer (None); in force when this returns.

        Raises:
            EnvironmentFailed: the proxy has died.
        """
        state = {} if fault is None else msgspec.to_builtins(fault)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps(state) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise EnvironmentFailed("the proxy has died") from error
        if not self._answer():
            raise EnvironmentFailed("the proxy has died")

    def _answer(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End the proxy and its connections."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError):  # it has died before
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
