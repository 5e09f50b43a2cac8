"""Faults of servers in containers, through the engine's own client.

``squeeze_memory`` and ``fill_disk`` set limits inside the container (prlimit(1), which the official images
have), as for processes: the engine cannot take a memory limit away, and the disk is the whole machine's.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import Lease, LeaseStore
from toolkit.services.engine import LEASE_LABEL, REMOVAL, connected, docker
from toolkit.services.faults.model import Fault
from toolkit.services.faults.processes import LIMITS, limits_in

MEGABYTE = 1 << 20
SERVICE_LABEL = "com.docker.compose.service"
PERIOD = 100_000
"""Microseconds of the scheduler's period: the engine's own default."""
TRIES = 5
PAUSE = 0.2
NO_PROGRAM = {126, 127}
"""Exit codes of a command that the image does not have."""
GRACE = 10
"""Seconds that a container has to stop by itself."""

EACH = "for each in /proc/[0-9]*; do test ! -O $each || %s || test ! -d $each || exit 1; done"
"""A command for every process of the user's own, which may be limited without any capability."""
SIZES = "prlimit --pid ${each#/proc/} --data=%s: --fsize=%s:"
SQUEEZE = (
    "size=$(awk '/^VmData:/ {print $2}' $each/status)"
    ' && { test -z "$size" || prlimit --pid ${each#/proc/} --data=$((size * 1024 + %d)):; }'
)

_FIELDS = ("CpuQuota", "CpuPeriod", "NanoCpus")


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
        limits = {each.id: _limits(each) for each in find(client, lease.id, label)}
    return {"limits": json.dumps(limits), "label": label}


def _limits(container: Any) -> dict[str, Any]:
    known = container.attrs["HostConfig"]
    return {
        **{field: known.get(field) or 0 for field in _FIELDS},
        **_sizes(container),
    }


def _sizes(container: Any) -> dict[str, str]:
    """Return the limits of the first process, which all others inherit.

    An engine under load has lost the output of a command that ended at once. No answer is not "unlimited":
    a limit of ours would be taken for what was there before, and stay. An image without cat has no prlimit
    either: there is nothing to give back.

    Raises:
        EnvironmentFailed: they cannot be read.
    """
    for _ in range(TRIES):
        code, text = container.exec_run(["cat", "/proc/1/limits"])
        found = limits_in(text.decode(errors="replace"))
        if code in NO_PROGRAM or all(name in found for name in LIMITS.values()):
            return {option: found.get(name, "unlimited") for option, name in LIMITS.items()}
        time.sleep(PAUSE)
    raise EnvironmentFailed(
        f"{container.name}: its limits cannot be read: {text.decode(errors='replace').strip()[-300:]}",
        hint="look whether the container runs",
    )


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


def _squeeze_memory(_client: Any, container: Any, fault: Fault) -> None:
    _inside(container, SQUEEZE % (fault.memory * MEGABYTE))


def _fill_disk(_client: Any, container: Any, fault: Fault) -> None:
    _inside(container, f"prlimit --pid ${{each#/proc/}} --fsize={fault.size * MEGABYTE}:")


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
    before: dict[str, dict[str, Any]] = json.loads(noted["limits"])
    with connected(lease.what["host"], timeout=REMOVAL) as client:
        for each in find(client, lease.id, noted["label"]):
            if each.status == "paused":
                each.unpause()
            with _unless_it_ends(each):
                _give_back(client, each, before.get(each.id, {}))
            each.reload()
            if each.status != "running":
                each.start()


@contextlib.contextmanager
def _unless_it_ends(container: Any) -> Iterator[None]:
    """Let it pass when nothing could be given back to a container because that is dying of the fault."""
    try:
        yield
    except (docker().errors.APIError, EnvironmentFailed):
        container.reload()
        if container.status == "running":
            raise


def revive(_store: LeaseStore, lease: Lease, label: str) -> None:
    """Start the containers of a service again that have ended; nothing for those that run."""
    with connected(lease.what["host"], timeout=REMOVAL) as client:
        for each in find(client, lease.id, label):
            if each.status == "exited":
                each.start()


def _give_back(client: Any, container: Any, limits: Mapping[str, Any]) -> None:
    container.reload()
    now = container.attrs["HostConfig"]
    changed = {field for field in _FIELDS if (now.get(field) or 0) != limits.get(field, 0)}
    if "NanoCpus" in changed:
        _update(client, container, {"NanoCpus": limits["NanoCpus"]})
    elif "CpuQuota" in changed:
        quota, period = limits["CpuQuota"] or -1, limits["CpuPeriod"] or PERIOD
        _update(client, container, {"CpuPeriod": period, "CpuQuota": quota})
    sizes = {option: limits.get(option) for option in LIMITS}
    if container.status == "running" and limits and _sizes(container) != sizes:
        _inside(container, SIZES % (limits["data"], limits["fsize"]))


def _update(client: Any, container: Any, values: Mapping[str, int]) -> None:
    """Change limits of a container (engine API, ContainerUpdate; the library has no NanoCpus)."""
    api = client.api
    url = api._url("/containers/{0}/update", container.id)  # noqa: SLF001 - its own way to post
    api._result(api._post_json(url, data=dict(values)), json=True)  # noqa: SLF001


def _inside(container: Any, command: str) -> None:
    """Run a command for every process of a container; a process that is gone meanwhile does not matter.

    One that is just being started, such as a health check, may refuse for a moment: so it is tried again.

    Raises:
        EnvironmentFailed: refused for good, or the image has no prlimit.
    """
    for _ in range(TRIES):
        code, user = container.exec_run(["stat", "-c", "%u:%g", "/proc/1"])
        whom = user.decode(errors="replace").strip()
        if code in NO_PROGRAM:
            output = b"its image has no programs for that"
            break
        code, output = container.exec_run(["sh", "-c", EACH % command], user=whom)
        if code == 0:
            return
        time.sleep(PAUSE)
    raise EnvironmentFailed(
        f"{container.name}: its limits: {output.decode(errors='replace').strip()[-300:]}",
        hint="the image needs a shell, prlimit (util-linux) and awk, as those based on Debian have",
    )
