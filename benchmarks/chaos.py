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
import contextlib
import json
import logging
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.assertions.polling import eventually
from toolkit.chaos.experiments import Chaos
from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore, read_lease
from toolkit.services.engine import connected, find_engine
from toolkit.services.environment import Endpoint, Environment
from toolkit.services.faults import containers, processes
from toolkit.services.faults.model import NETWORK_ACTIONS, SERVER_ACTIONS
from toolkit.services.faults.ways import Way
from toolkit.services.provisioning import running, sweep
from toolkit.services.round_trips import round_trip_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.chaos_kept import Kept
from benchmarks.chaos_services import build_image, configured
from benchmarks.chaos_strain import strain
from benchmarks.chaos_surroundings import Surroundings

PARAMETERS: dict[object, dict[str, Any]] = {
    "loss": {"share": 1.0},  # to be noticed for certain
    ("fill_disk", "nats"): {"size": 1},  # its files are smaller than the others'
}
STRAINED = ("squeeze_memory", "fill_disk")
SERVICES = ("database", "cache", "message_queue", "nats", "api")
WITHIN = 120.0
"""Seconds for a recovery: a node of RabbitMQ on a busy machine takes its time."""
BRIEF = 1.0
"""Seconds in which a server that works has answered."""


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
