"""One real query per kind of server: what "ready" means.

The queries are made on the wire (a few lines each), so that no client library is needed to wait for a server;
PostgreSQL alone is asked through its driver, since its log-in is not a few lines.
"""

import http.client
import json
import re
import socket
import struct
import urllib.parse
from collections.abc import Callable
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


def ask_postgres(url: str) -> None:
    """Run ``SELECT 1``."""
    driver = psycopg()
    try:
        with driver.connect(
            re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", url),
            connect_timeout=max(2, int(TIMEOUT)),
            autocommit=True,
        ) as connection:
            connection.execute("SELECT 1").fetchone()
    except driver.Error as error:
        raise NotYet(str(error).strip().splitlines()[0] if str(error).strip() else repr(error)) from error


def _connected(url: str, default_port: int) -> tuple[socket.socket, urllib.parse.SplitResult]:
    parts = urllib.parse.urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or default_port)
    connection = socket.create_connection(address, timeout=TIMEOUT)
    return connection, parts


def _credentials(parts: urllib.parse.SplitResult) -> tuple[str, str]:
    return urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")


def ask_redis(url: str) -> None:
    """Log in and run ``PING`` (RESP, redis.io/docs/reference/protocol-spec)."""
    connection, parts = _connected(url, 6379)
    user, password = _credentials(parts)
    with connection, connection.makefile("rwb") as stream:
        if password:
            stream.write(_resp("AUTH", *([user] if user else []), password))
            stream.flush()
            _expect(stream.readline(), b"+OK")
        stream.write(_resp("PING"))
        stream.flush()
        _expect(stream.readline(), b"+PONG")


def _resp(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _expect(line: bytes, wanted: bytes) -> None:
    if not line.startswith(wanted):
        raise NotYet(line.decode(errors="replace").strip() or "the connection was closed")


def ask_nats(url: str) -> None:
    """Log in and run ``PING`` (docs.nats.io, client protocol)."""
    connection, parts = _connected(url, 4222)
    user, password = _credentials(parts)
    options: dict[str, object] = {"verbose": False, "pedantic": False, "lang": "python", "version": "1"}
    if password:
        options.update({"user": user, "pass": password})
    with connection, connection.makefile("rwb") as stream:
        _expect(stream.readline(), b"INFO")
        stream.write(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        stream.flush()
        _expect(stream.readline(), b"PONG")


def ask_rabbitmq(url: str) -> None:
    """Log in and open the virtual host (AMQP 0-9-1, sections 2.2.4 and 4.2)."""
    connection, parts = _connected(url, 5672)
    user, password = _credentials(parts)
    host = urllib.parse.unquote(parts.path[1:]) or "/"
    with connection, connection.makefile("rwb") as stream:
        stream.write(b"AMQP\x00\x00\x09\x01")
        stream.flush()
        _expect_method(stream, (10, 10))  # connection.start
        login = f"\0{user}\0{password}".encode()
        start_ok = struct.pack(">I", 0) + _short("PLAIN") + struct.pack(">I", len(login)) + login
        _send_method(stream, (10, 11), start_ok + _short("en_US"))
        limits = _expect_method(stream, (10, 30))  # connection.tune: take what the broker offers
        _send_method(stream, (10, 31), limits[:8])
        _send_method(stream, (10, 40), _short(host) + _short("") + b"\x00")
        _expect_method(stream, (10, 41))  # connection.open-ok
        _send_method(stream, (10, 50), struct.pack(">H", 200) + _short("") + struct.pack(">HH", 0, 0))


def _short(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def _send_method(stream: Any, method: tuple[int, int], arguments: bytes) -> None:
    payload = struct.pack(">HH", *method) + arguments
    stream.write(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")
    stream.flush()


def _expect_method(stream: Any, wanted: tuple[int, int]) -> bytes:
    header = stream.read(7)
    if len(header) < 7 or header[0] != 1:  # noqa: PLR2004 - the size of a frame header
        raise NotYet("the connection was closed (log-in refused, or still starting)")
    payload = stream.read(struct.unpack(">BHI", header)[2] + 1)
    if len(payload) < 4 or struct.unpack(">HH", payload[:4]) != wanted:  # noqa: PLR2004
        raise NotYet("the broker refused: " + payload[4:200].decode(errors="replace"))
    arguments: bytes = payload[4:-1]
    return arguments


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
