"""More memory and disk than a server has while it is short of them: it refuses, or dies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from toolkit.services.environment import Endpoint
from toolkit.services.probes import ask_http


def strain(endpoint: Endpoint) -> bool:
    """Ask a server for much memory and disk; tell whether it refused, or died: then it must come back."""
    try:
        STRAINS[endpoint.kind](endpoint.url)
    except Exception:  # noqa: BLE001 - whatever the client makes of it
        return True
    return False


def strain_postgres(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS big")
        connection.execute(
            "CREATE TABLE big AS SELECT repeat(md5(n::text), 60) FROM generate_series(1, 12000) n"
        )
        connection.execute("SELECT length(repeat('x', 100000000))")


def strain_redis(url: str) -> None:
    import redis

    with redis.Redis.from_url(url, socket_timeout=10) as client:
        client.set("big", bytes(64 * MEGABYTE))
        client.delete("big")


def strain_rabbitmq(url: str) -> None:
    import aio_pika

    async def publish() -> None:
        async with await aio_pika.connect(url, timeout=10) as connection:
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue("big", durable=True)
            await queue.purge(timeout=10)
            for _ in range(5):
                message = aio_pika.Message(
                    bytes(8 * MEGABYTE), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
                )
                await channel.default_exchange.publish(message, routing_key="big", timeout=3)

    asyncio.run(publish())


@contextlib.asynccontextmanager
async def nats_client(url: str) -> AsyncIterator[Any]:
    """Connect once; what fails is raised, and not logged beside."""
    import nats

    async def quiet(_problem: Exception) -> None:
        """It is raised as well."""

    client = await nats.connect(url, connect_timeout=5, allow_reconnect=False, error_cb=quiet)
    try:
        yield client
    finally:
        await client.close()


def strain_nats(url: str) -> None:
    import nats

    async def publish() -> None:
        async with nats_client(url) as client:
            stream = client.jetstream(timeout=5)
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await stream.delete_stream("big")
            await stream.add_stream(name="big", subjects=["big"])
            for _ in range(40):
                await stream.publish("big", bytes(MEGABYTE - 1000))

    asyncio.run(publish())


def strain_http(url: str) -> None:
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(ask_http, [f"{url}/books?limit=100"] * 200))


MEGABYTE = 1 << 20
STRAINS: dict[str, Callable[[str], None]] = {
    "postgres": strain_postgres,
    "redis": strain_redis,
    "rabbitmq": strain_rabbitmq,
    "nats": strain_nats,
    "http": strain_http,
}
