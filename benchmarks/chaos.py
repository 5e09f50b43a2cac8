"""Every fault of every service in both runtimes, many times: is all as before, and how long does it take?

    uv run benchmarks/chaos.py [--json] [--repeat 10] [--only embedded,compose] [--network-only]

For each action x service x runtime it is checked after every repetition that the server answers and that its
processes or its container have their limits back, at the end that no lease, process or container is left.
Shown: seconds from the beginning of the undoing until a query was answered (median and worst), and what the
proxy alone adds to a round trip. Exit code 1 when anything was not as before. The compose part needs a
container engine (images by POSTGRES_IMAGE, REDIS_IMAGE where none can be pulled).
"""

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.chaos.experiments import Chaos
from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore, read_lease
from toolkit.services.engine import connected, find_engine, labelled_leases
from toolkit.services.environment import Environment
from toolkit.services.faults import containers, processes
from toolkit.services.faults.model import NETWORK_ACTIONS, SERVER_ACTIONS
from toolkit.services.faults.ways import Way
from toolkit.services.processes import collect_ended, marked
from toolkit.services.provisioning import running

SERVICES = ("database", "cache")


def state(store: LeaseStore, environment: Environment, service: str) -> object:
    """Return what must be the same after a fault as before it."""
    endpoint = environment.endpoint(service)
    assert endpoint is not None
    lease = read_lease(store.path(endpoint.lease))
    assert lease is not None
    if endpoint.runtime == "embedded":
        limits = {tuple(processes._limits(pid).items()) for pid in processes.members(lease)}  # noqa: SLF001
        return limits - {()}
    with connected(lease.what["host"], timeout=60) as client:
        (container,) = containers.find(client, lease.id, service)
        known = containers._limits(container)  # noqa: SLF001
        quota = known["CpuQuota"] in {0, -1} and not known["NanoCpus"]
        return container.id, container.status, quota, known["data"], known["fsize"]


def left_over(store: LeaseStore, leases: list[str], host: str) -> list[str]:
    """Return what is still there when everything should be gone."""
    collect_ended()
    found = [f"lease {lease.kind} {lease.name}" for lease in store.leases()]
    found += [f"process {pid}" for lease in leases for pid in marked(lease)]
    if host:
        with connected(host) as client:
            found += [f"on the engine: {lease}" for lease in labelled_leases(client) if lease in leases]
    return found


def rounds(
    chaos: Chaos, store: LeaseStore, environment: Environment, *, repeat: int, network: bool
) -> Iterator[dict[str, Any]]:
    """Yield one row per action and service."""
    actions = NETWORK_ACTIONS if network else (*SERVER_ACTIONS, *NETWORK_ACTIONS)
    for service in SERVICES:
        chaos.url(service)
        before = state(store, environment, service)
        for action in actions:
            wrong = 0
            chaos.recoveries.clear()
            for _ in range(repeat):
                try:
                    with chaos.fault(action, service):
                        pass
                    wrong += state(store, environment, service) != before
                except Exception as error:  # noqa: BLE001 - counted and told
                    wrong += 1
                    print(f"{action} {service}: {error}", file=sys.stderr)
            answered = [each.answered for each in chaos.recoveries] or [float("nan")]
            yield {
                "service": service,
                "action": action,
                "median_s": statistics.median(answered),
                "worst_s": max(answered),
                "not_as_before": wrong,
            }


def measured(runtime: str, repeat: int, *, network: bool) -> dict[str, Any]:
    """Break and mend the servers of one runtime."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
        environ["TOOLKIT_STATE_HOME"] = str(root / "state")
        config = parse_config({}, root=root, environ={})
        with LeaseStore(root / "state") as store:
            with running(
                config, list(SERVICES), runtime=runtime, environ=environ, store=store
            ) as environment:  # type: ignore[arg-type]
                leases = [lease.id for lease in store.leases()]
                hosts = {lease.what.get("host", "") for lease in store.leases()} - {""}
                variables = {each.service: each.variable for each in environment.endpoints}
                chaos = Chaos(
                    store, store.owner(), project=str(root), urls=environment.urls, variables=variables
                )
                rows = list(rounds(chaos, store, environment, repeat=repeat, network=network))
                chaos.close()
                leases = sorted({*leases, *(lease.id for lease in store.leases())})
            left = left_over(store, leases, next(iter(hosts), ""))
    return {"rows": rows, "left_over": left}


@contextmanager
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
    parser.add_argument(
        "--network-only", action="store_true", help="leave out faults of the servers themselves"
    )
    chosen = parser.parse_args()
    result: dict[str, Any] = {}
    with echo() as port:
        direct = round_trip(port)
        with Way(f"tcp://127.0.0.1:{port}") as way:
            result["proxy"] = {"direct_us": direct, "through_us": round_trip(way.port)}
    for runtime in chosen.only.split(","):
        if runtime == "compose" and not find_engine(os.environ).usable:
            result[runtime] = {"skipped": find_engine(os.environ).why, "rows": [], "left_over": []}
            continue
        result[runtime] = measured(runtime, chosen.repeat, network=chosen.network_only)
    runtimes = [result[name] for name in chosen.only.split(",")]
    bad = any(each["left_over"] or any(row["not_as_before"] for row in each["rows"]) for each in runtimes)
    print(json.dumps(result, indent=1)) if chosen.json else show(result)
    sys.exit(int(bad))


def show(result: dict[str, Any]) -> None:
    proxy = result.pop("proxy")
    print(f"round trip: {proxy['direct_us']:.0f} us direct, {proxy['through_us']:.0f} us through the proxy")
    for runtime, found in result.items():
        if "skipped" in found:
            print(f"{runtime}: not measured: {found['skipped']}")
            continue
        print(f"{runtime}: answered after (median, worst, not as before)")
        for row in found["rows"]:
            figures = f"{row['median_s']:8.3f} s {row['worst_s']:8.3f} s {row['not_as_before']:4d}"
            print(f"  {row['service']:9s} {row['action']:15s} {figures}")
        print(f"  left over: {', '.join(found['left_over']) or 'nothing'}")


if __name__ == "__main__":
    main()
