"""The same faults on containers: each bites, and the container is as before when it is undone."""

import contextlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from toolkit.chaos.experiments import Chaos
from toolkit.config.services import Service
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import Lease, read_lease
from toolkit.services import provisioning
from toolkit.services.engine import connected, engine_host
from toolkit.services.faults import containers, injecting
from toolkit.services.faults.model import SERVER_ACTIONS, Fault, ServerAction
from toolkit.services.servers import launch, nats

pytestmark = [pytest.mark.slow, pytest.mark.uses("engine")]

World = Any


@pytest.fixture(scope="module")
def world(up: Any) -> World:
    """PostgreSQL and Redis in containers, to be broken."""
    return up("compose")


def lease_of(world: World) -> Lease:
    found = read_lease(world.store.path(world.environment.endpoints[0].lease))
    assert found is not None
    return found


def state(world: World) -> dict[str, Any]:
    """What must be the same afterwards."""
    lease = lease_of(world)
    found: dict[str, Any] = {}
    with connected(lease.what["host"], timeout=60) as client:
        for service in ("database", "cache"):
            (container,) = containers.find(client, lease.id, service)
            known = containers._limits(container)
            unlimited = known["CpuQuota"] in {0, -1} and known["NanoCpus"] == 0
            found[service] = (container.id, container.status, unlimited, known["data"], known["fsize"])
    return found


def test_everything_is_as_before(world: World, chaos: Chaos) -> None:
    """Every action on both services: same containers, running, same limits, same committed data."""
    url = world.environment.urls["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7); CHECKPOINT")
    before = state(world)
    for action in SERVER_ACTIONS:
        for service in ("database", "cache"):
            with chaos.fault(action, service):
                pass
            assert state(world) == before, f"{action} {service}"
    assert len(chaos.recoveries) == 2 * len(SERVER_ACTIONS)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]


@pytest.mark.parametrize("action", ["kill", "pause", "squeeze_memory", "fill_disk"])
def test_it_bites(world: World, chaos: Chaos, action: ServerAction) -> None:
    """Down, silent, out of memory, or no room: what an application sees."""
    url = world.environment.urls["DATABASE_URL"]
    queries = {
        "squeeze_memory": "SELECT length(repeat('x', 100000000))",
        "fill_disk": "CREATE TABLE big AS SELECT repeat(md5(n::text), 60) FROM generate_series(1, 12000) n",
    }
    query = queries.get(action, "SELECT 1")

    def ask() -> None:
        with contextlib.closing(psycopg.connect(url, connect_timeout=2)) as connection:
            connection.execute(query)

    with chaos.fault(action, "database"), pytest.raises(psycopg.Error):
        ask()


def test_a_squeezed_container_has_a_quota(world: World, chaos: Chaos) -> None:
    lease = lease_of(world)
    with chaos.fault("squeeze_cpu", "database", share=0.25), connected(lease.what["host"]) as client:
        (container,) = containers.find(client, lease.id, "database")
        assert container.attrs["HostConfig"]["CpuQuota"] == 25_000


def test_a_limit_in_whole_cpus_is_given_back(world: World) -> None:
    """A container that was made with ``cpus`` has that afterwards: the engine keeps it under another name."""
    lease = lease_of(world)
    with connected(lease.what["host"], timeout=60) as client:
        (cache,) = containers.find(client, lease.id, "cache")
        made = client.containers.run(
            cache.image.id, ["600"], entrypoint="sleep", nano_cpus=1_500_000_000, detach=True
        )
        try:
            made.reload()
            before = containers._limits(made)
            containers._squeeze_cpu(client, made, Fault(action="squeeze_cpu", service="x", share=0.25))
            made.reload()
            assert made.attrs["HostConfig"]["NanoCpus"] == 250_000_000
            containers._give_back(client, made, before)
            made.reload()
            assert containers._limits(made) == before
        finally:
            made.remove(force=True)


def test_a_sweep_undoes_what_an_owner_left(world: World, chaos: Chaos) -> None:
    """As after kill -9: the owner of the fault is dead, that of the containers lives."""
    before = state(world)
    environment, endpoint = world.environment, world.environment.endpoint("database")
    for action in ("pause", "fill_disk", "kill"):
        dead = world.store.owner("session", pid=2**22 + 1)
        injecting.inject(world.store, dead, environment, endpoint, Fault(action=action, service="database"))
        swept = provisioning.sweep(world.store)
        assert [row.name for row in swept.released] == [f"{action} database"]
        after = state(world)
        assert {**after, "cache": None} == {**before, "cache": None}


@pytest.fixture
def bare_image(tmp_path: Path) -> Iterator[str]:
    """An image with nats-server in it and nothing else: no shell, no cat."""
    import docker

    # of the wheel where there is one for this Python: a program that needs no libraries
    nats_server = launch.find_program(Service(kind="nats"), "", wheels=nats.WHEELS)
    assert nats_server is not None
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.add(nats_server.path, "nats-server")
    name = f"toolkit-test-bare-{tmp_path.parent.name.lower()}"
    client = docker.DockerClient(base_url=engine_host(os.environ))
    with contextlib.closing(client):
        changes = ['ENTRYPOINT ["/nats-server"]', "ENV PATH=/"]
        client.api.import_image(str(tmp_path / "image.tar"), repository=name, tag="x", changes=changes)
        yield f"{name}:x"
        client.images.remove(f"{name}:x", force=True)


def test_what_an_image_has_no_means_for_is_refused_and_the_rest_works(up: Any, bare_image: str) -> None:
    """Without a shell: killed, stopped, paused, squeezed of processor time; not of memory and disk."""
    world = up("compose", names=["nats"], services={"nats": {"kind": "nats", "image": bare_image}})
    chaos = world.chaos()
    chaos.steady_service("nats")
    for action in ("kill", "stop", "restart", "pause", "squeeze_cpu"):
        with chaos.fault(action, "nats"):
            pass
    for action in ("squeeze_memory", "fill_disk"):
        refused = pytest.raises(EnvironmentFailed, match="its image has no programs for that")
        with refused, chaos.fault(action, "nats"):
            pytest.fail("done without the means")
    chaos.prove_steady("in the end")
    assert world.faults() == []
    provisioning.down(world.store, world.environment.id)  # the image can only be removed then


def test_a_container_that_dies_late_is_started_again(up: Any) -> None:
    """As processes: Redis without memory ends itself."""
    world = up("compose", names=["cache"])
    chaos = world.chaos()
    chaos.steady_service("cache")
    with (
        chaos.fault("squeeze_memory", "cache"),
        contextlib.suppress(redis.exceptions.RedisError),
        redis.Redis.from_url(world.environment.urls["REDIS_URL"], socket_timeout=10) as client,
    ):
        client.set("big", bytes(64 << 20))
    with redis.Redis.from_url(world.environment.urls["REDIS_URL"]) as client:
        assert client.get("big") is None
    lease = lease_of(world)
    with connected(lease.what["host"], timeout=60) as engine:
        (container,) = containers.find(engine, lease.id, "cache")
        container.kill()
        containers.revive(world.store, lease, "cache")
        container.reload()
        assert container.status == "running"
    chaos.await_answer(Fault(action="kill", service="cache"), world.environment.endpoint("cache"))


def test_an_image_without_the_means_is_told(world: World) -> None:
    class Poor:
        name = "poor"

        def exec_run(self, command: list[str], **_: object) -> tuple[int, bytes]:
            return (0, b"0:0") if command[0] == "stat" else (127, b"prlimit: not found")

    with pytest.raises(EnvironmentFailed, match="poor: its limits: prlimit: not found"):
        containers._inside(Poor(), "prlimit")
    lease = lease_of(world)
    gone = pytest.raises(EnvironmentFailed, match="nothing: its container is gone")
    with gone, connected(lease.what["host"]) as client:
        containers.find(client, lease.id, "nothing")


class Forgetful:
    """A container whose engine loses the output of commands."""

    name = "shop-database-1"

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self._answers = list(answers)

    def exec_run(self, _command: list[str]) -> tuple[int, bytes]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


LIMITED = Path("/proc/self/limits").read_bytes()


def test_a_container_that_ends_while_it_is_mended_is_no_problem() -> None:
    """Then there is nothing to give back; one that runs on with a limit of ours is a problem."""

    class Dying:
        status = "exited"

        def reload(self) -> None:
            """It is asked again."""

    with containers._unless_it_ends(Dying()):
        raise EnvironmentFailed("its limits cannot be read")
    Dying.status = "running"
    with pytest.raises(EnvironmentFailed), containers._unless_it_ends(Dying()):
        raise EnvironmentFailed("its limits cannot be read")


def test_limits_that_cannot_be_read_are_not_unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of ours would be taken for what was there before, and stay."""
    monkeypatch.setattr(containers, "PAUSE", 0)
    told = containers._sizes(Forgetful((0, b""), (0, LIMITED)))
    assert told == containers._sizes(Forgetful((0, LIMITED)))
    with pytest.raises(EnvironmentFailed, match="limits cannot be read"):
        containers._sizes(Forgetful((0, b"")))
    assert set(containers._sizes(Forgetful((127, b"no cat"))).values()) == {"unlimited"}
