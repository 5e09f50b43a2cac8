"""What is up, whose it is, and whether it answers: for ``services.status`` and its kin."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from toolkit.errors import UsageError
from toolkit.leases.owners import State
from toolkit.leases.store import LeaseStore
from toolkit.services.environment import Endpoint, Environment, UsedRuntime, environments, redacted
from toolkit.services.provisioning import leases_of, state_of
from toolkit.services.waiting import NotYet, wait_until


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """One service of one environment, asked just now. The URL hides its password."""

    environment: str
    id: str
    service: str
    instance: int
    kind: str
    runtime: UsedRuntime
    state: str
    """"ready", "starting", or why it does not answer."""
    url: str
    variable: str
    owner: str
    owner_state: State | Literal["none"]


def status(store: LeaseStore, *, project: str | None) -> list[ServiceState]:
    """Ask every recorded service; None: of all projects."""
    return [
        _state(store, environment, endpoint)
        for environment in environments(store, project=project)
        for endpoint in environment.endpoints
    ]


def _state(store: LeaseStore, environment: Environment, endpoint: Endpoint) -> ServiceState:
    owner, owner_state = owner_of(store, environment)
    return ServiceState(
        environment=environment.name,
        id=environment.id,
        service=endpoint.service,
        instance=endpoint.instance,
        kind=endpoint.kind,
        runtime=endpoint.runtime,
        state=state_of(endpoint),
        url=redacted(endpoint.url),
        variable=endpoint.variable,
        owner=owner,
        owner_state=owner_state,
    )


def owner_of(store: LeaseStore, environment: Environment) -> tuple[str, State | Literal["none"]]:
    """Say who owns an environment and whether that owner lives."""
    for lease in leases_of(store, environment.id):
        return lease.owner.described(), store.judge(lease.owner).state
    return "nobody", "none"


def find_environments(store: LeaseStore, project: str, names: Sequence[str]) -> list[Environment]:
    """Return the environments of a project with these names or ids; no names: all of them.

    Raises:
        UsageError: one of them is not up; says which are.
    """
    up = list(environments(store, project=project))
    for name in names:
        if not any(name in {each.name, each.id} for each in up):
            found = ", ".join(f"{each.name} ({each.id})" for each in up) or "none"
            raise UsageError(
                f"no environment {name!r} is up in {project}; up: {found}", hint="invoke services.up"
            )
    return [each for each in up if not names or each.name in names or each.id in names]


def find_endpoint(
    store: LeaseStore, project: str, service: str, *, environment: str = "", instance: int = 1
) -> tuple[Environment, Endpoint]:
    """Return a running service, from the newest environment that has it.

    Raises:
        UsageError: it is not up; says what is, and how to get it up.
    """
    up = find_environments(store, project, [environment] if environment else [])
    for each in up:
        endpoint = each.endpoint(service, instance)
        if endpoint is not None and each.complete:
            return each, endpoint
    found = sorted({endpoint.service for each in up for endpoint in each.endpoints})
    raise UsageError(
        f"the service {service!r} is not up in {project}; up: {', '.join(found) or 'none'}",
        hint=f"bring it up: invoke services.up {service}",
    )


def wait_ready(endpoint: Endpoint, *, timeout: float) -> None:
    """Wait until a service answers a real query.

    Raises:
        ServiceNotReady: it did not in ``timeout`` seconds.
    """

    def asked() -> None:
        state = state_of(endpoint)
        if state != "ready":
            raise NotYet(state)

    what = f"{endpoint.service} ({endpoint.kind}, {endpoint.runtime}, {redacted(endpoint.url)})"
    wait_until(asked, timeout=timeout, what=what, hint=f"see: invoke services.logs {endpoint.service}")
