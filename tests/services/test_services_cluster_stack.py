"""``compose/cluster-stack.yml`` by hand: a primary, its hot standby, API servers behind a load balancer."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.listening import addresses_of_ports
from tests.runtimes import require_engine
from toolkit.services.compose import shipped_files
from toolkit.services.engine import connected, engine_host

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.uses("engine")]

Compose = Callable[..., str]


@pytest.fixture
def compose() -> Iterator[Compose]:
    """Run Compose on the shipped file, as its first lines say; everything is taken down afterwards."""
    require_engine()
    name = f"by-hand-{os.getpid()}"
    file = str(shipped_files() / "cluster-stack.yml")
    environ = {**os.environ, "API_SERVERS": "2"}

    def run(*words: str) -> str:
        command = ["docker", "compose", "-p", name, "-f", file, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environ, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield run
    run("down", "-v", "--timeout", "0")
    with connected(engine_host(os.environ), timeout=30) as client:
        ours = {"label": f"com.docker.compose.project={name}"}
        assert client.containers.list(all=True, filters=ours) == []
        assert client.volumes.list(filters=ours) == []


def test_the_cluster_comes_up_by_hand_and_replicates(compose: Compose) -> None:
    """What is written to the primary is read from the replica, which refuses to write; all servers answer."""
    compose("up", "-d", "--wait")
    primary, replica = (compose("port", name, "5432") for name in ("database", "database_replica"))
    balancer = compose("port", "load_balancer", "8000")
    with (
        psycopg.connect(f"postgresql://test:test@{primary}/test", autocommit=True) as writing,
        psycopg.connect(f"postgresql://test:test@{replica}/test", autocommit=True) as reading,
    ):
        writing.execute("CREATE TABLE book AS SELECT 7 AS id")
        (written,) = writing.execute("SELECT pg_current_wal_lsn()").fetchone() or ("",)
        end = time.monotonic() + 60
        while not replayed(reading, written):
            assert time.monotonic() < end, "the replica does not follow"
            time.sleep(0.05)
        assert reading.execute("SELECT id FROM book").fetchall() == [(7,)]
        assert reading.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reading.execute("INSERT INTO book VALUES (8)")
    hosts: set[str] = set()
    end = time.monotonic() + 60
    while len(hosts) < 2:
        assert time.monotonic() < end, hosts
        with urllib.request.urlopen(f"http://{balancer}/health", timeout=10) as answer:
            told = json.load(answer)
        hosts.add(told["host"])
        assert all(told["reaches"].values()), told
    ports = {int(address.rpartition(":")[2]) for address in (primary, replica, balancer)}
    assert addresses_of_ports(ports) == {"0100007F"}


def replayed(replica: "psycopg.Connection[tuple[object, ...]]", written: str) -> bool:
    """Tell whether the replica has what was written up to a place in the log."""
    query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    return replica.execute(query, [written]).fetchone() == (True,)
