"""Doing a fault to a service and undoing it, with a lease in between.

The lease is written first and forgotten last. So a sweep undoes what a killed process left, and ``down`` of
the environment undoes before it stops.
"""

import time
from collections.abc import Mapping

from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases.owners import Owner
from toolkit.leases.store import Lease, LeaseStore, read_lease
from toolkit.services.environment import Endpoint, Environment, environments
from toolkit.services.faults import containers, processes
from toolkit.services.faults.model import MAY_KILL, Fault, is_network
from toolkit.services.probes import probe_of
from toolkit.services.waiting import NotYet

KIND = "fault"
"""Of the leases."""
PATIENCE = 20.0
"""Seconds in which a server that a fault has hit answers or ends after it is undone."""
PAUSE = 0.05


def find_target(
    store: LeaseStore, project: str, service: str, urls: Mapping[str, str]
) -> tuple[Environment, Endpoint]:
    """Return the running service that a fault shall hit: the one whose URL the tests use.

    Args:
        store: the lease files.
        project: root of the project.
        service: its name in the configuration.
        urls: environment variables of the tests.

    Raises:
        UsageError: it is not up, not ours, or the tests use another one.
    """
    seen = []
    for environment in environments(store, project=project):
        for endpoint in environment.endpoints:
            if endpoint.service == service:
                seen.append(endpoint)
                if urls.get(endpoint.variable) == endpoint.url:
                    _refuse_foreign(endpoint)
                    return environment, endpoint
    if not seen:
        raise UsageError(
            f"{service}: is not up in {project}",
            hint=f'name it in the profile (services = ["{service}"]), or: invoke services.up {service}',
        )
    raise UsageError(
        f"{service}: {seen[0].variable} is not the URL of one that was started here for this project, "
        "so it is not touched"
    )


def _refuse_foreign(endpoint: Endpoint) -> None:
    if not endpoint.lease:
        raise UsageError(
            f"{endpoint.service} is {endpoint.runtime}: it was not started here, so it is not touched",
            hint="faults of the network go through a proxy and work with any server",
        )


def inject(
    store: LeaseStore, owner: Owner, environment: Environment, endpoint: Endpoint, fault: Fault
) -> Lease:
    """Do a fault to a server; return the lease by which it is undone.

    Raises:
        UsageError: it is already under a fault, or the platform cannot do this one.
        EnvironmentFailed: it could not be done; what was done of it is undone.
    """
    if is_network(fault):
        raise UsageError(f"{fault.action}: goes through a proxy", hint="use the fixture `chaos`")
    target = _target(store, endpoint)
    _refuse_second(store, endpoint, target)
    label = label_of(endpoint)
    embedded = endpoint.runtime == "embedded"
    noted = processes.note(target, fault) if embedded else containers.note(target, label)
    what = {
        "environment": environment.id,
        "action": fault.action,
        "target": target.id,
        "runtime": endpoint.runtime,
        "label": label,
        **noted,
    }
    name = f"{fault.action} {label}"
    lease = store.intend(owner, KIND, name, what=what, project=environment.project)
    try:
        if embedded:
            processes.inject(store, target, fault)
        else:
            containers.inject(target, label, fault)
    except BaseException:
        undo(store, lease)
        store.forget(lease)
        raise
    return lease


def _target(store: LeaseStore, endpoint: Endpoint) -> Lease:
    target = read_lease(store.path(endpoint.lease))
    if target is None:
        raise EnvironmentFailed(f"{endpoint.service}: it is gone", hint="invoke services.up")
    return target


def _refuse_second(store: LeaseStore, endpoint: Endpoint, target: Lease) -> None:
    for lease in store.leases():
        same = lease.kind == KIND and lease.what.get("target") == target.id
        if same and lease.what.get("label", "") == label_of(endpoint):
            other = f"{lease.what['action']}, of {lease.owner.described()}"
            raise UsageError(
                f"{endpoint.service}: is already under a fault: {other}",
                hint="undo it first; what a killed process left: invoke services.sweep",
            )


def label_of(endpoint: Endpoint) -> str:
    """Return the name of a service in its environment."""
    return endpoint.service if endpoint.instance == 1 else f"{endpoint.service}_{endpoint.instance}"


def undo(store: LeaseStore, lease: Lease) -> None:
    """Undo the fault of a lease; the release function of this kind. A server that is gone needs nothing.

    Raises:
        EnvironmentFailed: it could not be undone; keep the lease.
    """
    target = read_lease(store.path(lease.what["target"]))
    if target is None:
        return
    if lease.what["runtime"] == "embedded":
        processes.undo(store, target, lease.what)
    else:
        containers.undo(store, target, lease.what)


def revive(store: LeaseStore, endpoint: Endpoint) -> None:
    """Start a server again that died of a fault after that was undone; nothing for one that runs.

    Raises:
        EnvironmentFailed: it cannot be started.
    """
    target = read_lease(store.path(endpoint.lease))
    if target is None:
        return
    if endpoint.runtime == "embedded":
        processes.revive(store, target)
    else:
        containers.revive(store, target, label_of(endpoint))


def undo_for_good(store: LeaseStore, lease: Lease) -> None:
    """Undo a fault whose owner is dead and see that the server outlives it; the release function of a sweep.

    A server whose own owner is dead too is only undone: it goes next.

    Raises:
        EnvironmentFailed: it could not be undone; keep the lease.
    """
    undo(store, lease)
    target = read_lease(store.path(lease.what["target"]))
    if target is None or lease.what["action"] not in MAY_KILL or store.judge(target.owner).state == "dead":
        return
    endpoint = _endpoint(store, lease)
    end = time.monotonic() + PATIENCE
    while endpoint is not None and time.monotonic() < end:
        try:
            probe_of(endpoint.kind, endpoint.url, health=endpoint.health)()
        except (NotYet, OSError):
            revive(store, endpoint)
            time.sleep(PAUSE)
        else:
            return


def _endpoint(store: LeaseStore, lease: Lease) -> Endpoint | None:
    """Return the server that the fault of a lease hit; None: its environment is not recorded any more."""
    for environment in environments(store):
        for endpoint in environment.endpoints:
            if endpoint.lease == lease.what["target"] and label_of(endpoint) == lease.what["label"]:
                return endpoint
    return None
