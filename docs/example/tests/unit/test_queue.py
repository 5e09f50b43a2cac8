"""Which queue a URL means, and what is written to it. The queues themselves are in tests/integration."""

import json
import socket
from datetime import UTC, datetime

import pytest

from bookshop.domain.events import StoredEvent
from bookshop.domain.problems import InvalidValue
from bookshop.queue import connect_publisher, encode

pytestmark = pytest.mark.unit


def test_consumers_get_one_json_object():
    event = StoredEvent(
        id=5, subject="orders.paid", happened_at=datetime(2026, 1, 1, tzinfo=UTC), body={"order_id": 7}
    )
    assert json.loads(encode(event)) == {
        "id": 5,
        "subject": "orders.paid",
        "happened_at": "2026-01-01T00:00:00+00:00",
        "body": {"order_id": 7},
    }


@pytest.mark.parametrize("url", ["kafka://localhost", "localhost:4222", ""])
async def test_an_unknown_queue_is_refused(url):
    with pytest.raises(InvalidValue, match="expected nats"):
        await connect_publisher(url, "bookshop")


@pytest.mark.uses("port 47113")
async def test_an_absent_amqp_server_is_an_error_not_a_wait():
    """It needs this very port to be closed, so no two tests may use it at the same time."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 47113))  # bound, but nobody listens
        with pytest.raises(OSError, match=r"refused|111|Connect"):
            await connect_publisher("amqp://127.0.0.1:47113/", "bookshop")
