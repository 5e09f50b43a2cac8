"""From the outbox to the queue: every event arrives, also when queue or relay fail in between."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from bookshop.cache import NoCache
from bookshop.checkout import place_order, put_in_cart
from bookshop.queue import connect_publisher
from bookshop.relay import relay_once, relay_until
from bookshop.settings import with_driver

pytestmark = [pytest.mark.integration, pytest.mark.database, pytest.mark.real_db]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def clock():
    return NOON


@pytest.fixture
async def async_engine(isolated_db):
    engine = create_async_engine(with_driver(isolated_db.url))
    yield engine
    await engine.dispose()


@pytest.fixture
async def publisher(async_message_queue):
    publisher = await connect_publisher(async_message_queue.url, async_message_queue.prefix)
    yield publisher
    await publisher.close()


@pytest.fixture
def place_orders(store, make_book, make_customer):
    """Leave events in the outbox by placing orders."""

    def place(count):
        customer, book = make_customer(), make_book(stock=count)
        for number in range(count):
            put_in_cart(store, customer.id, book.id, 1)
            place_order(
                store, NoCache(), customer.id, address="1 Main Street", key=f"key-{number:04}", clock=clock
            )

    return place


class Breaking:
    """A queue that takes some events and then no more."""

    def __init__(self, after):
        self.left = after
        self.taken = []
        self.full = asyncio.Event()

    async def publish(self, event):
        if not self.left:
            raise ConnectionError("gone")
        self.left -= 1
        self.taken.append(event.id)
        if not self.left:
            self.full.set()

    async def close(self):
        """Nothing to close."""


async def test_an_order_arrives_at_whoever_listens(
    async_engine, publisher, async_message_queue, place_orders
):
    place_orders(1)
    assert await relay_once(async_engine, publisher, clock=clock) == 1
    event = (await async_message_queue.consume("orders.placed")).json()
    assert (event["subject"], event["body"]["total_cents"]) == ("orders.placed", 1490)


async def test_events_arrive_in_order_and_once(async_engine, publisher, async_message_queue, place_orders):
    place_orders(5)
    assert [await relay_once(async_engine, publisher, clock=clock, limit=3) for _ in range(3)] == [3, 2, 0]
    ids = [(await async_message_queue.consume()).json()["id"] for _ in range(5)]
    assert ids == sorted(ids)


async def test_nothing_is_lost_when_the_queue_fails_half_way(async_engine, place_orders):
    place_orders(5)
    broken, whole = Breaking(after=2), Breaking(after=99)
    with pytest.raises(ConnectionError):
        await relay_once(async_engine, broken, clock=clock)
    assert await relay_once(async_engine, whole, clock=clock) == 3
    assert sorted(broken.taken + whole.taken) == [1, 2, 3, 4, 5]


async def test_several_relays_share_the_work(async_engine, place_orders):
    place_orders(20)
    queues = [Breaking(after=99) for _ in range(4)]
    await asyncio.gather(*(relay_once(async_engine, queue, clock=clock, limit=5) for queue in queues))
    taken = [number for queue in queues for number in queue.taken]
    assert len(taken) == len(set(taken))
    await relay_once(async_engine, queues[0], clock=clock)
    assert sorted(number for queue in queues for number in queue.taken) == list(range(1, 21))


async def test_a_relay_runs_until_it_is_told_to_stop(async_engine, place_orders):
    stop = asyncio.Event()
    queue = Breaking(after=3)
    relay = asyncio.create_task(relay_until(stop, async_engine, queue, clock=clock, pause=0.01))
    await asyncio.to_thread(place_orders, 3)
    async with asyncio.timeout(10):
        await queue.full.wait()
    stop.set()
    assert await relay == 3
