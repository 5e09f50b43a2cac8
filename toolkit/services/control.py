"""Acting on one running service: its log, a restart, a command beside or inside it."""

import os
import shlex
import subprocess
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.config.services import Kind
from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases.store import Lease, LeaseStore
from toolkit.services import processes
from toolkit.services.compose import logs_of
from toolkit.services.engine import LEASE_LABEL, connected
from toolkit.services.environment import Endpoint, Environment
from toolkit.services.inspection import wait_ready
from toolkit.services.provisioning import leases_of

CLIENTS: dict[Kind, str] = {"postgres": "psql", "redis": "redis-cli"}
"""What ``services.exec`` runs when no command is given."""


def label_of(endpoint: Endpoint) -> str:
    """Return the name of a service in its Compose project."""
    return endpoint.service if endpoint.instance == 1 else f"{endpoint.service}_{endpoint.instance}"


def _lease(store: LeaseStore, environment: Environment, endpoint: Endpoint) -> Lease:
    for lease in leases_of(store, environment.id):
        if lease.id == endpoint.lease:
            return lease
    raise UsageError(
        f"{endpoint.service} is {endpoint.runtime}: it was not started here, so there is nothing to act on"
    )


def read_log(store: LeaseStore, environment: Environment, endpoint: Endpoint, *, lines: int) -> str:
    """Return the last lines of a service's output.

    Raises:
        UsageError: the service is external.
        EnvironmentFailed: the engine does not answer.
    """
    lease = _lease(store, environment, endpoint)
    if endpoint.runtime == "embedded":
        return processes.last_lines(Path(endpoint.log), lines)
    with connected(lease.what["host"]) as client:
        return logs_of(client, lease.id, label_of(endpoint), lines)


def restart(
    store: LeaseStore, environment: Environment, endpoint: Endpoint, *, timeout: float = 60.0
) -> None:
    """Restart a service under the same URL; return when it answers again.

    A database keeps what was committed, a cache is empty.

    Raises:
        UsageError: the service is external.
        ServiceNotReady: it does not answer in ``timeout`` seconds.
    """
    lease = _lease(store, environment, endpoint)
    if endpoint.runtime == "embedded":
        processes.restart(store, lease)
    else:
        with connected(lease.what["host"], timeout=timeout) as client:
            for container in _containers(client, lease, endpoint):
                container.restart(timeout=10)
    wait_ready(endpoint, timeout=timeout)


def _containers(client: Any, lease: Lease, endpoint: Endpoint) -> list[Any]:
    filters = {"label": [f"{LEASE_LABEL}={lease.id}", f"com.docker.compose.service={label_of(endpoint)}"]}
    found: list[Any] = client.containers.list(all=True, filters=filters)
    return found


def run_command(
    store: LeaseStore,
    environment: Environment,
    endpoint: Endpoint,
    command: str,
    environ: Mapping[str, str],
) -> int:
    """Run a command for a service and return its exit code; its output goes to ours.

    It runs on this machine with the service's URL in the environment (and what psql and redis-cli read), for
    a container inside of it.

    Args:
        store: the lease files.
        environment: to which the service belongs.
        endpoint: the service.
        command: split as a shell would; empty: the client of this kind of server.
        environ: for a command on this machine.

    Raises:
        UsageError: no command, and the kind of service has no client.
        EnvironmentFailed: the command cannot be started.
    """
    words = shlex.split(command or CLIENTS.get(endpoint.kind, ""))
    if not words:
        raise UsageError(f"{endpoint.service}: which command?", hint="--command 'printenv'")
    settings = client_settings(endpoint)
    env = {**environ, **environment.urls, **settings}
    if endpoint.runtime == "compose":
        lease = _lease(store, environment, endpoint)
        env["DOCKER_HOST"] = lease.what["host"]
        env.update(_AT_HOME.get(endpoint.kind, {}))
        names = [*settings, *(name for name in _AT_HOME.get(endpoint.kind, {}) if name not in settings)]
        words = [*_into_container(lease, endpoint, names), *words]
    try:
        return subprocess.run(words, check=False, env=env).returncode
    except OSError as error:
        raise EnvironmentFailed(f"{words[0]}: {error.strerror or error}") from error


_AT_HOME: dict[Kind, dict[str, str]] = {
    "postgres": {"PGHOST": "127.0.0.1", "PGPORT": "5432"},
    "redis": {"REDISCLI_PORT": "6379"},
}
"""Where a client inside the container finds its server."""


def _into_container(lease: Lease, endpoint: Endpoint, names: list[str]) -> list[str]:
    """Return the command that runs another one in the container; secrets go by environment."""
    with connected(lease.what["host"]) as client:
        containers = [each.name for each in _containers(client, lease, endpoint)]
    if not containers:
        raise EnvironmentFailed(f"{endpoint.service}: its container is gone", hint="invoke services.up")
    passed = [word for name in names for word in ("--env", name)]
    terminal = ["-it"] if os.isatty(0) else ["-i"]
    return ["docker", "exec", *terminal, *passed, containers[0]]


def client_settings(endpoint: Endpoint) -> dict[str, str]:
    """Return the variables by which psql and redis-cli find a server and its password."""
    parts = urllib.parse.urlsplit(endpoint.url)
    password = urllib.parse.unquote(parts.password or "")
    if endpoint.kind == "postgres":
        return {
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port or 5432),
            "PGUSER": urllib.parse.unquote(parts.username or ""),
            "PGPASSWORD": password,
            "PGDATABASE": parts.path.lstrip("/"),
        }
    if endpoint.kind == "redis":
        return {"REDISCLI_AUTH": password, "REDISCLI_PORT": str(parts.port or 6379)}
    return {}
