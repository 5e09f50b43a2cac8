"""One real query per kind of server: what "ready" means.

The queries are made on the wire (a few lines each), so that no client library is needed to wait for a server;
PostgreSQL alone is asked through its driver, since its log-in is not a few lines.
"""

import contextlib
import http.client
import json
import re
import socket
import struct
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from toolkit.config.services import Kind
from toolkit.errors import MissingExtra
from toolkit.services.waiting import NotYet

TIMEOUT = 3.0
"""Seconds that one query may take."""


def psycopg() -> Any:
    """Import the PostgreSQL driver.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import psycopg as driver
    except ImportError as error:
        raise MissingExtra("a PostgreSQL service", extra="postgres", package="psycopg") from error
    return driver


@contextlib.contextmanager
def postgres_connection(url: str) -> Iterator[Any]:
    """Log in; yield the connection.

    Raises:
        NotYet: refused, or what is done with it fails.
    """
    driver = psycopg()
    try:
        with driver.connect(
            re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", url),
            connect_timeout=max(2, int(TIMEOUT)),
            autocommit=True,
        ) as connection:
            yield connection
    except driver.Error as error:
        raise NotYet(str(error).strip().splitlines()[0] if str(error).strip() else repr(error)) from error


def ask_postgres(url: str) -> None:
    """Run ``SELECT 1``."""
    with postgres_connection(url) as connection:
        connection.execute("SELECT 1").fetchone()


def _connected(url: str, default_port: int) -> tuple[socket.socket, urllib.parse.SplitResult]:
    parts = urllib.parse.urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or default_port)
    connection = socket.create_connection(address, timeout=TIMEOUT)
    return connection, parts


def _credentials(parts: urllib.parse.SplitResult) -> tuple[str, str]:
    return urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")


@contextlib.contextmanager
def redis_stream(url: str) -> Iterator[Any]:
    """Log in (RESP, redis.io/docs/reference/protocol-spec); yield the two directions of the connection."""
    connection, parts = _connected(url, 6379)
    user, password = _credentials(parts)
    with connection, connection.makefile("rwb") as stream:
        if password:
            expect(redis_answer(stream, "AUTH", *([user] if user else []), password), b"+OK")
        yield stream


def ask_redis(url: str) -> None:
    """Log in and run ``PING``."""
    with redis_stream(url) as stream:
        expect(redis_answer(stream, "PING"), b"+PONG")


def redis_answer(stream: Any, *words: str) -> bytes:
    """Send one command and return the first line of its answer."""
    stream.write(_resp(*words))
    stream.flush()
    line: bytes = stream.readline()
    return line


def _resp(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def expect(line: bytes, wanted: bytes) -> None:
    """Claim that an answer begins as it should.

    Raises:
        NotYet: it does not; says what came.
    """
    if not line.startswith(wanted):
        raise NotYet(line.decode(errors="replace").strip() or "the connection was closed")


@contextlib.contextmanager
def nats_stream(url: str) -> Iterator[Any]:
    """Log in (docs.nats.io, client protocol); yield the two directions of the connection."""
    connection, parts = _connected(url, 4222)
    user, password = _credentials(parts)
    options: dict[str, object] = {"verbose": False, "pedantic": False, "lang": "python", "version": "1"}
    if password:
        options.update({"user": user, "pass": password})
    with connection, connection.makefile("rwb") as stream:
        expect(stream.readline(), b"INFO")
        stream.write(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        yield stream


def ask_nats(url: str) -> None:
    """Log in and run ``PING``."""
    with nats_stream(url) as stream:
        stream.write(b"PING\r\n")
        stream.flush()
        expect(stream.readline(), b"PONG")


@contextlib.contextmanager
def rabbitmq_stream(url: str) -> Iterator[Any]:
    """Log in and open the virtual host (AMQP 0-9-1, sections 2.2.4 and 4.2); yield the two directions."""
    connection, parts = _connected(url, 5672)
    user, password = _credentials(parts)
    host = urllib.parse.unquote(parts.path[1:]) or "/"
    with connection, connection.makefile("rwb") as stream:
        stream.write(b"AMQP\x00\x00\x09\x01")
        stream.flush()
        expect_method(stream, (10, 10))  # connection.start
        login = f"\0{user}\0{password}".encode()
        start_ok = struct.pack(">I", 0) + short("PLAIN") + struct.pack(">I", len(login)) + login
        send_method(stream, (10, 11), start_ok + short("en_US"))
        limits = expect_method(stream, (10, 30))  # connection.tune: take what the broker offers
        send_method(stream, (10, 31), limits[:8])
        send_method(stream, (10, 40), short(host) + short("") + b"\x00")
        expect_method(stream, (10, 41))  # connection.open-ok
        yield stream
        send_method(stream, (10, 50), struct.pack(">H", 200) + short("") + struct.pack(">HH", 0, 0))


def ask_rabbitmq(url: str) -> None:
    """Log in and open the virtual host."""
    with rabbitmq_stream(url):
        pass


def short(text: str) -> bytes:
    """Write a short string (AMQP 0-9-1, section 4.2.5.3)."""
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def send_method(stream: Any, method: tuple[int, int], arguments: bytes, *, channel: int = 0) -> None:
    """Send one method frame: class and method, then its arguments."""
    send_frame(stream, 1, struct.pack(">HH", *method) + arguments, channel=channel)


def send_frame(stream: Any, kind: int, payload: bytes, *, channel: int) -> None:
    """Send one frame (AMQP 0-9-1, section 4.2.3)."""
    stream.write(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")
    stream.flush()


def read_frame(stream: Any) -> tuple[int, bytes]:
    """Return kind and payload of the next frame that is no heartbeat.

    Raises:
        NotYet: there is none.
    """
    kind, payload = 8, b""
    while kind == 8:  # noqa: PLR2004 - a heartbeat
        header = stream.read(7)
        if len(header) < 7:  # noqa: PLR2004 - the size of a frame header
            raise NotYet("the connection was closed (log-in refused, or still starting)")
        kind, _, size = struct.unpack(">BHI", header)
        payload = stream.read(size + 1)[:-1]
    return kind, payload


def expect_method(stream: Any, wanted: tuple[int, int]) -> bytes:
    """Read one method and return its arguments.

    Raises:
        NotYet: another one came, or none.
    """
    kind, payload = read_frame(stream)
    if kind != 1 or len(payload) < 4 or struct.unpack(">HH", payload[:4]) != wanted:  # noqa: PLR2004
        raise NotYet("the broker refused: " + payload[4:200].decode(errors="replace"))
    return payload[4:]


def ask_http(url: str) -> None:
    """Get the page and expect a status of 2xx."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the successful ones
            raise NotYet(f"GET {parts.path or '/'} answered {answer.status}: {answer.read(200)!r}")
    except http.client.HTTPException as error:
        raise NotYet(f"GET {parts.path or '/'}: {error!r}") from error
    finally:
        connection.close()


def ask_port(url: str) -> None:
    """Open a connection: all that can be asked of a server of unknown kind."""
    _connected(url, 80)[0].close()


def probe_of(kind: Kind, url: str, *, health: str = "") -> Callable[[], None]:
    """Return the query of a kind of server; it raises NotYet or OSError while there is no answer."""
    if kind == "http" or (kind == "other" and health):
        return lambda: ask_http(urllib.parse.urljoin(url, health or "/"))
    asks: dict[str, Callable[[str], None]] = {
        "postgres": ask_postgres,
        "redis": ask_redis,
        "nats": ask_nats,
        "rabbitmq": ask_rabbitmq,
    }
    ask = asks.get(kind, ask_port)
    return lambda: ask(url)
