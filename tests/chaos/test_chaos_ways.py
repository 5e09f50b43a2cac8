"""Faults of the way to a server: what an application sees through the proxy."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from toolkit.errors import EnvironmentFailed
from toolkit.services.faults.model import Fault, NetworkAction
from toolkit.services.faults.ways import Way


class Echo:
    """A server that sends back what it gets; it counts connections."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._echo, args=[connection], daemon=True).start()

    @staticmethod
    def _echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                connection.sendall(data)


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.listener.close()


@pytest.fixture
def way(echo: Echo) -> Iterator[Way]:
    """A proxy to the echo server."""
    with Way(f"http://127.0.0.1:{echo.port}") as made:
        yield made


def fault(action: NetworkAction, **parameters: float) -> Fault:
    return Fault(action=action, service="echo", **parameters)  # type: ignore[arg-type]


def connect(way: Way, timeout: float = 30) -> socket.socket:
    return socket.create_connection(("127.0.0.1", way.port), timeout=timeout)


def asked(connection: socket.socket, data: bytes = b"x") -> float:
    """Return the seconds of a round trip."""
    begun = time.monotonic()
    connection.sendall(data)
    received = b""
    while len(received) < len(data):
        part = connection.recv(65536)
        assert part
        received += part
    assert received == data
    return time.monotonic() - begun


def test_only_host_and_port_of_the_url_change(echo: Echo) -> None:
    with Way(f"http://user:word@localhost:{echo.port}/path?x=1") as way:
        assert way.url == f"http://user:word@127.0.0.1:{way.port}/path?x=1"


def test_without_a_fault_everything_comes_through(way: Way) -> None:
    """Also much at once, in order; a client that closes its side still gets the rest."""
    with connect(way) as connection:
        asked(connection, bytes(range(256)) * 4000)
        connection.sendall(b"last")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) == b"last"
        assert connection.recv(10) == b""


def test_latency_is_at_least_what_was_asked_each_way(way: Way) -> None:
    with connect(way) as connection:
        asked(connection)
        way.set(fault("latency", seconds=0.1, jitter=0.05))
        assert asked(connection) >= 0.2
        way.set(None)
        connection.sendall(b"order" * 1000)
        asked(connection, b"")


def test_what_is_lost_comes_after_the_retransmission_timeout(way: Way) -> None:
    """With every message lost it is sent again until it is given up to be lost: 0.2 + 0.4 + … seconds."""
    with connect(way, timeout=0.15) as connection:
        way.set(fault("loss", share=1.0))
        connection.sendall(b"x")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    way.set(None)
    with connect(way) as connection:
        asked(connection)


def test_cut_resets_open_connections_and_new_ones(way: Way) -> None:
    with connect(way) as connection:
        asked(connection)
        way.set(fault("cut"))
        with pytest.raises((ConnectionError, AssertionError)):
            asked(connection)
    broken = pytest.raises((ConnectionError, AssertionError))
    with broken, connect(way) as connection:
        asked(connection)
    way.set(None)
    with connect(way) as connection:
        asked(connection)


def test_silence_lets_nothing_through_and_loses_nothing(way: Way) -> None:
    with connect(way) as connection:
        asked(connection)
        way.set(fault("silence"))
        connection.sendall(b"late")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(4)
        with connect(way, timeout=0.2) as new:
            new.sendall(b"x")
            with pytest.raises(TimeoutError):
                new.recv(1)
        connection.settimeout(30)
        way.set(None)
        assert connection.recv(4) == b"late"


def test_a_slow_close_takes_its_time(way: Way) -> None:
    way.set(fault("slow_close", seconds=0.2))
    with connect(way) as connection:
        begun = time.monotonic()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
        assert time.monotonic() - begun >= 0.4  # there and back


def test_a_server_that_is_not_there_resets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    broken = pytest.raises((ConnectionError, AssertionError))
    with Way(f"redis://127.0.0.1:{port}") as way, broken, connect(way) as connection:
        asked(connection)


def test_the_proxy_ends_with_whoever_started_it(echo: Echo) -> None:
    """After kill -9 of its starter nothing listens any more."""
    program = (
        "import sys; from toolkit.services.faults.ways import Way\n"
        "way = Way(sys.argv[1]); print(way.port, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, f"http://127.0.0.1:{echo.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        socket.create_connection(("127.0.0.1", port)).close()
        starter.kill()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionError:
            return
        time.sleep(0.01)
    pytest.fail("the proxy still listens")


def test_a_proxy_that_died_is_told(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(f"http://127.0.0.1:{echo.port}")
    way._process.kill()
    way._process.wait()
    with pytest.raises(EnvironmentFailed, match="the proxy has died"):
        way.set(None)
    way.close()
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(EnvironmentFailed, match=r"the proxy to nowhere:6379 did not start"):
        Way("redis://nowhere/0")
