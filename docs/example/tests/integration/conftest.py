"""A schema of its own for each worker, emptied before each test; a cache prefix and a queue prefix likewise.

Everything else in the tests asks for ``database_url``, ``redis_client`` and ``listen`` only, so that another
way to isolate them changes this file alone.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any
from urllib.parse import quote

import aio_pika
import nats
import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import Engine, create_engine

from bookshop.cache import RedisCache
from bookshop.domain.books import Book, NewBook
from bookshop.domain.isbn import check_digit_13
from bookshop.migrate import migrate
from bookshop.ports import Customer
from bookshop.settings import with_driver
from bookshop.storage.store import SqlStore

WORKER = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"


@pytest.fixture(scope="session")
def database_url(required) -> Iterator[str]:
    """A migrated schema that no other worker sees, as a URL; gone afterwards."""
    server = required("DATABASE_URL")
    schema = f"bookshop_{WORKER}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        url = f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={schema}')}"
        migrate(url)
        yield url
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


@pytest.fixture(scope="session")
def shared_engine(database_url) -> Iterator[Engine]:
    engine = create_engine(with_driver(database_url), pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(shared_engine) -> Engine:
    """The worker's database, empty."""
    tables = (
        "books, authors, book_authors, customers, cart_lines, orders, order_lines, idempotency_keys, outbox"
    )
    with shared_engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
    return shared_engine


@pytest.fixture
def store(engine) -> SqlStore:
    return SqlStore(engine)


@pytest.fixture
def redis_client(required) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(required("REDIS_URL"))
    yield client
    client.close()


@pytest.fixture
def prefix() -> str:
    """Begins every name that this worker uses on shared servers."""
    return f"bookshop-{WORKER}"


@pytest.fixture
def cache(redis_client, prefix) -> Iterator[RedisCache]:
    """A cache whose keys are this worker's own; they are removed afterwards, and no others."""
    yield RedisCache(redis_client, prefix)
    for key in redis_client.scan_iter(f"{prefix}:*"):
        redis_client.delete(key)


@pytest.fixture(scope="session")
def queue_url(required) -> str:
    return required("NATS_URL", "AMQP_URL")


Receive = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
async def listen(queue_url) -> AsyncIterator[Callable[[str], Awaitable[Receive]]]:
    """Listen to all events of a shop, as a consumer would: ``receive = await listen(prefix)``."""
    async with AsyncExitStack() as stack:

        async def listen(prefix: str) -> Receive:
            arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            follow = _follow_amqp if queue_url.startswith("amqp") else _follow_nats
            await follow(queue_url, prefix, lambda body: arrived.put_nowait(json.loads(body)), stack)
            return lambda: asyncio.wait_for(arrived.get(), 5)

        yield listen


async def _follow_nats(url: str, prefix: str, take: Callable[[bytes], None], stack: AsyncExitStack) -> None:
    client = await nats.connect(url)
    stack.push_async_callback(client.close)

    async def taken(message: nats.aio.msg.Msg) -> None:
        take(message.data)

    await client.subscribe(f"{prefix}.>", cb=taken)
    await client.flush()


async def _follow_amqp(url: str, prefix: str, take: Callable[[bytes], None], stack: AsyncExitStack) -> None:
    connection = await aio_pika.connect(url)
    stack.push_async_callback(connection.close)
    channel = await connection.channel()
    exchange = await channel.declare_exchange(prefix, aio_pika.ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, "#")
    await queue.consume(lambda message: take(message.body), no_ack=True)


@pytest.fixture
def make_book(store) -> Callable[..., Book]:
    """Put a book on the shelf; what is not said is filled in."""
    numbers = count()

    def make(**fields: object) -> Book:
        first = f"978{next(numbers):09}"
        defaults = {"isbn": first + check_digit_13(first), "title": "Emma", "authors": ("Jane Austen",)}
        with store.work() as work:
            return work.books.add(NewBook(**{**defaults, "price_cents": 1000, "stock": 5, **fields}))

    return make


@pytest.fixture
def make_customer(store) -> Callable[[], Customer]:
    """Let somebody new come in."""
    numbers = count()

    def make() -> Customer:
        number = next(numbers)
        with store.work() as work:
            return work.customers.add(
                email=f"reader{number}@example.com", name="Reader", token_hash=f"{number:064}"
            )

    return make
