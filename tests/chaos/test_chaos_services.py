"""Faults of a message queue and of an API: each is undone, also what a server dies of a moment later."""

import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from toolkit.assertions.polling import eventually
from toolkit.chaos.experiments import Chaos
from toolkit.errors import UsageError
from toolkit.leases.store import read_lease
from toolkit.services import inspection, provisioning, round_trips
from toolkit.services.faults import injecting
from toolkit.services.faults import processes as of_processes
from toolkit.services.faults.model import NETWORK_ACTIONS, SERVER_ACTIONS, Action, Fault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults of processes need Linux")

World = Any

API = """
import http.server, signal, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":  # as Erlang does: it answers nobody any more, and ends a while later
            self.server.socket.close()
            signal.setitimer(signal.ITIMER_REAL, 0.5)
        found = self.path in {"/ready", "/die"}
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""

SERVICES = {
    "nats": {"kind": "nats"},
    "api": {"kind": "http", "command": [sys.executable, "-c", API, "{port}"], "health": "/ready"},
}


@pytest.fixture(scope="module")
def world(up: Any) -> World:
    """NATS, an API and Redis as processes, to be broken."""
    return up("embedded", names=["nats", "api", "cache"], services=SERVICES)


def pid_of(world: World, service: str) -> str:
    lease = read_lease(world.store.path(world.environment.endpoint(service).lease))
    assert lease is not None
    return lease.what["pid"]


def limits(world: World, service: str) -> object:
    lease = read_lease(world.store.path(world.environment.endpoint(service).lease))
    assert lease is not None
    return {tuple(of_processes._limits(pid).items()) for pid in of_processes.members(lease)} - {()}


@pytest.mark.slow
@pytest.mark.parametrize("service", ["nats", "api"])
@pytest.mark.parametrize("action", [*SERVER_ACTIONS, *NETWORK_ACTIONS])
def test_it_works_again(world: World, chaos: Chaos, action: Action, service: str) -> None:
    """A message goes through, the page says ready, limits are as before, no fault is left."""
    chaos.url(service)
    chaos.steady_service(service)
    before = limits(world, service)
    with chaos.fault(action, service, seconds=0.01):
        pass
    assert limits(world, service) == before
    assert [each.service for each in chaos.recoveries] == [service]


def test_steady_is_what_goes_through_not_what_answers(chaos: Chaos) -> None:
    """Without its queue a message does not come back; and through a proxy that is cut neither."""
    chaos.steady_service("nats")
    with chaos.fault("stop", "nats"), pytest.raises(AssertionError, match="nats works: steady now"):
        chaos.prove_steady("now")
    chaos.url("nats")
    with chaos.fault("cut", "nats"), pytest.raises(AssertionError, match="nats works: steady now"):
        chaos.prove_steady("now")
    chaos.prove_steady("in the end")


def test_an_api_is_ready_when_its_page_says_so(world: World) -> None:
    """Not when "/" does, which many do not have: as `services.status` shows it."""
    assert provisioning.state_of(world.environment.endpoint("api")) == "ready"
    rows = {row.service: row.state for row in inspection.status(world.store, project=str(world.root))}
    assert rows["api"] == "ready"


@pytest.fixture
def dying(world: World) -> Iterator[str]:
    """The address at which the API is asked to die late; it was started again."""
    before = pid_of(world, "api")
    yield f"{world.environment.urls['API_URL']}/die"
    assert pid_of(world, "api") != before


def asked(url: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=10).close()


def test_a_server_that_dies_of_a_fault_after_it_was_undone_is_started_again(
    world: World, chaos: Chaos, dying: str
) -> None:
    """RabbitMQ without memory writes a crash dump for a while, and is gone only then."""
    chaos.steady_service("api")
    with chaos.fault("squeeze_memory", "api"):
        asked(dying)
    assert world.faults() == []


def test_a_sweep_waits_for_it_too(world: World, dying: str) -> None:
    """What a killed process left is undone for good: the server is alive in the end."""
    dead = world.store.owner("session", pid=2**22 + 1)
    fault = Fault(action="fill_disk", service="api")
    injecting.inject(world.store, dead, world.environment, world.environment.endpoint("api"), fault)
    asked(dying)
    swept = provisioning.sweep(world.store)
    assert [row.name for row in swept.released] == ["fill_disk api"]
    eventually(lambda: provisioning.answers(world.environment), within=60)


def test_a_sweep_does_not_wait_for_ever(world: World, chaos: Chaos, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a server that lives and does not answer, because another one that it needs is away, say."""
    monkeypatch.setattr(injecting, "PATIENCE", 0.1)
    endpoint = world.environment.endpoint("api")
    fault = Fault(action="squeeze_memory", service="api")
    dead = world.store.owner("session", pid=2**22 + 1)
    injecting.inject(world.store, dead, world.environment, endpoint, fault)
    before = pid_of(world, "api")
    lease = read_lease(world.store.path(endpoint.lease))
    assert lease is not None

    def asking() -> None:
        raise OSError("silent")

    monkeypatch.setattr(injecting, "probe_of", lambda *_, **__: asking)
    begun = time.monotonic()
    assert provisioning.sweep(world.store).failed == ()
    assert time.monotonic() - begun >= 0.1
    assert pid_of(world, "api") == before


def test_a_full_disk_is_an_error_and_not_the_end_of_a_server(world: World, chaos: Chaos) -> None:
    """Redis does not ignore SIGXFSZ: it gets EFBIG, lives, and has what it had."""
    with redis.Redis.from_url(world.environment.urls["REDIS_URL"]) as client:
        client.set("big", os.urandom(3 << 20))
        before = pid_of(world, "cache")
        with chaos.fault("fill_disk", "cache", size=1), pytest.raises(redis.exceptions.ResponseError):
            client.save()
        assert client.strlen("big") == 3 << 20
        assert client.save()
        client.flushall()
    assert pid_of(world, "cache") == before


def test_the_queue_is_found_where_it_really_is(world: World, chaos: Chaos) -> None:
    """Without RabbitMQ it is NATS under another variable than that of the configuration; or nobody knows."""
    chaos._variables = {"nats": "AMQP_URL"}
    assert chaos.url("nats").startswith("nats://")
    for service in ("nowhere", "other"):
        with pytest.raises(UsageError, match=f"{service}: its URL is not in the environment"):
            chaos.steady_service(service)


def test_a_server_of_somebody_else_is_asked_by_the_scheme_of_its_url(world: World) -> None:
    url = world.environment.urls["NATS_URL"]
    store = world.store
    theirs = Chaos(store, store.owner(), project="/x", urls={"Q": url}, variables={"queue": "Q"})
    theirs.steady_service("queue")
    theirs.prove_steady("now")
    with theirs.fault("latency", "queue") if theirs.url("queue") else contextlib.nullcontext():
        pass
    theirs.close()


@pytest.mark.slow
def test_rabbitmq_outlives_faults_that_kill_it_late(up: Any) -> None:
    """Without memory it dies of a message, slowly; with a full disk it refuses it. A kept message is kept."""
    import asyncio

    import aio_pika

    world = up("embedded", names=["message_queue"], services={})
    (endpoint,) = world.environment.endpoints
    chaos = world.chaos()
    chaos.steady_service("message_queue")

    async def published(queue: str, size: int) -> int:
        async with await aio_pika.connect(endpoint.url, timeout=10) as connection:
            channel = await connection.channel(publisher_confirms=True)
            declared = await channel.declare_queue(queue, durable=True)
            if size:
                mode = aio_pika.DeliveryMode.PERSISTENT
                message = aio_pika.Message(bytes(size), delivery_mode=mode)
                await channel.default_exchange.publish(message, routing_key=queue, timeout=10)
            return int(declared.declaration_result.message_count or 0)

    async def is_there(queue: str) -> bool:
        async with await aio_pika.connect(endpoint.url, timeout=10) as connection:
            channel = await connection.channel()
            try:
                await channel.declare_queue(queue, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                return False
            return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(round_trips, "_new", lambda: "mine")
        for _ in range(2):
            round_trips.round_trip_of(endpoint.kind, endpoint.url)()
    assert not asyncio.run(is_there("mine"))
    asyncio.run(published("kept", 1))
    before = pid_of(world, "message_queue")
    with (
        chaos.fault("squeeze_memory", "message_queue"),
        contextlib.suppress(
            Exception
        ),  # toolkit: ignore[TS110] how the client fares is left to the server's end
    ):
        asyncio.run(published("big", 16 << 20))
    assert pid_of(world, "message_queue") != before
    assert asyncio.run(published("kept", 0)) == 1
    with chaos.fault("pause", "message_queue"):
        pass
    assert world.faults() == []
