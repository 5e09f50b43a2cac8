"""Whatever happens to ``up``: after the next sweep nothing of ours is left, nothing of others is touched."""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed, RuntimeUnavailable, ServiceNotReady
from toolkit.leases.store import LeaseStore
from toolkit.services import control, embedded, inspection, probes, provisioning
from toolkit.services import environment as records
from toolkit.services.processes import inside, marked
from toolkit.services.provisioning import running, up
from toolkit.services.servers.launch import free_port

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,  # what it shows does not depend on the Python
]

Configure = Callable[..., Config]

STRUCK = Path(__file__).with_name("struck.py")


def bring_up(
    world: Path, fatal: int, how: str, runtime: str, *names: str
) -> subprocess.CompletedProcess[str]:
    """Bring services up in a process that is struck at its n-th step."""
    return subprocess.run(
        [
            sys.executable,
            STRUCK,
            str(world / "state"),
            str(world / "project"),
            str(fatal),
            how,
            runtime,
            *names,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "TOOLKIT_DATA_HOME": str(world / "data")},
    )


def processes_in(folder: Path) -> list[str]:
    """Return the processes that work in a folder or name it in their command."""
    found = [str(pid) for pid in inside(folder)]  # Redis shows a title instead of its command
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in command:
                found.append(command)
    return found


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder of this test, that the user of PostgreSQL can reach."""
    made = tmp_path / "data"
    for folder in (tmp_path, *tmp_path.parents[:3]):
        with contextlib.suppress(OSError):
            folder.chmod(folder.stat().st_mode | 0o011)
    yield made
    assert not processes_in(made)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_struck_at_every_stage_nothing_is_left(
    own_world: Path, store: LeaseStore, data: Path, how: str
) -> None:
    """Kill -9 and Ctrl-C at each step of ``up``: a sweep removes all of it, and only it.

    After Ctrl-C there is nothing left to sweep.
    """
    bystander = data / "0123456789abcdef"
    bystander.mkdir(parents=True)
    mine = store.intend(store.owner(), "folder", "alive", what={"root": str(data)})
    (data / mine.id).mkdir()
    fatal, struck = 0, 0
    while True:
        fatal += 1 if fatal < 12 or how == "SIGKILL" else 3
        done = bring_up(own_world.parent, fatal, how, "embedded", "cache", "queue")
        if "unharmed" in done.stdout:
            break
        struck += 1
        assert done.returncode in {-signal.SIGKILL, -signal.SIGINT}, done.stderr
        if how == "SIGINT":
            assert processes_in(data) == []
        swept = provisioning.sweep(store)
        assert swept.failed == ()
        assert [lease.id for lease in store.leases()] == [mine.id]
        assert sorted(path.name for path in data.iterdir()) == sorted([bystander.name, mine.id])
        assert processes_in(data) == []
        assert not list(records.environments(store))
    assert struck >= 15


def test_an_interrupt_while_threads_are_started_leaves_nothing(
    configure: Configure, store: LeaseStore, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the moment in which a thread runs already and nobody knows it yet."""
    monkeypatch.setenv("TOOLKIT_DATA_HOME", str(data))
    begin = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        begin(thread)
        if thread.name.startswith("ThreadPoolExecutor") and threading.current_thread() is main:
            os.kill(os.getpid(), signal.SIGINT)

    main = threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt), running(configure(), ["cache"], store=store):
            pytest.fail("it came up")  # pragma: no cover
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(store.leases()) == []
    assert processes_in(data) == []


def test_killed_while_postgres_comes_up(own_world: Path, store: LeaseStore, data: Path) -> None:
    """The same for PostgreSQL, whose data is prepared by another user's processes, at some of the steps."""
    for fatal in (4, 7, 9):
        done = bring_up(own_world.parent, fatal, "SIGKILL", "embedded", "database")
        assert done.returncode == -signal.SIGKILL, done.stderr
        provisioning.sweep(store)
        assert not data.exists() or list(data.iterdir()) == []
        assert processes_in(data) == []
        assert list(store.leases()) == []


@pytest.mark.slow
def test_a_port_that_is_taken_meanwhile_is_replaced(
    configure: Configure, store: LeaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody was faster with the port: the next one is tried, for every kind of server."""
    monkeypatch.setattr(probes, "TIMEOUT", 0.3)
    free = free_port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answers = [taken.getsockname()[1]] * 3
        monkeypatch.setattr(embedded, "free_port", lambda: answers.pop() if answers else free())
        lines: list[str] = []
        names = ["database", "cache", "queue"]
        with running(
            configure(services={"queue": {"kind": "redis", "variable": "QUEUE_URL"}}),
            names,
            runtime="embedded",
            store=store,
            say=lines.append,
        ) as found:
            assert provisioning.answers(found)
        assert sum("was taken meanwhile" in line for line in lines) == 3
    assert list(store.leases()) == []


def test_no_port_at_all_is_an_error(
    configure: Configure, store: LeaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "TIMEOUT", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(embedded, "free_port", lambda: taken.getsockname()[1])
        with (
            pytest.raises(EnvironmentFailed, match="ports in a row"),
            running(configure(), ["cache"], runtime="embedded", store=store),
        ):
            pass
    assert list(store.leases()) == []


def test_postgres_killed_in_the_middle_of_a_test(configure: Configure, store: LeaseStore) -> None:
    """The status says so, a restart brings it back under the same URL with its data, and nothing is left."""
    with running(configure(), ["database"], runtime="embedded", store=store) as found:
        endpoint = found.endpoints[0]
        with psycopg.connect(endpoint.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
            connection.execute("CHECKPOINT")  # commits are not waited for: a crash may lose the last ones
            (server,) = [int(lease.what["pid"]) for lease in store.leases() if lease.kind == "process"]
            os.kill(server, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT pg_sleep(5)")
        (row,) = inspection.status(store, project=found.project)
        assert "refused" in row.state
        control.restart(store, found, endpoint)
        with psycopg.connect(endpoint.url) as connection:
            assert connection.execute("SELECT x FROM kept").fetchone() == (7,)
            connection.execute("UPDATE kept SET x = 8")
        control.restart(store, found, endpoint)
        with psycopg.connect(endpoint.url) as connection:
            assert connection.execute("SELECT x FROM kept").fetchone() == (8,)
        (server,) = [int(lease.what["pid"]) for lease in store.leases() if lease.kind == "process"]
        os.kill(server, signal.SIGKILL)
    assert not list(marked(endpoint.lease))
    assert str(server) not in {row.split()[4] for row in Path("/proc/sysvipc/shm").read_text().splitlines()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_out_of_disk_is_one_clear_error(
    configure: Configure, store: LeaseStore, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real disk of 4 MB: the error names it, and everything is taken down."""
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", data], check=True)
    monkeypatch.setenv("TOOLKIT_DATA_HOME", str(data))
    try:
        with (
            pytest.raises(EnvironmentFailed, match=os.strerror(errno.ENOSPC)),
            running(configure(), ["cache", "database"], runtime="embedded", store=store),
        ):
            pass
        assert list(data.iterdir()) == []
        assert list(store.leases()) == []
    finally:
        subprocess.run(["umount", data], check=True)


def test_a_server_that_never_answers_is_given_up_in_time(configure: Configure, store: LeaseStore) -> None:
    """The wait is bounded; the message says what was awaited, how long, and the last state."""
    services = {"slow": {"kind": "http", "command": ["sleep", "60"], "timeout": 0.3}}
    begun = time.monotonic()
    with (
        pytest.raises(ServiceNotReady, match=r"slow .*not ready after \d+\.\d s; last state: .*refused"),
        running(configure(services=services), ["slow"], store=store),
    ):
        pass
    assert time.monotonic() - begun < 30
    assert list(store.leases()) == []


@pytest.mark.slow
def test_an_unhealthy_server_says_what_it_answered(configure: Configure, store: LeaseStore) -> None:
    server = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
    services = {"api": {"kind": "http", "command": server, "health": "/none", "timeout": 3}}
    with (
        pytest.raises(ServiceNotReady, match="GET /none answered 404"),
        running(configure(services=services), ["api"], store=store),
    ):
        pass


def test_an_absent_engine_is_said_and_replaced(
    configure: Configure, store: LeaseStore, tmp_path: Path
) -> None:
    """``auto`` takes local servers and says why; ``compose`` is refused with the same reason."""
    environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    lines: list[str] = []
    with running(configure(), ["cache"], store=store, environ=environ, say=lines.append) as found:
        assert found.endpoints[0].runtime == "embedded"
    assert any("no container engine answers at" in line or "is not installed" in line for line in lines)
    with (
        pytest.raises(RuntimeUnavailable, match="compose was asked for, but"),
        running(configure(), ["cache"], store=store, environ=environ, runtime="compose"),
    ):
        pass


@pytest.mark.slow
def test_a_dead_socket_does_not_hang(configure: Configure, store: LeaseStore, tmp_path: Path) -> None:
    """A socket that accepts and stays silent is no engine; finding out is bounded."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
        environ = {**os.environ, "DOCKER_HOST": f"unix://{path}"}
        begun = time.monotonic()
        with running(configure(), ["cache"], store=store, environ=environ) as found:
            assert found.endpoints[0].runtime == "embedded"
        assert time.monotonic() - begun < 8


def test_what_one_process_keeps_another_finds_uses_and_takes_down(
    configure: Configure, store: LeaseStore
) -> None:
    """A kept environment survives sweeps and runs that reuse it, and goes when it is told to."""
    config = configure()
    kept = up(config, ["cache"], owner=store.owner("user"), store=store, runtime="embedded")
    assert provisioning.sweep(store).released == ()
    with running(config, ["cache"], runtime="embedded", reuse=True, store=store) as found:
        assert found.id == kept.id
    with running(config, ["cache"], runtime="embedded", store=store) as other:
        assert other.id != kept.id
    assert provisioning.answers(kept)
    provisioning.down(store, kept.id)
    with (
        running(config, ["cache"], runtime="embedded", reuse=True, store=store) as one,
        running(config, ["cache"], runtime="embedded", reuse=True, store=store) as two,
    ):
        assert one.id != two.id  # of a run, so it goes with that run
    assert list(store.leases()) == []
    assert provisioning.find_kept(store, config, ["cache"], "embedded") is None


@pytest.mark.slow
def test_a_folder_whose_lease_file_is_lost_is_swept_with_its_server(
    own_world: Path, store: LeaseStore, data: Path
) -> None:
    """The state folder was deleted under a killed run: what lies in memory still says whose it was."""
    environ = {**os.environ, "TOOLKIT_DATA_HOME": str(data)}
    with subprocess.Popen(
        [sys.executable, STRUCK, own_world.parent / "gone", own_world, "0", "SIGKILL", "embedded", "cache"],
        stdout=subprocess.PIPE,
        text=True,
        env={**environ, "STAY": "1"},
    ) as child:
        assert child.stdout is not None
        assert any("staying" in line for line in child.stdout)
        alive = provisioning.sweep_everything(store, environ)
        kept = [row.name for row in alive.kept if row.name != "without a lease"]  # of other workers' tests
        assert kept == ["cache"]
        assert processes_in(data)
        child.kill()
    shutil.rmtree(own_world.parent / "gone")
    (server,) = inside(data)
    looking = ["sh", "-c", "trap '' QUIT; echo here; read -r line"]  # somebody who looks around there
    with subprocess.Popen(
        looking, cwd=next(data.iterdir()), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"here\n"
        for dry_run in (True, False):
            swept = provisioning.sweep_everything(store, environ, dry_run=dry_run)
            assert [row.name for row in swept.released].count("cache") == 1
        assert server not in inside(data)
        shell.communicate(b"\n")
        assert shell.returncode == 0, "nobody has killed it"
    assert list(data.iterdir()) == []
