"""The way to the message queue: NATS or RabbitMQ, chosen by URL."""

import json
from urllib.parse import urlsplit

import aio_pika
import nats
from aio_pika.abc import AbstractRobustConnection
from nats.aio.client import Client

from bookshop.domain.events import StoredEvent
from bookshop.domain.problems import InvalidValue
from bookshop.ports import Publisher

TIMEOUT = 5.0  # seconds


class NatsPublisher:
    """Publishes on NATS subjects ``<prefix>.<subject>``.

    Each message is flushed: the server has taken it when ``publish`` returns. ``Nats-Msg-Id`` lets JetStream
    drop what arrives twice.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def publish(self, event: StoredEvent) -> None:
        await self._client.publish(
            f"{self._prefix}.{event.subject}",
            encode(event),
            headers={"Nats-Msg-Id": f"{self._prefix}-{event.id}"},
        )
        await self._client.flush(timeout=int(TIMEOUT))

    async def close(self) -> None:
        await self._client.close()


class AmqpPublisher:
    """Publishes to the durable topic exchange ``<prefix>`` with publisher confirms, persistent messages."""

    def __init__(self, connection: AbstractRobustConnection, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._connection = connection
        self._exchange = exchange

    async def publish(self, event: StoredEvent) -> None:
        message = aio_pika.Message(
            encode(event),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(event.id),
        )
        # not mandatory: an event that nobody listens to is not an error
        await self._exchange.publish(message, routing_key=event.subject, mandatory=False, timeout=TIMEOUT)

    async def close(self) -> None:
        await self._connection.close()


def encode(event: StoredEvent) -> bytes:
    """Write an event as its consumers read it: one JSON object."""
    return json.dumps(event.envelope(), separators=(",", ":")).encode()


async def connect_publisher(url: str, prefix: str) -> Publisher:
    """Connect to the queue at a URL.

    Raises:
        InvalidValue: neither ``nats://`` nor ``amqp://`` (or their TLS forms).
    """
    match urlsplit(url).scheme:
        case "nats" | "tls":
            return await connect_nats(url, prefix)
        case "amqp" | "amqps":
            return await connect_amqp(url, prefix)
        case scheme:
            raise InvalidValue(f"queue URL with scheme {scheme!r}: expected nats, tls, amqp or amqps")


async def connect_nats(url: str, prefix: str) -> NatsPublisher:
    """Connect to NATS."""
    client = await nats.connect(url, connect_timeout=int(TIMEOUT), max_reconnect_attempts=-1)
    return NatsPublisher(client, prefix)


async def connect_amqp(url: str, prefix: str) -> AmqpPublisher:
    """Connect to RabbitMQ and declare the exchange."""
    connection = await aio_pika.connect_robust(url, timeout=TIMEOUT)
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.declare_exchange(prefix, aio_pika.ExchangeType.TOPIC, durable=True)
    return AmqpPublisher(connection, exchange)
