"""The container engine and its Compose plugin: is there one that answers, and what did we create on it."""

import functools
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import EnvironmentFailed, MissingExtra
from toolkit.leases.owners import Owner, Verdict
from toolkit.leases.store import Lease
from toolkit.leases.sweeping import Sweep, Swept
from toolkit.services.detection import Engine
from toolkit.services.waiting import NotYet, wait_until

LEASE_LABEL = "nox-invoke-toolkit.lease"
OWNER_LABEL = "nox-invoke-toolkit.owner"

PATIENCE = 3.0
"""Seconds in which an engine must answer; a dead socket accepts connections and stays silent."""

REMOVAL = 60.0
"""Seconds that the engine may take to remove one thing."""


def docker() -> Any:
    """Import the engine's client library.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import docker as library
    except ImportError as error:
        raise MissingExtra("a service in a container", extra="docker", package="docker") from error
    return library


def engine_host(environ: Mapping[str, str]) -> str:
    """Return the address of the engine that the ``docker`` command would use."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    named = environ.get("DOCKER_CONTEXT") or _current_context(environ)
    if named and named != "default" and shutil.which("docker", path=environ.get("PATH")):
        command = ["docker", "context", "inspect", named, "--format", "{{.Endpoints.docker.Host}}"]
        done = _asked(command, environ)
        if done:
            return done
    return "npipe:////./pipe/docker_engine" if os.name == "nt" else "unix:///var/run/docker.sock"


def _current_context(environ: Mapping[str, str]) -> str:
    folder = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        return str(json.loads((folder / "config.json").read_bytes()).get("currentContext", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _asked(command: list[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE, env=dict(environ)
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@contextmanager
def connected(host: str, *, timeout: float = PATIENCE) -> Iterator[Any]:
    """Yield a client of the engine.

    Raises:
        EnvironmentFailed: it does not answer, or refuses what is asked inside the block.
    """
    library = docker()
    import requests

    client = None
    try:
        ping(host)
        client = library.DockerClient(base_url=host, timeout=timeout, version="auto")
        yield client
    except (library.errors.DockerException, requests.RequestException, OSError) as error:
        raise EnvironmentFailed(
            f"the container engine at {host}: {error}", hint="does `docker ps` work?"
        ) from error
    finally:
        if client is not None:
            client.close()


def ping(host: str) -> None:
    """Ask an engine on a Unix socket whether it is there, before its client library does.

    The library leaves a socket open when it cannot connect, and waits long when nobody answers.

    Raises:
        OSError: nobody answers.
    """
    if not host.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(PATIENCE)
        asked.connect(host.removeprefix("unix://"))
        asked.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
        if b" 200 " not in asked.recv(64):
            raise OSError("it answers, but not as a container engine")


def find_engine(environ: Mapping[str, str]) -> Engine:
    """Tell within seconds whether containers can be had, and why or why not.

    An engine that is installed and does not answer is no engine.
    """
    if shutil.which("docker", path=environ.get("PATH")) is None:
        return Engine(False, "the docker command is not installed")
    host = engine_host(environ)
    try:
        with connected(host) as client:
            version = client.version().get("Version", "?")
    except MissingExtra as error:
        return Engine(False, error.message)
    except EnvironmentFailed:
        return Engine(False, f"no container engine answers at {host}")
    compose = _asked(["docker", "compose", "version", "--short"], environ)
    if not compose:
        return Engine(False, f"engine {version} answers, but `docker compose` (v2) is not installed")
    return Engine(True, f"engine {version} answers at {host}, Compose {compose}")


def remove_project(lease: Lease) -> None:
    """Remove what bears the label of a lease: containers, networks and volumes, and nothing else.

    Raises:
        EnvironmentFailed: the engine does not answer or refuses; the lease must be kept.
    """
    with connected(lease.what["host"], timeout=REMOVAL) as client:
        remove_labelled(client, lease.id)


def remove_labelled(client: Any, lease_id: str) -> None:
    """Remove containers, networks and volumes that bear the label of one lease, until there are none.

    Once is not enough: the engine may still be busy with what a stopped ``docker compose up`` asked of it, so
    that things are refused for a moment or appear only now.

    Raises:
        ServiceNotReady: something is still there after a minute; says what and why.
    """

    def remove_all() -> None:
        problems = [problem for remove in _removals(client, lease_id) if (problem := _tried(remove))]
        left = len(list(_removals(client, lease_id)))
        if left:
            raise NotYet("; ".join(problems) or f"{left} things have appeared meanwhile")

    wait_until(remove_all, timeout=REMOVAL, what=f"removal of what bears the lease {lease_id}")


def _removals(client: Any, lease_id: str) -> Iterator[Callable[[], None]]:
    """Yield what removes each thing of a lease, in the order in which that is possible."""
    wanted = {"label": f"{LEASE_LABEL}={lease_id}"}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        yield functools.partial(container.remove, force=True, v=True)
    for network in client.networks.list(filters=wanted):
        yield network.remove
    for volume in client.volumes.list(filters=wanted):
        yield functools.partial(volume.remove, force=True)


def _tried(remove: Callable[[], None]) -> str:
    """Remove one thing; return why that was refused, or nothing."""
    try:
        remove()
    except docker().errors.NotFound:
        return ""
    except docker().errors.APIError as error:
        return str(error.explanation or error)
    return ""


def labelled_leases(client: Any) -> dict[str, str]:
    """Return the leases that things on the engine name: id → the owner as JSON."""
    found: dict[str, str] = {}
    for container in client.containers.list(all=True, filters={"label": LEASE_LABEL}, ignore_removed=True):
        found[container.labels[LEASE_LABEL]] = container.labels.get(OWNER_LABEL, "")
    for thing in (
        *client.networks.list(filters={"label": LEASE_LABEL}),
        *client.volumes.list(filters={"label": LEASE_LABEL}),
    ):
        labels = thing.attrs.get("Labels") or {}
        found.setdefault(labels.get(LEASE_LABEL, ""), labels.get(OWNER_LABEL, ""))
    found.pop("", None)
    return found


def sweep_labelled(
    host: str, known: Collection[str], judge: Callable[[Owner], Verdict], *, dry_run: bool = False
) -> Sweep:
    """Remove what bears our label and whose lease file is lost, if the owner named beside is dead.

    Args:
        host: address of the engine.
        known: leases that have a file: they are judged by it, not here.
        judge: tells whether an owner lives.
        dry_run: only tell.

    Raises:
        EnvironmentFailed: the engine does not answer.
    """
    released: list[Swept] = []
    kept: list[Swept] = []
    with connected(host, timeout=REMOVAL if not dry_run else PATIENCE) as client:
        for lease_id, text in labelled_leases(client).items():
            if lease_id in known:
                continue
            verdict = _verdict(text, judge)
            row = Swept(id=lease_id, kind="compose", name="without a lease", project="", why=verdict.why)
            (released if verdict.state == "dead" else kept).append(row)
            if verdict.state == "dead" and not dry_run:
                remove_labelled(client, lease_id)
    return Sweep(released=tuple(released), kept=tuple(kept), dry_run=dry_run)


def _verdict(text: str, judge: Callable[[Owner], Verdict]) -> Verdict:
    try:
        return judge(msgspec.json.decode(text, type=Owner))
    except msgspec.MsgspecError:
        return Verdict("unknown", "it does not say who owns it")
