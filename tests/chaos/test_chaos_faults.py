"""Each fault bites a real server, and all is as before when it is undone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from toolkit.assertions.polling import eventually
from toolkit.chaos.experiments import Chaos
from toolkit.errors import EnvironmentFailed, OwnershipError, ToolkitError, UsageError
from toolkit.leases.store import LeaseStore, read_lease
from toolkit.services import processes, provisioning
from toolkit.services.faults import injecting, throttle
from toolkit.services.faults import processes as of_processes
from toolkit.services.faults.model import SERVER_ACTIONS, Fault, ServerAction

pytestmark = [
    pytest.mark.slow,  # what it shows does not depend on the Python
    pytest.mark.skipif(sys.platform != "linux", reason="faults of processes need Linux"),
]

World = Any


@pytest.fixture
def url(world: World) -> str:
    return str(world.environment.urls["DATABASE_URL"])


@pytest.fixture
def table(url: str) -> Iterator[str]:
    """A table with one committed row."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int, text text); INSERT INTO kept VALUES (1, 'x')")
        connection.execute("CHECKPOINT")
    yield "kept"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE kept")


def state(world: World, service: str) -> dict[str, object]:
    """What must be the same afterwards: limits and running state of every process of a server."""
    lease = read_lease(world.store.path(world.environment.endpoint(service).lease))
    assert lease is not None
    limits, stopped = set(), []
    for pid in of_processes.members(lease):
        with contextlib.suppress(OSError):  # a backend that is just ending
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            stopped += [pid] if text.rpartition(")")[2].startswith(" T") else []
            limits.add(tuple(of_processes._limits(pid).items()))
    assert limits
    return {"limits": limits - {()}, "stopped": stopped}


@pytest.mark.slow
@pytest.mark.parametrize("service", ["database", "cache"])
@pytest.mark.parametrize("action", SERVER_ACTIONS)
def test_everything_is_as_before(
    world: World, chaos: Chaos, table: str, action: ServerAction, service: str
) -> None:
    """Limits, processes, URL, committed data; the recovery is measured; no lease stays."""
    before = state(world, service)
    with chaos.fault(action, service):
        assert world.faults() == ([] if action == "restart" else [f"{action} {service}"])
    assert state(world, service) == before
    (recovery,) = chaos.recoveries
    assert (recovery.action, recovery.service) == (action, service)
    assert 0 <= recovery.answered <= recovery.recovered < 60
    assert recovery.measures[f"chaos.{action}.{service}.recovered_s"] == recovery.recovered
    with psycopg.connect(world.environment.urls["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT text FROM kept").fetchall() == [("x",)]


@pytest.mark.parametrize("action", ["kill", "stop"])
def test_a_server_that_is_down_refuses(chaos: Chaos, url: str, action: str) -> None:
    with chaos.fault(action, "database"), pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)


def test_a_paused_server_is_silent(world: World, chaos: Chaos) -> None:
    """Its connections stay: the answer comes when it goes on."""
    with redis.Redis.from_url(world.environment.urls["REDIS_URL"], socket_timeout=0.2) as client:
        client.set("key", "value")
        with chaos.fault("pause", "cache"), pytest.raises(redis.exceptions.TimeoutError):
            client.get("key")
        assert client.get("key") == b"value"


def test_little_memory_makes_large_queries_fail(chaos: Chaos, url: str) -> None:
    """The server says so and lives."""
    query = "SELECT length(repeat('x', 100000000))"
    with chaos.fault("squeeze_memory", "database", memory=2):
        connection = psycopg.connect(url)
        with connection, pytest.raises(psycopg.errors.OutOfMemory):
            connection.execute(query)
    with psycopg.connect(url) as connection:
        assert connection.execute(query).fetchone() == (100_000_000,)


def test_files_cannot_grow_on_a_full_disk(chaos: Chaos, table: str, url: str) -> None:
    """What does not fit is refused, what was committed stays, and it goes on afterwards."""
    grow = "INSERT INTO kept SELECT n, repeat(md5(n::text), 60) FROM generate_series(1, 12000) n"
    with chaos.fault("fill_disk", "database"):
        connection = psycopg.connect(url)
        with connection, pytest.raises(psycopg.Error, match="too large"):
            connection.execute(grow)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
        connection.execute(grow)


def test_a_squeezed_server_gets_its_share(world: World, chaos: Chaos, url: str) -> None:
    """A tenth of a core asked for: well under a whole one is had; a late throttle lets it run longer."""
    endpoint = world.environment.endpoint("database")
    lease = read_lease(world.store.path(endpoint.lease))
    assert lease is not None

    def used() -> float:
        ticks = 0
        for pid in of_processes.members(lease):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    endless = "SELECT count(*) FROM generate_series(1,1000000000)"
    burning = f"import psycopg,sys; psycopg.connect(sys.argv[1]).execute('{endless}')"
    with chaos.fault("squeeze_cpu", "database", share=0.1):
        client = subprocess.Popen([sys.executable, "-c", burning, url], stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # toolkit: ignore[TS102] the throttle gets going
        begun, clock = used(), time.monotonic()
        time.sleep(1)  # toolkit: ignore[TS102] what is used in this time is measured
        share = (used() - begun) / (time.monotonic() - clock)
        client.kill()
        client.wait()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s", [endless]
            )
    assert share < 0.7


def test_what_a_killed_process_left_is_undone_by_a_sweep(world: World, chaos: Chaos, url: str) -> None:
    """Kill -9 in the middle of a fault: the server stays paused until anybody sweeps."""
    program = """
import sys, time
from pathlib import Path
from toolkit.leases.store import LeaseStore
from toolkit.assertions.polling import eventually
from toolkit.chaos.experiments import Chaos
state, project, url, action = sys.argv[1:]
store = LeaseStore(Path(state))
chaos = Chaos(store, store.owner(), project=project, urls={"DATABASE_URL": url}, variables={})
with chaos.fault(action, "database"):
    print("broken", flush=True)
    time.sleep(600)
"""
    for action in ("pause", "kill", "squeeze_memory", "squeeze_cpu"):
        before = state(world, "database")
        command = [sys.executable, "-c", program, str(world.folder / "state"), str(world.root), url, action]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "broken\n"
            assert world.faults() == [f"{action} database"]
            with pytest.raises(UsageError, match=rf"already under a fault: {action}, of process {child.pid}"):
                chaos.begin(Fault(action="stop", service="database"))
            child.kill()
        swept = provisioning.sweep(world.store)
        assert [(row.kind, row.name) for row in swept.released] == [("fault", f"{action} database")]
        assert swept.failed == ()
        eventually(lambda: provisioning.answers(world.environment), within=60)
        assert state(world, "database") == before


def test_a_server_that_a_sweep_starts_again_goes_with_its_dead_owner(tmp_path: Path) -> None:
    """Kill -9 of who owned both a server and its fault: undone, then taken down, and nothing runs on."""
    program = """
import os, sys, time
from pathlib import Path
from toolkit.chaos.experiments import Chaos
from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore
from toolkit.services.provisioning import running
root = Path(sys.argv[1])
store = LeaseStore(root / "state")
config = parse_config({}, root=root, environ={})
with running(config, ["cache"], runtime="embedded", environ=os.environ, store=store) as found:
    chaos = Chaos(store, store.owner(), project=str(root), urls=found.urls, variables={})
    with chaos.fault(sys.argv[2], "cache"):
        print("broken", flush=True)
        time.sleep(600)
"""
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environ |= {"TOOLKIT_STATE_HOME": str(tmp_path / "state"), "TOOLKIT_DATA_HOME": str(tmp_path / "data")}
    command = [sys.executable, "-c", program, str(tmp_path), "kill"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "broken\n"
        child.kill()
    with LeaseStore(tmp_path / "state") as store:
        swept = provisioning.sweep(store)
        assert swept.failed == ()
        assert "fault" in {row.kind for row in swept.released}
        assert list(store.leases()) == []
    assert list(processes.inside(tmp_path)) == []


def test_a_fault_of_a_server_that_died_by_itself_is_refused(world: World, chaos: Chaos) -> None:
    endpoint = world.environment.endpoint("cache")
    lease = read_lease(world.store.path(endpoint.lease))
    assert lease is not None
    world.store.update(lease, pid=str(2**22 + 1))
    try:
        with pytest.raises(EnvironmentFailed, match="does not run"), chaos.fault("pause", "cache"):
            pytest.fail("done to nobody")  # pragma: no cover
    finally:
        world.store.update(lease)


def test_a_test_process_breaks_servers_of_another(world: World, url: str) -> None:
    """As in a session: its process started the server, does not look at it, and so keeps its corpse."""
    program = """
import sys
from pathlib import Path
from toolkit.leases.store import LeaseStore
from toolkit.chaos.experiments import Chaos
state, project, url = sys.argv[1:]
with LeaseStore(Path(state)) as store:
    chaos = Chaos(store, store.owner(), project=project, urls={"DATABASE_URL": url}, variables={})
    for action in ("kill", "stop", "kill"):
        with chaos.fault(action, "database"):
            pass
"""
    command = [sys.executable, "-c", program, str(world.folder / "state"), str(world.root), url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert provisioning.answers(world.environment)


@pytest.mark.parametrize("action", ["kill", "stop"])
def test_a_port_that_somebody_takes_for_a_moment_is_waited_for(
    world: World, chaos: Chaos, action: str
) -> None:
    """It is free while its server is down; the server cannot be started as long as somebody has it."""
    where = urlsplit(world.environment.urls["REDIS_URL"])
    assert where.port is not None
    with socket.socket() as taken, chaos.fault(action, "cache"):
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", where.port))
        taken.listen()
        threading.Timer(0.3, taken.close).start()
    assert provisioning.answers(world.environment)


def test_a_fault_ends_however_the_block_ends(world: World, chaos: Chaos) -> None:
    for problem in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(problem), chaos.fault("pause", "database"):
            raise problem
        assert provisioning.answers(world.environment)
        assert world.faults() == []


def test_only_servers_of_ours_are_touched(world: World, up: Any) -> None:
    """Another URL in the environment, a project without servers, servers of somebody else."""
    endpoint = world.environment.endpoint("database")
    with pytest.raises(UsageError, match="is not the URL of one that was started here"):
        injecting.find_target(
            world.store, str(world.root), "database", {"DATABASE_URL": "postgresql://x@y/z"}
        )
    with pytest.raises(UsageError, match=r"is not up in /nowhere"):
        injecting.find_target(world.store, "/nowhere", "database", {})
    import msgspec

    from toolkit.services import environment as records

    foreign = msgspec.structs.replace(
        endpoint, runtime="external", lease="", url="postgresql://a@b/c", service="theirs"
    )
    record = msgspec.structs.replace(world.environment, id="f" * 12, endpoints=(foreign,))
    records.save(world.store, record)
    with pytest.raises(UsageError, match="was not started here, so it is not touched"):
        injecting.find_target(world.store, str(world.root), "theirs", {"DATABASE_URL": "postgresql://a@b/c"})
    records.forget(world.store, "f" * 12)
    gone = msgspec.structs.replace(endpoint, lease="0" * 16)
    with pytest.raises(EnvironmentFailed, match="it is gone"):
        injecting.inject(
            world.store,
            world.store.owner(),
            world.environment,
            gone,
            Fault(action="kill", service="database"),
        )
    with pytest.raises(UsageError, match="goes through a proxy"):
        injecting.inject(
            world.store,
            world.store.owner(),
            world.environment,
            endpoint,
            Fault(action="cut", service="database"),
        )


def test_what_could_not_be_done_is_undone(
    world: World, chaos: Chaos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that fails half-way leaves nothing."""

    def fails(*_: object) -> None:
        raise OwnershipError("refused half-way")

    monkeypatch.setitem(of_processes._DOING, "pause", fails)
    with pytest.raises(ToolkitError, match="half-way"), chaos.fault("pause", "database"):
        pass
    assert world.faults() == []


def test_limits_that_cannot_be_set_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = read_lease(world.store.path(world.environment.endpoint("cache").lease))
    assert lease is not None
    pid = int(lease.what["pid"])
    with pytest.raises(EnvironmentFailed, match="cannot be changed"):
        of_processes._limit(lease, pid, {"fsize": "nonsense"})
    of_processes._limit(lease, 2**22 + 1, {"fsize": "1"})  # a process that is gone meanwhile
    assert of_processes._data_size(2**22 + 1) == 0
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFailed, match="prlimit: No such file"):
        of_processes._limit(lease, pid, {"fsize": "1048576"})
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match="need Linux"):
        of_processes.note(lease, Fault(action="kill", service="cache"))


def wait_until_stopped(pid: int) -> None:
    ending = time.monotonic() + 30
    while not Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].startswith(" T"):
        assert time.monotonic() < ending
        time.sleep(0.01)


def test_the_throttle_lets_go_when_it_is_told_to_end() -> None:
    """By SIGTERM too; and a process that is gone does not trouble it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        command = [sys.executable, str(of_processes.THROTTLE), str(victim.pid), "0.5"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as program:
            wait_until_stopped(victim.pid)  # it is ended in the midst of its work
            program.send_signal(signal.SIGTERM)
            assert program.wait(10) == 0
        victim.communicate(b"\n", timeout=10)  # it runs again
        assert victim.returncode == 0


def test_the_throttle_stops_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where its lines are measured: until its input ends, and it leaves all running."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        for share in (0.2, 0.9):
            ours, theirs = os.pipe()
            with os.fdopen(ours, encoding="ascii") as stream:
                monkeypatch.setattr(sys, "stdin", stream)
                ending = threading.Timer(0.25, os.close, [theirs])
                ending.start()
                throttle.throttle(victim.pid, share)
                ending.join()
        throttle.send([2**22 + 1], signal.SIGCONT)
        assert throttle.family(victim.pid) == [victim.pid]
        victim.communicate(b"\n", timeout=10)
