"""Every fault of every service in both runtimes, many times: is all as before, and how long does it take?

    uv run benchmarks/chaos.py [--json] [--repeat 10] [--only embedded,compose] [--services nats,api]
                               [--actions kill,pause] [--killed]

Services: PostgreSQL, Redis, RabbitMQ, NATS and the API of the example (docs/example) with what it needs. For
each action x service x runtime it is proven once that the fault bites, and after every repetition that a real
round trip works (a row, a value, a message, a page), that what was committed before is still there, and that
processes or container are the same with the same limits and none of them stopped. At the end nothing may be
left: no lease, process, container, network, volume, rule of iptables or tc, file in the folders for data,
state, temporary files, shared memory and of the project.

Shown: seconds from the beginning of the undoing until a query was answered and until everything was well
(median and worst), and what the proxy alone adds to a round trip. With --killed the process that does the
fault is killed (SIGKILL) in the midst of it and a sweep must undo it. Exit code 1 when anything was not as
before. The compose part needs a container engine (images by POSTGRES_IMAGE, REDIS_IMAGE, RABBITMQ_IMAGE,
NATS_IMAGE, and API_IMAGE: a Python, into which the example is put).
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from toolkit.assertions.polling import eventually
from toolkit.chaos.experiments import Chaos
from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore, read_lease
from toolkit.services.engine import LEASE_LABEL, connected, find_engine, labelled_leases
from toolkit.services.environment import Endpoint, Environment
from toolkit.services.faults import containers, processes
from toolkit.services.faults.model import NETWORK_ACTIONS, SERVER_ACTIONS
from toolkit.services.faults.ways import Way
from toolkit.services.probes import ask_http
from toolkit.services.processes import collect_ended, inside, marked
from toolkit.services.provisioning import running, sweep
from toolkit.services.round_trips import round_trip_of

EXAMPLE = Path(__file__).parents[1] / "docs" / "example"
SERVICES = ("database", "cache", "message_queue", "nats", "api")
WITHIN = 120.0
"""Seconds for a recovery: a node of RabbitMQ on a busy machine takes its time."""
BRIEF = 1.0
"""Seconds in which a server that works has answered."""
IMAGE = "nox-invoke-toolkit-benchmark/bookshop"


def configured(runtime: str, folder: Path) -> dict[str, Any]:
    """Return the rows of the services of a runtime; the example as a command, or in an image."""
    api: dict[str, Any] = {"kind": "http", "health": "/ready", "needs": ["database", "cache"]}
    serve = ["bookshop", "serve", "--migrate", "--port", "{port}", "--host"]
    if runtime == "compose":
        api |= {"image": IMAGE, "port": 8000, "command": ["python", "-m", *serve, "0.0.0.0"]}
    else:
        command = folder / "bookshop"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m bookshop "$@"\n', encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        api |= {"command": [*serve, "{host}"]}
    return {"nats": {"kind": "nats"}, "message_queue": {"kind": "rabbitmq"}, "api": api}


def build_image(folder: Path) -> None:
    """Put the example and what it needs into an image with Python."""
    base = os.environ.get("API_IMAGE", "python:3.13.9-slim-bookworm")
    asked = ["docker", "run", "--rm", base, "python", "-c"]
    told = subprocess.run(
        [*asked, "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    needs = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    target = ["--target", str(folder / "site"), "--python-version", told.stdout.strip()]
    install = ["uv", "pip", "install", "--quiet", *target, "--only-binary", ":all:", *needs]
    subprocess.run(install, check=True)
    shutil.copytree(EXAMPLE / "src" / "bookshop", folder / "site" / "bookshop")
    lines = [
        f"FROM {base}",
        "COPY site /site",
        "ENV PYTHONPATH=/site",
        "RUN python -m compileall -q /site",
        "",
    ]
    (folder / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", IMAGE, folder], check=True, stdout=subprocess.DEVNULL
    )


class World:
    """Running servers of one runtime, and folders that nobody else uses."""

    def __init__(self, folder: Path, store: LeaseStore, environment: Environment) -> None:
        self.folder, self.store, self.environment = folder, store, environment

    def endpoint(self, service: str) -> Endpoint:
        found = self.environment.endpoint(service)
        assert found is not None
        return found

    def chaos(self) -> Chaos:
        variables = {each.service: each.variable for each in self.environment.endpoints}
        return Chaos(
            self.store,
            self.store.owner(),
            project=self.environment.project,
            urls=self.environment.urls,
            variables=variables,
            within=WITHIN,
        )

    def works(self, service: str, url: str = "") -> Callable[[], object]:
        endpoint = self.endpoint(service)
        trip = round_trip_of(endpoint.kind, url or endpoint.url, health=endpoint.health)
        return lambda: trip() is None

    def state(self, service: str) -> object:
        """Return what must be the same after a fault as before it."""
        endpoint = self.endpoint(service)
        lease = read_lease(self.store.path(endpoint.lease))
        assert lease is not None
        if endpoint.runtime == "embedded":
            pids = processes.members(lease)
            limits = {tuple(processes._limits(pid).items()) for pid in pids}  # noqa: SLF001
            return limits - {()}, any(map(stopped, pids))
        with connected(lease.what["host"], timeout=60) as client:
            (container,) = containers.find(client, lease.id, service)
            known = containers._limits(container)  # noqa: SLF001
            quota = known["CpuQuota"] in {0, -1} and not known["NanoCpus"]
            return container.id, container.status, quota, known["data"], known["fsize"]


def stopped(pid: int) -> bool:
    """Tell whether a process is stopped by a signal (proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].startswith(" T")


def bites(world: World, chaos: Chaos, action: str, service: str, before: object) -> bool:
    """Do a fault once and tell whether it can be noticed."""
    url = chaos.url(service)
    begun = pid_of(world, service)
    with chaos.fault(action, service, **PARAMETERS.get(action, {})):
        if action == "restart":
            return pid_of(world, service) != begun
        if action == "squeeze_cpu" and world.endpoint(service).runtime == "embedded":
            return eventually(lambda: world.state(service) != before, within=10)
        if action.startswith("squeeze") or action == "fill_disk":
            return world.state(service) != before
        if action == "slow_close":
            return closing_takes(url) >= 0.1
        begin = time.monotonic()
        with contextlib.suppress(Exception):
            world.works(service, url)()
            return time.monotonic() - begin >= 0.2
        return True


def pid_of(world: World, service: str) -> str:
    """Return what tells one start of a server from the next."""
    endpoint = world.endpoint(service)
    lease = read_lease(world.store.path(endpoint.lease))
    assert lease is not None
    if endpoint.runtime == "embedded":
        return lease.what["pid"]
    with connected(lease.what["host"], timeout=60) as client:
        (container,) = containers.find(client, lease.id, service)
        return str(container.attrs["State"]["StartedAt"])


def closing_takes(url: str) -> float:
    """Return the seconds until a connection that we close is closed from the other side as well."""
    port = int(url.rpartition("@")[2].removeprefix("http://").split("/")[0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        begun = time.monotonic()
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
        return time.monotonic() - begun


def rounds(
    world: World, services: list[str], actions: list[str], *, repeat: int, kill: bool
) -> Iterator[dict[str, Any]]:
    """Yield one row per action and service."""
    for service in services:
        chaos = world.chaos()
        try:
            chaos.steady(f"{service} works", world.works(service, chaos.url(service)))
            kept = Kept(world.endpoint(service))
            chaos.steady(f"what {service} had is there", kept.is_there)
            before = world.state(service)
            for action in actions:
                if not (kill and action in NETWORK_ACTIONS):
                    done = row(world, chaos, action, service, before, repeat=repeat, kill=kill)
                    print(told(done), file=sys.stderr)  # who interrupts it has what was done so far
                    yield done
        finally:
            chaos.close()


def row(
    world: World, chaos: Chaos, action: str, service: str, before: object, *, repeat: int, kill: bool
) -> dict[str, Any]:
    """Do one fault many times."""
    problems: list[str] = []
    bitten, refused = None, 0
    with noted(problems):
        bitten = None if kill else bites(world, chaos, action, service, before)
    chaos.recoveries.clear()
    for _ in range(repeat):
        with noted(problems):
            if kill:
                killed(world, chaos, action, service)
            else:
                with chaos.fault(action, service, **PARAMETERS.get((action, service), {})):
                    if action in STRAINED:
                        refused += strain(world.endpoint(service))
            after = world.state(service)
            if after != before:
                problems.append(f"before {before}, after {after}")
    for problem in problems:
        print(f"{action} {service}: {problem}", file=sys.stderr)
    answered = [each.answered for each in chaos.recoveries] or [float("nan")]
    well = [each.recovered for each in chaos.recoveries] or [float("nan")]
    return {
        "service": service,
        "action": action,
        "bites": bitten,
        "refused": refused if action in STRAINED else None,
        "rounds": len(chaos.recoveries),
        "median_s": statistics.median(answered),
        "worst_s": max(answered),
        "well_median_s": statistics.median(well),
        "well_worst_s": max(well),
        "not_as_before": len(problems),
    }


@contextlib.contextmanager
def noted(problems: list[str]) -> Iterator[None]:
    """Count and tell what goes wrong, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - counted and told
        problems.append(f"{type(error).__name__}: {error}")


KILLED = """
import sys, time
from pathlib import Path
from toolkit.chaos.experiments import Chaos, as_fault
from toolkit.leases.store import LeaseStore
state, project, variable, url, action, service = sys.argv[1:]
store = LeaseStore(Path(state))
chaos = Chaos(store, store.owner(), project=project, urls={variable: url}, variables={})
chaos.begin(as_fault({"action": action, "service": service}))
print("broken", flush=True)
time.sleep(600)
"""


def killed(world: World, chaos: Chaos, action: str, service: str) -> None:
    """Kill the process that has done a fault; a sweep undoes it, and all must be well again."""
    from toolkit.chaos.experiments import as_fault

    endpoint = world.endpoint(service)
    words = [world.store.folder, world.environment.project, endpoint.variable, endpoint.url, action, service]
    command = [sys.executable, "-c", KILLED, *map(str, words)]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    if told != "broken\n":
        raise RuntimeError(f"the fault was not done: {told!r}")
    ended = time.monotonic()
    swept = sweep(world.store)
    if swept.failed or (action != "restart" and len(swept.released) != 1):
        raise RuntimeError(f"swept: {swept}")
    fault = as_fault({"action": action, "service": service})
    chaos.recover(fault, endpoint, lasted=ended - begun, begun=ended)


def strain(endpoint: Endpoint) -> bool:
    """Ask a server for much memory and disk; tell whether it refused, or died: then it must come back."""
    try:
        STRAINS[endpoint.kind](endpoint.url)
    except Exception:  # noqa: BLE001 - whatever the client makes of it
        return True
    return False


def strain_postgres(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS big")
        connection.execute(
            "CREATE TABLE big AS SELECT repeat(md5(n::text), 60) FROM generate_series(1, 12000) n"
        )
        connection.execute("SELECT length(repeat('x', 100000000))")


def strain_redis(url: str) -> None:
    import redis

    with redis.Redis.from_url(url, socket_timeout=10) as client:
        client.set("big", bytes(64 * MEGABYTE))
        client.delete("big")


def strain_rabbitmq(url: str) -> None:
    import aio_pika

    async def publish() -> None:
        async with await aio_pika.connect(url, timeout=10) as connection:
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue("big", durable=True)
            await queue.purge(timeout=10)
            for _ in range(5):
                message = aio_pika.Message(
                    bytes(8 * MEGABYTE), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
                )
                await channel.default_exchange.publish(message, routing_key="big", timeout=3)

    asyncio.run(publish())


@contextlib.asynccontextmanager
async def nats_client(url: str) -> AsyncIterator[Any]:
    """Connect once; what fails is raised, and not logged beside."""
    import nats

    async def quiet(_problem: Exception) -> None:
        """It is raised as well."""

    client = await nats.connect(url, connect_timeout=5, allow_reconnect=False, error_cb=quiet)
    try:
        yield client
    finally:
        await client.close()


def strain_nats(url: str) -> None:
    import nats

    async def publish() -> None:
        async with nats_client(url) as client:
            stream = client.jetstream(timeout=5)
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await stream.delete_stream("big")
            await stream.add_stream(name="big", subjects=["big"])
            for _ in range(40):
                await stream.publish("big", bytes(MEGABYTE - 1000))

    asyncio.run(publish())


def strain_http(url: str) -> None:
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(ask_http, [f"{url}/books?limit=100"] * 200))


MEGABYTE = 1 << 20
PARAMETERS: dict[object, dict[str, Any]] = {
    "loss": {"share": 1.0},  # to be noticed for certain
    ("fill_disk", "nats"): {"size": 1},  # its files are smaller than the others'
}
STRAINED = ("squeeze_memory", "fill_disk")
STRAINS: dict[str, Callable[[str], None]] = {
    "postgres": strain_postgres,
    "redis": strain_redis,
    "rabbitmq": strain_rabbitmq,
    "nats": strain_nats,
    "http": strain_http,
}


class Kept:
    """What a server was given and has confirmed: all of it must be there after a fault, and more goes in."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = endpoint.url
        self._given = 0
        self._give = {"postgres": self._row, "rabbitmq": self._message, "nats": self._stream}.get(
            endpoint.kind
        )
        self.is_there()

    def is_there(self) -> bool:
        """Give one more and count; true when all that was confirmed is there. A cache keeps nothing."""
        if self._give is None:
            return True
        found = self._give()
        wanted, self._given = self._given, self._given + 1
        return found > wanted

    def _row(self) -> int:
        import psycopg

        with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
            connection.execute("SET synchronous_commit = on")  # else the last moment is lost by a kill
            connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('x')")
            row = connection.execute("SELECT count(*) FROM kept").fetchone()
            return int(row[0]) if row else 0

    def _message(self) -> int:
        async def publish() -> int:
            import aio_pika

            async with await aio_pika.connect(self._url, timeout=10) as connection:
                channel = await connection.channel(publisher_confirms=True)
                queue = await channel.declare_queue("kept", durable=True)
                message = aio_pika.Message(b"x", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, routing_key="kept", timeout=10)
                return int(queue.declaration_result.message_count or 0) + 1

        return asyncio.run(publish())

    def _stream(self) -> int:
        async def publish() -> int:
            async with nats_client(self._url) as client:
                stream = client.jetstream(timeout=5)
                await stream.add_stream(name="kept", subjects=["kept"])  # the same again is no error
                await stream.publish("kept", b"x")
                return int((await stream.stream_info("kept")).state.messages)

        return asyncio.run(publish())


class Surroundings:
    """What a run may leave behind: folders of its own, and what the machine has only once."""

    def __init__(self, folder: Path, host: str) -> None:
        self._host = host
        self._words: set[str] = set()
        self.project, self.temporary, self.state = (folder / name for name in ("project", "tmp", "state"))
        for each in (self.project, self.temporary):
            each.mkdir()
        shared = Path("/dev/shm")
        self.data = Path(tempfile.mkdtemp(prefix="chaos-", dir=shared if shared.is_dir() else folder))
        self.data.chmod(0o711)  # a server that runs as another user passes through
        self._before = self.shared()

    def environ(self, runtime: str, folder: Path) -> dict[str, str]:
        """Return the environment of the toolkit and of its servers."""
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        return {
            **kept,
            "PATH": f"{folder}{os.pathsep}{kept.get('PATH', '')}" if runtime == "embedded" else kept["PATH"],
            "PYTHONPATH": str(EXAMPLE / "src"),
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "TMPDIR": str(self.temporary),
            "TOOLKIT_DATA_HOME": str(self.data),
            "TOOLKIT_STATE_HOME": str(self.state),
        }

    def shared(self) -> set[str]:
        """Return what others use too: rules of the network, and shared memory that no process has."""
        found = {f"shared memory {name}" for name in forgotten_memory()}
        for command in (
            ["iptables-save"],
            ["ip6tables-save"],
            ["tc", "qdisc", "show"],
            ["tc", "filter", "show"],
        ):
            if shutil.which(command[0]):
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                found |= {f"{command[0]}: {line}" for line in done.stdout.splitlines() if self._counts(line)}
        return found

    def _counts(self, rule: str) -> bool:
        """Tell whether a rule is no remark and not what the engine has for somebody else's containers."""
        of_engine = any(word in rule for word in ("br-", "veth", "DOCKER", "docker0", "172.", "192.168."))
        return not rule.startswith(("#", ":")) and (
            not of_engine or any(word in rule for word in self._words)
        )

    def note(self, environment: Environment, store: LeaseStore) -> None:
        """Note by what the engine's rules for our containers are known: ports and bridges."""
        self._words |= {
            f"--dport {each.port} " for each in environment.endpoints if each.runtime == "compose"
        }
        if self._host:
            with connected(self._host, timeout=60) as client:
                for lease in store.leases():
                    filters = {"label": f"{LEASE_LABEL}={lease.id}"}
                    self._words |= {f"br-{each.id[:12]}" for each in client.networks.list(filters=filters)}
            if not self.shared() - self._before:
                raise RuntimeError("the rules of our own containers are not recognised")

    def left_over(self, store: LeaseStore, leases: list[str]) -> list[str]:
        """Return what is still there when everything should be gone."""
        collect_ended()
        found = [f"lease {lease.kind} {lease.name}" for lease in store.leases()]
        found += [f"process {pid}" for lease in leases for pid in marked(lease)]
        for folder in (self.project, self.temporary, self.data):
            found += [f"process {pid} in {folder}" for pid in inside(folder)]
            found += [f"file {path}" for path in folder.rglob("*") if ".toolkit" not in path.parts]
        if self._host:
            with connected(self._host) as client:
                found += [f"on the engine: {lease}" for lease in labelled_leases(client) if lease in leases]
        return found + sorted(self.shared() - self._before)

    def close(self) -> None:
        shutil.rmtree(self.data)


def forgotten_memory() -> set[str]:
    """Return the files of PostgreSQL in shared memory that no process has mapped."""
    there = {path.name for path in Path("/dev/shm").glob("PostgreSQL.*")}
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            text = maps.read_text(encoding="utf-8", errors="replace")
            there -= {name for name in there if name in text}
    return there


def measured(runtime: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Break and mend the servers of one runtime."""
    host = find_host() if runtime == "compose" else ""
    services = chosen.services.split(",")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        around = stack.enter_context(contextlib.closing(Surroundings(folder, host)))
        config = parse_config(
            {"tool": {"toolkit": {"services": configured(runtime, folder)}}}, root=around.project, environ={}
        )
        if runtime == "compose" and "api" in services:
            build_image(folder)
        environ = around.environ(runtime, folder)
        with LeaseStore(around.state) as store:
            with running(config, services, runtime=runtime, environ=environ, store=store) as environment:  # type: ignore[arg-type]
                leases = {lease.id for lease in store.leases()}
                around.note(environment, store)
                world = World(folder, store, environment)
                actions = chosen.actions.split(",")
                rows = list(rounds(world, services, actions, repeat=chosen.repeat, kill=chosen.killed))
                leases |= {lease.id for lease in store.leases()}
            left = around.left_over(store, sorted(leases))
    return {"rows": rows, "left_over": left}


def find_host() -> str:
    from toolkit.services.engine import engine_host

    return engine_host(os.environ)


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """Serve one connection that gets back what it sends; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    while data := connection.recv(4096):
                        connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def round_trip(port: int, count: int = 2000) -> float:
    """Return the median microseconds of a round trip of one byte."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(count):
            begun = time.perf_counter()
            connection.sendall(b"x")
            connection.recv(1)
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--repeat", type=int, default=10, help="times each (10)")
    parser.add_argument("--only", default="embedded,compose", help="runtimes (embedded,compose)")
    parser.add_argument("--services", default=",".join(SERVICES), help=f"of {','.join(SERVICES)} (all)")
    every = ",".join((*SERVER_ACTIONS, *NETWORK_ACTIONS))
    parser.add_argument("--actions", default=every, help=f"of {every} (all)")
    parser.add_argument("--killed", action="store_true", help="kill who does the fault; a sweep undoes it")
    chosen = parser.parse_args()
    logging.getLogger("aiormq").addHandler(logging.NullHandler())  # what fails is raised as well
    result: dict[str, Any] = {}
    with echo() as port:
        direct = round_trip(port)
        with Way(f"tcp://127.0.0.1:{port}") as way:
            result["proxy"] = {"direct_us": direct, "through_us": round_trip(way.port)}
    for runtime in chosen.only.split(","):
        if runtime == "compose" and not find_engine(os.environ).usable:
            result[runtime] = {"skipped": find_engine(os.environ).why, "rows": [], "left_over": []}
            continue
        result[runtime] = measured(runtime, chosen)
    print(json.dumps(result, indent=1)) if chosen.json else show(result)
    rows = [row for runtime in chosen.only.split(",") for row in result[runtime]["rows"]]
    wrong = any(row["not_as_before"] or row["bites"] is False for row in rows)
    sys.exit(int(wrong or any(result[name]["left_over"] for name in chosen.only.split(","))))


def told(row: Mapping[str, Any]) -> str:
    """Return one line of the table."""
    times = "".join(f"{row[key]:8.3f}" for key in ("median_s", "worst_s", "well_median_s", "well_worst_s"))
    bites = {True: "yes", False: "NO", None: "-"}[row["bites"]]
    refused = "-" if row["refused"] is None else str(row["refused"])
    counts = f"{bites:>4s} {refused:>3s} {row['rounds']:3d} {row['not_as_before']:3d}"
    return f"  {row['service']:13s} {row['action']:14s} {times} {counts}"


def show(result: Mapping[str, Any]) -> None:
    proxy = result["proxy"]
    print(f"round trip: {proxy['direct_us']:.0f} us direct, {proxy['through_us']:.0f} us through the proxy")
    for runtime, found in result.items():
        if runtime == "proxy":
            continue
        if "skipped" in found:
            print(f"{runtime}: not measured: {found['skipped']}")
            continue
        print(f"{runtime}: answered, well after (median, worst, s), bites, refused, rounds, not as before")
        for row in found["rows"]:
            print(told(row))
        print(f"  left over: {', '.join(found['left_over']) or 'nothing'}")


if __name__ == "__main__":
    main()
