"""What all profiles share: one clear word when a server is missing, and the running shop by its URL."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
import nats
import pytest

from bookshop.domain.isbn import check_digit_13

_NUMBERS = count(uuid4().int % 10**8)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run the async tests on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def required() -> Callable[..., str]:
    """Return the first of some environment variables that is set; a missing server is an error, no skip."""

    def required(*names: str) -> str:
        for name in names:
            if value := os.environ.get(name):
                return value
        wanted = " or ".join(names)
        pytest.fail(
            f"{wanted} is not set. Either run this through Nox, which starts the server (for example"
            f" `nox -s integration`), or set {wanted} to one that may be used for tests.",
            pytrace=False,
        )

    return required


@pytest.fixture(scope="session")
def live_api(required) -> Iterator[httpx.Client]:
    """The shop at API_URL."""
    with httpx.Client(base_url=required("API_URL"), timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def live_admin() -> dict[str, str]:
    """Headers of the shop's owner: BOOKSHOP_ADMIN_TOKEN, as the server was given it."""
    return {"Authorization": f"Bearer {os.environ.get('BOOKSHOP_ADMIN_TOKEN', 'owner')}"}


@pytest.fixture
def shelve(live_api, live_admin) -> Callable[..., dict[str, Any]]:
    """Put a book on the shelf of the running shop."""

    def make(**fields: object) -> dict[str, Any]:
        first = f"979{(next(_NUMBERS) * 7919) % 10**9:09}"
        body = {
            "isbn": first + check_digit_13(first),
            "title": f"Emma {uuid4().hex}",
            "authors": ["A. Nobody"],
        }
        answer = live_api.post(
            "/books", json={**body, "price_cents": 1000, "stock": 5, **fields}, headers=live_admin
        )
        assert answer.status_code == 201, answer.text
        book: dict[str, Any] = answer.json()
        return book

    return make


@pytest.fixture
def register(live_api) -> Callable[[], dict[str, str]]:
    """Register somebody new and return the headers that say who it is."""

    def make() -> dict[str, str]:
        body = {"email": f"{uuid4().hex}@example.com", "name": "Reader"}
        answer = live_api.post("/customers", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    return make


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

    async def taken(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        take(message.body)

    await queue.consume(taken, no_ack=True)
