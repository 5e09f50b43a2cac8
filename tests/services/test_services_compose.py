"""The compose runtime on a real engine: nothing left behind, nothing of others touched, no secrets shown."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from tests.listening import addresses_of_ports, command_lines
from toolkit.config import Config
from toolkit.errors import ConfigError, EnvironmentFailed, ServiceNotReady
from toolkit.leases.owners import new_owner
from toolkit.leases.store import LeaseStore
from toolkit.services import compose, control, inspection, provisioning
from toolkit.services.compose import shipped_files
from toolkit.services.engine import LEASE_LABEL, OWNER_LABEL, connected, engine_host, find_engine
from toolkit.services.provisioning import running
from toolkit.services.servers.launch import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.uses("engine"),
    pytest.mark.usefixtures("unmeasured"),
]

Configure = Callable[..., Config]

ANSWER_WITH_NAME = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.uname().nodename} {os.environ['REDIS_URL']}".encode())
http.server.HTTPServer(("", 8000), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """A client of a real engine; in CI its absence is a failure, elsewhere a skip that says what to do."""
    found = find_engine(os.environ)
    if not found.usable:
        message = f"{found.why}; run `.ci/docker-engine up` and export what it prints"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with connected(engine_host(os.environ), timeout=30) as client:
        yield client


def of_lease(client: Any, lease_id: str) -> list[Any]:
    """Return everything on the engine that bears the label of a lease."""
    wanted = {"label": f"{LEASE_LABEL}={lease_id}"}
    return [
        *client.containers.list(all=True, filters=wanted, ignore_removed=True),
        *client.networks.list(filters=wanted),
        *client.volumes.list(filters=wanted),
    ]


def compose_lease(store: LeaseStore) -> str:
    (lease,) = [lease.id for lease in store.leases() if lease.kind == "compose"]
    return lease


def test_database_and_cache_come_up_answer_and_go(
    configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """Real queries answer under the URLs, on loopback only; afterwards nothing bears our label."""
    lines: list[str] = []
    with running(
        configure(), ["database", "cache"], runtime="compose", store=store, say=lines.append
    ) as found:
        lease = compose_lease(store)
        with psycopg.connect(found.urls["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("test",)
        bindings = [
            binding
            for container in of_lease(engine, lease)[:2]
            for rows in container.ports.values()
            for binding in rows or ()
        ]
        assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
        assert {int(binding["HostPort"]) for binding in bindings} == {each.port for each in found.endpoints}
        assert len(of_lease(engine, lease)) == 5  # two containers, a network, two volumes
        passwords = [each.url.split("@")[0].rsplit(":", 1)[1] for each in found.endpoints]
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                assert not any(password.encode() in path.read_bytes() for password in passwords)
        logs = "".join(control.read_log(store, found, each, lines=500) for each in found.endpoints)
        assert "ready to accept connections" in logs
        assert not any(password in text for password in passwords for text in (logs, *lines, repr(found)))
    assert of_lease(engine, lease) == []
    assert list(store.leases()) == []


def test_limits_settings_and_instances(configure: Configure, store: LeaseStore, engine: Any) -> None:
    """Memory and CPU ceilings, server settings and parallel copies arrive where they should."""
    table = {
        "services": {"database": {"settings": {"max_connections": "77"}}},
        "environments": {"small": {"services": ["database"], "memory": "256m", "cpus": 0.5, "instances": 2}},
    }
    with running(configure(**table), ["small"], runtime="compose", store=store) as found:
        assert set(found.urls) == {"DATABASE_URL", "DATABASE_URL_2"}
        for url in found.urls.values():
            with psycopg.connect(url) as connection:
                assert connection.execute("SHOW max_connections").fetchone() == ("77",)
        for container in of_lease(engine, compose_lease(store))[:2]:
            assert container.attrs["HostConfig"]["Memory"] == 256 << 20
            assert container.attrs["HostConfig"]["NanoCpus"] == 500_000_000


def api(**more: Any) -> dict[str, Any]:
    """Return the shipped sample API as a service of the user's own compose file."""
    return {
        "kind": "http",
        "compose": "stack.yml",
        "compose_service": "api_server",
        "port": 8000,
        "health": "/health",
        **more,
    }


def test_a_users_own_compose_file(
    own_world: Path, configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """What the service depends on comes along without published ports; fixed names do not collide."""
    shutil.copy(shipped_files() / "test-stack.yml", own_world / "stack.yml")
    config = configure(services={"api": api()})
    with (
        running(config, ["api"], runtime="compose", store=store) as one,
        running(config, ["api"], runtime="compose", store=store) as two,
    ):
        for found in (one, two):
            with urllib.request.urlopen(found.urls["API_URL"] + "/health") as answer:
                assert json.load(answer)["reaches"] == {"database:5432": True, "cache:6379": True}
            assert list(found.urls) == ["API_URL"]


def test_copies_behind_a_load_balancer(
    own_world: Path, configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """Requests to one URL are answered by several containers."""
    image = os.environ.get("API_IMAGE", "python:3.13.9-slim-bookworm")
    service = {
        "kind": "http",
        "image": image,
        "port": 8000,
        "needs": ["cache"],
        "command": ["python", "-c", ANSWER_WITH_NAME],
    }
    table = {
        "services": {"api": service},
        "environments": {"cluster": {"services": ["api"], "replicas": {"api": 3}}},
    }
    with running(configure(**table), ["cluster"], runtime="compose", store=store) as found:
        seen, urls = set(), set()
        for _ in range(60):
            with urllib.request.urlopen(found.urls["API_URL"]) as answer:
                host, url = answer.read().decode().split()
                seen.add(host)
                urls.add(url.rpartition("@")[2])
            if len(seen) == 3:
                break
            time.sleep(0.1)
        assert len(seen) == 3
        assert urls == {"cache:6379/0"}


def test_a_message_queue_answers(configure: Configure, store: LeaseStore, engine: Any) -> None:
    """RabbitMQ opens its virtual host under the URL; NATS answers a ping."""
    config = configure(services={"nats": {"kind": "nats"}})
    with running(config, ["message_queue", "nats"], runtime="compose", store=store) as found:
        assert found.urls["AMQP_URL"].startswith("amqp://test:")
        assert provisioning.answers(found)
        assert addresses_of_ports({each.port for each in found.endpoints}) == {"0100007F"}
        passwords = [each.url.split("@")[0].rsplit(":", 1)[1].encode() for each in found.endpoints]
        logs = [control.read_log(store, found, each, lines=500).encode() for each in found.endpoints]
        assert not [text for text in (*command_lines(), *logs) for word in passwords if word in text]


def test_a_missing_image_is_named(configure: Configure, store: LeaseStore, engine: Any) -> None:
    config = configure(services={"cache": {"image": "127.0.0.1:9/no/such-image:1"}})
    with (
        pytest.raises(EnvironmentFailed, match=r"can 127\.0\.0\.1:9/no/such-image:1 be pulled"),
        running(config, ["cache"], runtime="compose", store=store),
    ):
        pass
    assert list(store.leases()) == []


def test_a_container_that_dies_or_stays_sick_shows_its_log(
    configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """Waiting ends when the container does; the message holds its exit code and its last lines."""
    image = os.environ.get("REDIS_IMAGE", "redis:7.4.5-bookworm")
    services = {
        "bad": {
            "kind": "http",
            "image": image,
            "port": 80,
            "command": ["sh", "-c", "echo the reason is here; exit 3"],
        }
    }
    with (
        pytest.raises(ServiceNotReady, match=r"exited with code 3(.|\n)*the reason is here"),
        running(configure(services=services), ["bad"], runtime="compose", store=store),
    ):
        pass
    assert list(store.leases()) == []


def test_an_unhealthy_container_is_given_up_at_once(
    own_world: Path, configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """Its own health check counts: nobody waits until the time is over, and its log is shown."""
    (own_world / "sick.yml").write_text(
        f"""
services:
  sick:
    image: {os.environ.get("REDIS_IMAGE", "redis:7.4.5-bookworm")}
    entrypoint: [sh, -c, "echo what hurts; sleep 600"]
    stop_grace_period: 0s
    healthcheck: {{ test: [CMD, "false"], interval: 0.2s, retries: 1 }}
"""
    )
    sick = {"kind": "http", "compose": "sick.yml", "compose_service": "sick", "port": 80, "timeout": 300}
    with (
        pytest.raises(ServiceNotReady, match=r"its container is unhealthy(.|\n)*what hurts"),
        running(configure(services={"sick": sick}), ["sick"], runtime="compose", store=store),
    ):
        pass
    assert list(store.leases()) == []


def test_a_full_disk_in_a_container_is_told_by_its_log(
    own_world: Path, configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """A real disk of 4 MB for the data: the server's own words, and everything is taken down."""
    (own_world / "small.yml").write_text(
        f"""
services:
  database:
    image: {os.environ.get("POSTGRES_IMAGE", "postgres:17.6-bookworm")}
    environment: {{ POSTGRES_PASSWORD: x, POSTGRES_USER: test, POSTGRES_DB: test }}
    tmpfs: ["/var/lib/postgresql/data:size=4m"]
"""
    )
    small = {"compose": "small.yml", "compose_service": "database", "port": 5432}
    with (
        pytest.raises(ServiceNotReady, match=r"exited with code(.|\n)*No space left on device"),
        running(configure(services={"database": small}), ["database"], runtime="compose", store=store),
    ):
        pass
    assert list(store.leases()) == []


def test_a_port_that_is_taken_meanwhile_is_replaced(
    configure: Configure, store: LeaseStore, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(configure(), ["cache"], runtime="compose", store=store) as first:
        answers = [first.endpoints[0].port]
        monkeypatch.setattr(compose, "free_port", lambda: answers.pop() if answers else free_port())
        lines: list[str] = []
        with running(configure(), ["cache"], runtime="compose", store=store, say=lines.append) as second:
            assert second.endpoints[0].port != first.endpoints[0].port
        assert "a port was taken meanwhile, trying others" in lines


def test_a_wrong_compose_file_is_a_configuration_error(
    own_world: Path, configure: Configure, store: LeaseStore, engine: Any
) -> None:
    (own_world / "stack.yml").write_text("services:\n  api: {image: x, prots: []}\n")
    with (
        pytest.raises(ConfigError, match=r"stack\.yml: Compose cannot read it.*prots"),
        running(configure(services={"api": api()}), ["api"], runtime="compose", store=store),
    ):
        pass
    (own_world / "stack.yml").write_text("services:\n  api_servre: {image: x}\n")
    with (
        pytest.raises(ConfigError, match="did you mean 'api_servre'"),
        running(configure(services={"api": api()}), ["api"], runtime="compose", store=store),
    ):
        pass


def test_a_restarted_container_keeps_its_url(configure: Configure, store: LeaseStore, engine: Any) -> None:
    with running(configure(), ["cache"], runtime="compose", store=store) as found:
        endpoint = found.endpoints[0]
        of_lease(engine, compose_lease(store))[0].kill()
        (row,) = inspection.status(store, project=found.project)
        assert row.state != "ready"
        control.restart(store, found, endpoint)
        assert provisioning.answers(found)
        assert control.run_command(store, found, endpoint, "redis-cli ping", os.environ) == 0


@pytest.fixture
def bystanders(engine: Any, store: LeaseStore) -> Iterator[list[Any]]:
    """Things of others on the same engine, with names and labels that look like ours."""
    image = os.environ.get("REDIS_IMAGE", "redis:7.4.5-bookworm")
    alive = msgspec.json.encode(new_owner("session")).decode()
    suffix = f"{os.getpid()}-{time.monotonic_ns()}"
    labels: list[dict[str, str]] = [
        {},
        {"com.docker.compose.project": f"toolkit-{suffix}"},
        {LEASE_LABEL: f"alive{suffix}", OWNER_LABEL: alive},
        {LEASE_LABEL: f"silent{suffix}"},
    ]
    made = [
        *(
            engine.containers.create(image, ["sleep", "600"], name=f"toolkit-{suffix}-{number}", labels=each)
            for number, each in enumerate(labels)
        ),
        *(
            engine.networks.create(f"toolkit-{suffix}-{number}", labels=each)
            for number, each in enumerate(labels[:3])
        ),
        engine.volumes.create(f"toolkit-{suffix}", labels=labels[1]),
    ]
    yield made
    for thing in made:
        thing.remove()


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_struck_at_every_stage_only_ours_is_removed(
    own_world: Path, store: LeaseStore, engine: Any, bystanders: list[Any], how: str
) -> None:
    """Kill -9 and Ctrl-C at each step of ``up``, and in the middle of ``docker compose up``."""
    script = Path(__file__).with_name("struck.py")
    fatal = 0
    while True:
        fatal += 1
        done = subprocess.Popen(
            [
                sys.executable,
                script,
                own_world.parent / "state",
                own_world,
                str(fatal),
                how,
                "compose",
                "cache",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, err = done.communicate(timeout=120)
        if "unharmed" in out:
            break
        assert done.returncode in {-signal.SIGKILL, -signal.SIGINT}, err
        known = [lease.id for lease in store.leases() if lease.kind == "compose"]
        swept = provisioning.sweep_everything(store, os.environ)
        assert swept.failed == ()
        assert [of_lease(engine, lease) for lease in known] == [[] for _ in known]
        assert list(store.leases()) == []
        if how == "SIGINT":
            assert known == []
    assert fatal > 8
    for thing in bystanders:
        thing.reload()


def test_killed_while_containers_are_being_created(own_world: Path, store: LeaseStore, engine: Any) -> None:
    """A compose command that outlives its owner is stopped before what it created is removed."""
    struck = 0
    for pause in (0.3, 0.6, 0.9, 1.2):
        child = subprocess.Popen(
            [
                sys.executable,
                Path(__file__).with_name("struck.py"),
                own_world.parent / "state",
                own_world,
                "0",
                "SIGKILL",
                "compose",
                "cache",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for line in child.stdout:
            if "creating containers" in line:
                break
        time.sleep(pause)
        child.kill()
        child.wait()
        child.stdout.close()
        known = [lease.id for lease in store.leases() if lease.kind == "compose"]
        assert provisioning.sweep(store).failed == ()
        time.sleep(0.5)
        assert not any(of_lease(engine, lease) for lease in known)
        assert list(store.leases()) == []
        struck += len(known)  # none when a busy engine had refused it before the blow
    assert struck, "no blow met a compose command at work"


def test_a_lost_lease_file_is_made_up_for_by_labels(
    configure: Configure, store: LeaseStore, engine: Any
) -> None:
    """Things whose lease file is gone are removed when the owner on their label is dead, else kept."""
    owner = store.owner("session")
    found = provisioning.up(configure(), ["cache"], owner=owner, store=store, runtime="compose")
    lease = compose_lease(store)
    record = store.path(lease).read_bytes()
    store.path(lease).unlink()
    kept = provisioning.sweep_everything(store, os.environ)
    assert lease in {row.id for row in kept.kept}
    assert provisioning.answers(found)
    dead = msgspec.structs.replace(owner, started="0")
    store.path(lease).write_bytes(record.replace(msgspec.json.encode(owner), msgspec.json.encode(dead)))
    assert lease in {
        row.id for row in provisioning.sweep_everything(store, os.environ, dry_run=True).released
    }
    assert lease in {row.id for row in provisioning.sweep_everything(store, os.environ).released}
    assert of_lease(engine, lease) == []
    provisioning.down(store, found.id)
