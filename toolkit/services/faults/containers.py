"""Faults of servers in containers, through the engine's own client.

``fill_disk`` sets a limit inside the container (prlimit(1), which the official images have): the disk
itself is shared with the whole machine. A container that had no memory limit has afterwards one of the
machine's whole memory: the engine cannot take a limit away.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import Lease, LeaseStore
from toolkit.services.engine import LEASE_LABEL, REMOVAL, connected
from toolkit.services.faults.model import Fault

MEGABYTE = 1 << 20
SERVICE_LABEL = "com.docker.compose.service"
PERIOD = 100_000
"""Microseconds of the scheduler's period: the engine's own default."""
GRACE = 10
"""Seconds that a container has to stop by itself."""

LIMIT = "for each in /proc/[0-9]*; do prlimit --pid ${each#/proc/} --fsize=%s: || test ! -d $each; done"

_FIELDS = ("CpuQuota", "CpuPeriod", "NanoCpus", "Memory", "MemorySwap")


def find(client: Any, lease_id: str, label: str) -> list[Any]:
    """Return the containers of one service of a lease.

    Raises:
        EnvironmentFailed: there are none.
    """
    filters = {"label": [f"{LEASE_LABEL}={lease_id}", f"{SERVICE_LABEL}={label}"]}
    found: list[Any] = client.containers.list(all=True, filters=filters, ignore_removed=True)
    if not found:
        raise EnvironmentFailed(f"{label}: its container is gone", hint="invoke services.up")
    return found


def note(lease: Lease, label: str) -> dict[str, str]:
    """Return the limits of the containers before a fault, as JSON by container."""
    with connected(lease.what["host"]) as client:
        limits = {
            each.id: {field: each.attrs["HostConfig"].get(field) or 0 for field in _FIELDS}
            for each in find(client, lease.id, label)
        }
    return {"limits": json.dumps(limits), "label": label}


def inject(lease: Lease, label: str, fault: Fault) -> None:
    """Do it to the containers of a service that run."""
    with connected(lease.what["host"], timeout=REMOVAL) as client:
        for each in find(client, lease.id, label):
            _DOING[fault.action](client, each, fault)


def _kill(_client: Any, container: Any, _fault: Fault) -> None:
    container.kill()


def _stop(_client: Any, container: Any, _fault: Fault) -> None:
    container.stop(timeout=GRACE)


def _pause(_client: Any, container: Any, _fault: Fault) -> None:
    container.pause()


def _squeeze_cpu(client: Any, container: Any, fault: Fault) -> None:
    if container.attrs["HostConfig"].get("NanoCpus"):
        _update(client, container, {"NanoCpus": max(int(fault.share * 1e9), 10_000_000)})
    else:
        _update(client, container, {"CpuPeriod": PERIOD, "CpuQuota": max(int(fault.share * PERIOD), 1000)})


def _squeeze_memory(client: Any, container: Any, fault: Fault) -> None:
    used = container.stats(stream=False, one_shot=True)["memory_stats"].get("usage", 0)
    limit = max(used + fault.memory * MEGABYTE, 8 * MEGABYTE)
    _update(client, container, {"Memory": limit, "MemorySwap": limit})


def _fill_disk(_client: Any, container: Any, fault: Fault) -> None:
    _limit_files(container, str(fault.size * MEGABYTE))


_DOING: dict[str, Callable[[Any, Any, Fault], None]] = {
    "kill": _kill,
    "stop": _stop,
    "restart": _stop,
    "pause": _pause,
    "squeeze_cpu": _squeeze_cpu,
    "squeeze_memory": _squeeze_memory,
    "fill_disk": _fill_disk,
}


def undo(_store: LeaseStore, lease: Lease, noted: Mapping[str, str]) -> None:
    """Undo whatever was done; a container that ended is started again. Harmless when nothing was done."""
    before: dict[str, dict[str, int]] = json.loads(noted["limits"])
    with connected(lease.what["host"], timeout=REMOVAL) as client:
        memory = int(client.info()["MemTotal"])
        for each in find(client, lease.id, noted["label"]):
            if each.status == "paused":
                each.unpause()
            if each.id in before:
                _give_back(client, each, before[each.id], memory)
            each.reload()
            if each.status == "running":
                _limit_files(each, "unlimited")
            else:
                each.start()


def _give_back(client: Any, container: Any, limits: Mapping[str, int], memory: int) -> None:
    container.reload()
    now = container.attrs["HostConfig"]
    changed = {field for field in _FIELDS if (now.get(field) or 0) != limits[field]}
    if changed & {"Memory", "MemorySwap"}:
        wanted = limits["Memory"] or memory
        swap = limits["MemorySwap"] if limits["Memory"] else -1
        if (now.get("Memory") or 0) != wanted:
            _update(client, container, {"Memory": wanted, "MemorySwap": swap})
    if "NanoCpus" in changed:
        _update(client, container, {"NanoCpus": limits["NanoCpus"]})
    elif "CpuQuota" in changed:
        _update(
            client,
            container,
            {"CpuPeriod": limits["CpuPeriod"] or PERIOD, "CpuQuota": limits["CpuQuota"] or -1},
        )


def _update(client: Any, container: Any, values: Mapping[str, int]) -> None:
    """Change limits of a container (engine API, ContainerUpdate; the library has no NanoCpus)."""
    api = client.api
    url = api._url("/containers/{0}/update", container.id)  # noqa: SLF001 - its own way to post
    api._result(api._post_json(url, data=dict(values)), json=True)  # noqa: SLF001


def _limit_files(container: Any, size: str) -> None:
    """Limit the size of files for every process of a container.

    Raises:
        EnvironmentFailed: the image has no prlimit.
    """
    code, output = container.exec_run(["sh", "-c", LIMIT % size], user="root", privileged=True)
    if code != 0 and size != "unlimited":
        raise EnvironmentFailed(
            f"{container.name}: file sizes: {output.decode(errors='replace').strip()[-300:]}",
            hint="the image needs prlimit (util-linux)",
        )
