"""The message queue fixtures on a real RabbitMQ and a real NATS: one interface, nothing seen of others."""

import asyncio
import contextlib
import os
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore
from toolkit.plugin.fixtures import brokers
from toolkit.plugin.fixtures.brokers import Message, as_bytes
from toolkit.plugin.fixtures.queues import AsyncMessageQueue, open_queue
from toolkit.services.provisioning import running

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

Run = Callable[..., pytest.RunResult]
KINDS = {"amqp": "rabbitmq", "nats": "nats"}


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real RabbitMQ and a real NATS for the tests of this file."""
    folder = tmp_path_factory.mktemp("queues")
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
    environ |= {"TOOLKIT_STATE_HOME": str(folder / "state"), "TOOLKIT_CACHE_HOME": str(folder / "cache")}
    services = {scheme: {"kind": kind} for scheme, kind in KINDS.items()}
    config = parse_config({"tool": {"toolkit": {"services": services}}}, root=folder, environ={})
    with (
        LeaseStore(folder / "state") as store,
        running(config, list(KINDS), runtime="embedded", environ=environ, store=store) as environment,
    ):
        yield {scheme: url for scheme in KINDS for url in environment.urls.values() if url.startswith(scheme)}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, urls: dict[str, str]) -> str:
    return urls[request.param]


def test_what_is_published_is_consumed_in_order_also_when_asked_later(url: str) -> None:
    """Topics are kept apart, bodies and headers arrive as they were sent."""
    with open_queue(url, "t_order") as queue:
        queue.publish("orders.placed", {"id": 1}, headers={"trace": "a"})
        queue.publish("orders.paid", "text")
        queue.publish("orders.placed", b"\x00\xff")
        assert queue.consume("orders.paid").body == b"text"
        first, second = queue.consume(), queue.consume("orders.placed")
        assert (first.topic, first.json(), first.headers) == ("orders.placed", {"id": 1}, {"trace": "a"})
        assert second == Message(topic="orders.placed", body=b"\x00\xff")
        assert "t_order" in repr(queue)


def test_two_workers_on_one_server_do_not_hear_each_other(url: str) -> None:
    """Also where one's prefix begins like the other's, and when both are purged."""
    with open_queue(url, "t_1") as one, open_queue(url, "t_11") as other:
        one.publish("a", "one's")
        other.publish("a", "other's")
        assert other.purge() == 1
        assert one.consume().body == b"one's"
        with pytest.raises(TimeoutError, match=r"no message arrived within 0.05 s; .*no message at all"):
            one.consume(timeout=0.05)


def test_purge_drops_what_was_sent_before_it_and_nothing_later(url: str) -> None:
    """Messages that were set aside count too; nothing arrives late."""
    with open_queue(url, "t_purge") as queue, open_queue(url, "t_purge") as same:
        for number in range(50):
            same.publish("n", number)
        with pytest.raises(TimeoutError, match=r"no message on 'other' .*not consumed: 'n'"):
            queue.consume("other", timeout=0.2)
        assert queue.purge() == 50
        same.publish("n", "after")
        assert queue.consume("n").body == b"after"


def test_an_asynchronous_test_keeps_its_event_loop_running(url: str) -> None:
    """A consumer that waits does not stop the publisher in the same loop."""
    with open_queue(url, "t_async") as queue:

        async def body() -> bytes:
            in_loop = AsyncMessageQueue(queue)
            waiting = asyncio.create_task(in_loop.consume("late"))
            await asyncio.sleep(0.05)
            await in_loop.publish("late", b"arrived")
            found = await waiting
            assert await in_loop.purge() == 0
            return found.body

        assert asyncio.run(body()) == b"arrived"


def test_nothing_of_ours_stays_on_rabbitmq(urls: dict[str, str]) -> None:
    """Exchange and queue are gone with the worker; an application's own exchange of another name is not."""
    import aio_pika

    async def exists(exchange: str) -> bool:
        async with await aio_pika.connect(urls["amqp"]) as connection:
            channel = await connection.channel()
            try:
                await channel.declare_exchange(exchange, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                return False
            return True

    with open_queue(urls["amqp"], "t_gone"):
        assert asyncio.run(exists("t_gone"))
    assert not asyncio.run(exists("t_gone"))
    assert asyncio.run(exists("amq.topic"))


class Relay:
    """Passes everything on to a real server until it is told to say nothing more."""

    def __init__(self, url: str) -> None:
        self._to = urllib.parse.urlsplit(url)
        self._passing: list[asyncio.Task[None]] = []
        self.mute = False

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return self._to._replace(netloc=f"{self._to.netloc.rpartition(':')[0]}:{port}").geturl()

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._passing.append(asyncio.create_task(self._relay(reader, writer)))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(self._to.hostname, self._to.port)
        await asyncio.gather(self._pass(reader, requests), self._pass(answers, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                if not self.mute:
                    writer.write(data)
        except ConnectionError:
            return
        finally:
            writer.close()


@pytest.mark.parametrize("what", ["publish", "purge", "close"])
def test_a_rabbitmq_that_says_nothing_more_does_not_stop_the_run(
    urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The driver itself would wait for ever."""

    async def body() -> None:
        relay = Relay(urls["amqp"])
        async with relay as url:
            broker = await brokers.connect_rabbitmq(url, f"t_mute_{what}")
            relay.mute = True
            monkeypatch.setattr(brokers, "CONNECT_TIMEOUT", 0.2)
            words = [Message(topic="a", body=b"")] if what == "publish" else []
            task = asyncio.create_task(getattr(broker, what)(*words))
            await asyncio.wait([task], timeout=30)
            assert task.done()
            with pytest.raises(TimeoutError):
                await task
            relay.mute = False
            with contextlib.suppress(Exception):  # it may have ended with the answer that never came
                await asyncio.wait_for(broker.close(), 5)

    asyncio.run(body())


def test_bodies_become_bytes() -> None:
    assert [as_bytes(body) for body in (b"a", bytearray(b"b"), "ü", [1, None])] == [
        b"a",
        b"b",
        "ü".encode(),
        b"[1,null]",
    ]


def test_each_worker_has_a_queue_of_its_own(
    pytester: pytest.Pytester,
    active: Path,
    run: Run,
    urls: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every test starts with an empty queue, whatever the one before left in it."""
    monkeypatch.delenv("AMQP_URL", raising=False)
    monkeypatch.setenv("NATS_URL", urls["nats"])
    pytester.makepyfile(
        """
        import asyncio, pytest

        @pytest.mark.parametrize("number", range(6))
        def test_queue(message_queue, worker_namespace, number):
            assert message_queue.prefix == worker_namespace
            message_queue.publish("topic", number)
            message_queue.publish("topic", "left behind")
            assert message_queue.consume("topic").json() == number

        def test_async(async_message_queue):
            async def body():
                await async_message_queue.publish("a", "b")
                return (await async_message_queue.consume("a")).body
            assert asyncio.run(body()) == b"b"
        """
    )
    run("--no-record", "-n", "2").assert_outcomes(passed=7)


def test_a_missing_url_is_one_clear_error_with_both_ways_to_get_one(
    pytester: pytest.Pytester, active: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AMQP_URL", "NATS_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile("def test_a(message_queue): pass\ndef test_fine(): pass")
    result = run("--no-record")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*this test needs a message queue, and AMQP_URL and NATS_URL are not set.",
            '*services = [[]"message_queue"[]]*set AMQP_URL or NATS_URL:*message_queue --keep',
        ]
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kafka://127.0.0.1:9", "begins with 'kafka': expected amqp, amqps, nats, tls"),
        ("amqp://user:hidden@127.0.0.1:9/", "message queue at 127.0.0.1:9 cannot be used: "),
        ("nats://user:hidden@127.0.0.1:9", "message queue at 127.0.0.1:9 cannot be used: ConnectionRefused"),
    ],
)
def test_a_server_that_cannot_be_used_is_named_without_its_password(url: str, message: str) -> None:
    with pytest.raises(pytest.fail.Exception) as caught, open_queue(url, "t_none"):
        pass
    assert message in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "url", "package"),
    [("aio_pika", "amqp://127.0.0.1:9/", "aio-pika"), ("nats", "nats://127.0.0.1:9", "nats-py")],
)
def test_a_missing_driver_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, url: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(pytest.fail.Exception, match=f"needs the package '{package}'"), open_queue(url, "t"):
        pass
