"""Where data goes, which ceilings hold, which engine is asked: small decisions, on real files, processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed, OwnershipError, RuntimeUnavailable, ServiceNotReady, UsageError
from toolkit.leases.store import LeaseStore
from toolkit.services import control, engine, folders, inspection, processes, provisioning
from toolkit.services import environment as records
from toolkit.services.environment import Endpoint
from toolkit.services.interrupts import uninterrupted
from toolkit.services.limits import parse_memory
from toolkit.services.processes import Recipe
from toolkit.services.provisioning import running
from toolkit.services.servers import postgres
from toolkit.services.servers.postgres import Identity

Configure = Callable[..., Config]


def test_data_goes_to_memory_only_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "ROOM", 1 << 60)
    assert folders.data_root({}, tmp_path / "project") == tmp_path / "project"
    monkeypatch.setattr(folders, "ROOM", 1)
    assert folders.data_root({}, tmp_path / "none") == Path(f"/dev/shm/toolkit-{os.getuid()}")
    assert folders.data_root({"TOOLKIT_DATA_HOME": str(tmp_path / "x")}, tmp_path) == tmp_path / "x"


def test_a_data_folder_that_is_not_ours_is_refused(tmp_path: Path, store: LeaseStore) -> None:
    """A link is never followed, neither for making nor for removing."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OwnershipError, match="belongs to somebody else or is a link"):
        folders.data_root({"TOOLKIT_DATA_HOME": str(tmp_path / "link")}, tmp_path)
    lease = store.intend(store.owner(), "folder", "x", what={"root": str(tmp_path / "link")})
    (tmp_path / "real" / lease.id).mkdir()
    with pytest.raises(OwnershipError):
        folders.remove_folder(lease)
    lease = store.intend(store.owner(), "folder", "x", what={"root": str(tmp_path)})
    (tmp_path / lease.id).symlink_to(tmp_path / "real")
    folders.remove_folder(lease)
    assert (tmp_path / "real").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match="cannot be made"):
        folders.data_root({"TOOLKIT_DATA_HOME": str(tmp_path / "file" / "x")}, tmp_path)


def test_the_cache_is_the_users() -> None:
    assert folders.cache_home({"TOOLKIT_CACHE_HOME": "/c"}) == Path("/c")
    assert folders.cache_home({"XDG_CACHE_HOME": "/x"}).parent == Path("/x")


@pytest.mark.skipif(sys.platform != "linux", reason="ceilings of processes are Linux's")
def test_ceilings_hold_for_processes(configure: Configure, store: LeaseStore) -> None:
    """Memory is in the kernel's limits of the server, CPUs in its affinity, and Redis knows as well."""
    import resource

    table = {"services": {"cache": {"memory": "512m", "cpus": 0.5}}}
    with running(configure(**table), ["cache"], runtime="embedded", store=store):
        (pid,) = [int(lease.what["pid"]) for lease in store.leases() if lease.kind == "process"]
        assert resource.prlimit(pid, resource.RLIMIT_DATA) == (512 << 20, 512 << 20)
        assert len(os.sched_getaffinity(pid)) == 1
    assert parse_memory("2g") == 2 << 30


def test_the_engine_that_the_docker_command_uses_is_asked(tmp_path: Path) -> None:
    assert engine.engine_host({"DOCKER_HOST": "tcp://h:1"}) == "tcp://h:1"
    assert engine.engine_host({"DOCKER_CONFIG": str(tmp_path)}) == "unix:///var/run/docker.sock"
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$3" = far ] || [ "$4" = far ] || exit 1\necho unix:///far.sock\n')
    docker.chmod(0o755)
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert engine.engine_host(environ) == "unix:///far.sock"
    docker.write_text("#!/bin/sh\nexit 1\n")
    assert engine.engine_host(environ) == "unix:///var/run/docker.sock"


def test_without_the_docker_command_there_is_no_engine(tmp_path: Path) -> None:
    assert engine.find_engine({"PATH": str(tmp_path)}).why == "the docker command is not installed"


def test_an_engine_that_is_gone_removes_nothing_and_forgets_nothing(
    store: LeaseStore, tmp_path: Path
) -> None:
    what = {"host": f"unix://{tmp_path}/none.sock", "environment": "e"}
    store.intend(store.owner(), "compose", "x", what=what)
    with pytest.raises(EnvironmentFailed, match="could not be taken down"):
        provisioning.down(store, "e")
    assert len(list(store.leases())) == 1
    environ = {"DOCKER_HOST": what["host"], "PATH": os.environ["PATH"]}
    assert provisioning.sweep_everything(store, environ).failed == ()


def test_a_damaged_record_hides_nothing_else(configure: Configure, store: LeaseStore) -> None:
    (records.folder_of(store) / "torn.json").write_text("{")
    with running(configure(), ["cache"], runtime="embedded", store=store) as found:
        assert [each.id for each in records.environments(store)] == [found.id]
        with pytest.raises(UsageError, match="up: cache"):
            inspection.find_endpoint(store, found.project, "database")


def test_acting_on_a_server_of_others_is_refused(configure: Configure, store: LeaseStore) -> None:
    with running(configure(), ["cache"], runtime="embedded", store=store) as ours:
        environ = {**os.environ, "REDIS_URL": ours.urls["REDIS_URL"]}
        with running(configure(), ["cache"], environ=environ, store=store) as theirs:
            with pytest.raises(UsageError, match="was not started here"):
                control.restart(store, theirs, theirs.endpoints[0])
            queue = Endpoint(service="x", kind="nats", runtime="external", url="nats://h", variable="X")
            with pytest.raises(UsageError, match="which command"):
                control.run_command(store, theirs, queue, "", os.environ)
            with pytest.raises(EnvironmentFailed, match="no-such-program"):
                control.run_command(store, theirs, theirs.endpoints[0], "no-such-program", os.environ)
        (server,) = [lease for lease in store.leases() if lease.kind == "process"]
        processes.stop(server)
        with pytest.raises(ServiceNotReady, match=r"see: invoke services\.logs cache"):
            inspection.wait_ready(ours.endpoints[0], timeout=0.1)


def test_a_program_that_cannot_be_started_is_named(store: LeaseStore, tmp_path: Path) -> None:
    lease = store.intend(store.owner(), "process", "x", what={"recipe": str(tmp_path / "r.json")})
    recipe = Recipe(command=("/no/such",), env={}, cwd=str(tmp_path / "none"), log=str(tmp_path / "log"))
    with pytest.raises(RuntimeUnavailable, match="/no/such cannot be started"):
        processes.start(store, lease, recipe)
    with pytest.raises(EnvironmentFailed, match="how it was started is not known"):
        processes.restart(store, store.intend(store.owner(), "process", "y"))


def test_a_server_that_ignores_the_signal_is_killed(store: LeaseStore, tmp_path: Path) -> None:
    lease = store.intend(store.owner(), "process", "stubborn")
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    recipe = Recipe(
        command=("sh", "-c", script), env=dict(os.environ), cwd=str(tmp_path), log=str(tmp_path / "log")
    )
    lease = processes.start(store, lease, recipe)
    while "ready" not in (tmp_path / "log").read_text():
        time.sleep(0.01)
    processes.stop(lease, patience=0.2)
    assert not processes.runs(lease)
    assert processes.has_ended(lease) == "the server is gone"


def test_a_gate_whose_owner_dies_never_opens(tmp_path: Path) -> None:
    """The shell that would become the server reads end-of-file and exits."""
    done = subprocess.run(
        ["/bin/sh", "-c", processes.GATE, "sh", "touch", tmp_path / "ran"],
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
def test_root_has_a_way_also_where_others_cannot_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that others cannot reach runs in a user namespace; without one, it is an error."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "postgres"
    program.write_text("#!/bin/sh\necho postgres 1\n")
    program.chmod(0o755)
    (tmp_path / "data").mkdir()
    found = postgres.identify(program, tmp_path / "data" / "x")
    assert found.prefix[0] == "unshare"
    monkeypatch.setattr(postgres, "_candidates", lambda: [Identity(user=65534, group=65534)])
    with pytest.raises(RuntimeUnavailable, match="refuses to run as root"):
        postgres.identify(program, tmp_path / "data" / "x")


def cleaning(presses: int, done: list[str]) -> None:
    with uninterrupted():
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)
        done.append(f"cleaned after {presses}")


def test_an_interrupt_waits_for_the_cleaning_and_a_second_one_does_not() -> None:
    done: list[str] = []
    cleaning(0, done)
    for presses in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            cleaning(presses, done)
    assert done == ["cleaned after 0", "cleaned after 1"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
