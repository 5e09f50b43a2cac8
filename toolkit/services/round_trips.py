"""One round trip per kind of server: what "works" means, where a probe asks only whether it answers.

A message through a queue, a value through a cache, rows through a database, a page of an API. On the wire, as
the probes; nothing of it stays on the server.
"""

import secrets
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

from toolkit.config.services import Kind
from toolkit.services.probes import (
    ask_http,
    ask_port,
    expect,
    expect_method,
    nats_stream,
    postgres_connection,
    rabbitmq_stream,
    read_frame,
    redis_answer,
    redis_stream,
    send_frame,
    send_method,
    short,
)
from toolkit.services.waiting import NotYet

CHANNEL = 1


def _new() -> str:
    """Return a word that nobody else uses: name and content of what is sent."""
    return f"toolkit-{secrets.token_hex(8)}"


def _same(got: bytes, sent: str) -> None:
    if got != sent.encode():
        raise NotYet(f"sent {sent}, got {got[:200]!r}")


def through_postgres(url: str) -> None:
    """Write a row and read it back from a table that nobody else sees, and that is gone then."""
    sent = _new()
    with postgres_connection(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE toolkit_round_trip (word text)")
        connection.execute("INSERT INTO toolkit_round_trip VALUES (%s)", [sent])
        row = connection.execute("SELECT word FROM toolkit_round_trip").fetchone()
        connection.execute("DROP TABLE toolkit_round_trip")
    _same(str(row[0]).encode() if row else b"", sent)


def through_redis(url: str) -> None:
    """Set a value, read it back, delete it; it would go by itself after a minute."""
    sent = _new()
    with redis_stream(url) as stream:
        expect(redis_answer(stream, "SET", sent, sent, "EX", "60"), b"+OK")
        expect(redis_answer(stream, "GET", sent), b"$")
        _same(stream.readline().rstrip(b"\r\n"), sent)
        expect(redis_answer(stream, "DEL", sent), b":1")


def through_nats(url: str) -> None:
    """Publish to a subject of our own that we have subscribed to (docs.nats.io, client protocol)."""
    sent = _new()
    with nats_stream(url) as stream:
        stream.write(f"SUB {sent} 1\r\nPUB {sent} {len(sent)}\r\n{sent}\r\nPING\r\n".encode())
        stream.flush()
        expect(stream.readline(), f"MSG {sent} 1 {len(sent)}".encode())
        _same(stream.readline().rstrip(b"\r\n"), sent)
        expect(stream.readline(), b"PONG")


def through_rabbitmq(url: str) -> None:
    """Publish to a queue of our own with confirm, and fetch it (AMQP 0-9-1, sections 1.5 to 1.8).

    The queue is exclusive: the server deletes it with the connection.
    """
    sent = _new()
    with rabbitmq_stream(url) as stream:
        _call(stream, (20, 10), short(""), (20, 11))  # channel.open
        exclusive = struct.pack(">H", 0) + short(sent) + b"\x04" + struct.pack(">I", 0)
        _call(stream, (50, 10), exclusive, (50, 11))  # queue.declare
        _call(stream, (85, 10), b"\x00", (85, 11))  # confirm.select, an extension of RabbitMQ
        send_method(
            stream, (60, 40), struct.pack(">H", 0) + short("") + short(sent) + b"\x00", channel=CHANNEL
        )
        send_frame(stream, 2, struct.pack(">HHQH", 60, 0, len(sent), 0), channel=CHANNEL)
        send_frame(stream, 3, sent.encode(), channel=CHANNEL)
        expect_method(stream, (60, 80))  # basic.ack: the server has it
        _call(stream, (60, 70), struct.pack(">H", 0) + short(sent) + b"\x01", (60, 71))  # basic.get
        read_frame(stream)  # properties
        _same(read_frame(stream)[1], sent)


def _call(stream: Any, method: tuple[int, int], arguments: bytes, answer: tuple[int, int]) -> None:
    send_method(stream, method, arguments, channel=CHANNEL)
    expect_method(stream, answer)


def round_trip_of(kind: Kind, url: str, *, health: str = "") -> Callable[[], None]:
    """Return the round trip of a kind of server; it raises NotYet or OSError while it does not work.

    Args:
        kind: of the server; of one that we do not know only a connection can be asked.
        url: of the server.
        health: for ``http``: the path that answers 2xx when it is ready.
    """
    if kind == "http" or (kind == "other" and health):
        return lambda: ask_http(urljoin(url, health or "/"))
    ways: dict[str, Callable[[str], None]] = {
        "postgres": through_postgres,
        "redis": through_redis,
        "nats": through_nats,
        "rabbitmq": through_rabbitmq,
    }
    way = ways.get(kind, ask_port)
    return lambda: way(url)
