"""The compose runtime: real servers in containers, through Compose v2 and the engine's own client.

Compose creates, the client looks and sweeps. Ports are chosen here, so that a restart of a container or of
the engine does not change a URL; ready means that a real query answered from this side.
"""

import json
import re
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec

import toolkit
from toolkit.errors import ConfigError, EnvironmentFailed, ServiceNotReady
from toolkit.leases.store import Lease, write_private
from toolkit.services import processes
from toolkit.services.engine import LEASE_LABEL, OWNER_LABEL, connected, engine_host
from toolkit.services.environment import Endpoint, UsedRuntime
from toolkit.services.folders import data_root, leased_folder
from toolkit.services.interrupts import uninterrupted
from toolkit.services.model import CLUSTER, PORTS, Container, Model, make_model, source_of, url_of
from toolkit.services.probes import probe_of
from toolkit.services.runtime import Order, Wanted, generated_password
from toolkit.services.servers.launch import free_port
from toolkit.services.waiting import NotYet, wait_until

TRIES = 5
PULL_TIMEOUT = 900.0
"""Seconds until Compose must have created everything: the first time, images are pulled."""

TAKEN = re.compile(r"port is already allocated|address already in use|ports are not available")


def shipped_files() -> Path:
    """Return the folder of the shipped compose files: in the wheel, or beside the package in a checkout."""
    package = Path(toolkit.__file__).parent
    inside = package / "compose"
    return inside if inside.is_dir() else package.parent / "compose"


class Compose:
    """Real servers in containers, in a network of their own."""

    name: ClassVar[UsedRuntime] = "compose"

    def start(
        self, order: Order, wanted: tuple[Wanted, ...], urls: Mapping[str, str]
    ) -> tuple[Endpoint, ...]:
        """Start services in one Compose project. See :class:`toolkit.services.runtime.Runtime`."""
        lease = _lease(order)
        folder, _ = leased_folder(
            order.store,
            order.owner,
            f"{order.name}-compose",
            data_root(order.environ, order.state / "services"),
            project=str(order.project),
            environment=order.id,
        )
        resolved = _resolve_all(order, wanted)
        passwords = [generated_password() for _ in wanted]
        for _ in range(TRIES):
            containers = _containers(wanted, passwords)
            model = make_model(
                containers,
                resolved,
                project=order.project,
                shipped=shipped_files(),
                labels=_labels(lease),
                urls=urls,
            )
            write_private(folder / "compose.json", json.dumps(model, indent=1).encode())
            problem = _create(order, lease, folder)
            if not problem:
                return _await_all(order, lease, containers)
            if not TAKEN.search(problem):
                raise EnvironmentFailed(f"docker compose up failed:\n{problem}", hint=_advice(problem, model))
            order.say("a port was taken meanwhile, trying others")
        raise EnvironmentFailed(f"{TRIES} times in a row a port was taken", hint="try again")


def _lease(order: Order) -> Lease:
    what = {
        "environment": order.id,
        "compose_project": compose_project(order.id),
        "host": engine_host(order.environ),
    }
    return order.store.intend(order.owner, "compose", order.name, what=what, project=str(order.project))


def compose_project(environment_id: str) -> str:
    """Return the name of the Compose project of an environment."""
    return f"toolkit-{environment_id}"


def _labels(lease: Lease) -> dict[str, str]:
    owner = msgspec.json.encode(lease.owner).decode().replace("$", "$$")
    return {LEASE_LABEL: lease.id, OWNER_LABEL: owner}


def _resolve_all(order: Order, wanted: tuple[Wanted, ...]) -> dict[Path, Model]:
    """Let Compose read each file that is needed: variables filled in, defaults made explicit."""
    shipped = shipped_files()
    files = {found[0] for each in wanted if (found := source_of(each.service, order.project, shipped))}
    if any(each.replicas > 1 for each in wanted):
        files.add(shipped / CLUSTER)
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(lambda file: _resolve(order, file), files), strict=True))


def _resolve(order: Order, file: Path) -> Model:
    command = [
        "docker",
        "compose",
        "--project-name",
        "resolved",
        "-f",
        str(file),
        "config",
        "--format",
        "json",
    ]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=30, env=dict(order.environ)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"docker compose config: {error}") from error
    if done.returncode != 0:
        raise ConfigError(f"{file}: Compose cannot read it: {done.stderr.strip()}")
    model: Model = json.loads(done.stdout)
    return model


def _containers(wanted: tuple[Wanted, ...], passwords: list[str]) -> list[Container]:
    return [
        Container(
            label=each.name if each.instance == 1 else f"{each.name}_{each.instance}",
            wanted=each,
            port=free_port(),
            inside=each.service.port or PORTS.get(each.service.kind, 0),
            password=password,
        )
        for each, password in zip(wanted, passwords, strict=True)
    ]


def command_of(folder: Path, environment_id: str) -> list[str]:
    """Return the beginning of every Compose command for one environment."""
    project = compose_project(environment_id)
    return ["docker", "compose", "--project-name", project, "--file", str(folder / "compose.json")]


def _create(order: Order, lease: Lease, folder: Path) -> str:
    """Run ``up``; return what Compose said when it failed, else nothing.

    Compose runs under a lease of its own: a sweep stops it before it removes what it created.
    """
    order.say("compose: creating containers (the first time, images are pulled)")
    what = {"environment": order.id}
    runner = order.store.intend(order.owner, "process", "docker compose up", what=what)
    log = folder / "compose.log"
    log.write_bytes(b"")
    recipe = processes.Recipe(
        command=(*command_of(folder, order.id), "--progress", "plain", "up", "--detach", "--quiet-pull"),
        env={**order.environ, "DOCKER_HOST": lease.what["host"]},
        cwd=str(order.project),
        log=str(log),
    )
    runner = processes.start(order.store, runner, recipe)
    try:
        code = _finished(order, runner)
    finally:
        processes.stop(runner)
        order.store.forget(runner)
    return "" if code == 0 else processes.tail(log, 30)


def _finished(order: Order, runner: Lease) -> int:
    def over() -> int:
        code = processes.exit_code(runner)
        if code is None:
            raise NotYet("containers are being created")
        return code

    return wait_until(
        over,
        timeout=PULL_TIMEOUT,
        what="docker compose up",
        hint="are the images being pulled over a slow line? Pull them first: docker compose pull",
        ended=lambda: "given up" if order.cancelled.is_set() else None,
    )


def _advice(problem: str, model: Model) -> str:
    if "Pulling" in problem or "pull access" in problem:
        images = sorted({each["image"] for each in model["services"].values() if "image" in each})
        return f"can {', '.join(images)} be pulled? Name others by `image` in [tool.toolkit.services.*]"
    if "no space left" in problem:
        return "free some space: docker system df"
    return "look at the lines above; `invoke services.status` tells what is up"


def _await_all(order: Order, lease: Lease, containers: list[Container]) -> tuple[Endpoint, ...]:
    watch = Watch(lease.what["host"], lease.id)
    with ThreadPoolExecutor(max_workers=max(1, len(containers))) as pool, watch:
        waiting: list[Future[Endpoint]] = []
        try:
            with uninterrupted():  # a thread that is just being started would be waited for by nobody
                waiting += [pool.submit(_await, order, each, watch) for each in containers]
            for future in as_completed(waiting):
                future.result()
        except BaseException:
            with uninterrupted():
                order.cancelled.set()
                pool.shutdown(wait=True)
            raise
    return tuple(future.result() for future in waiting)


def _await(order: Order, container: Container, watch: "Watch") -> Endpoint:
    wanted, service = container.wanted, container.wanted.service
    url = url_of(service.kind, service, password=container.password, host="127.0.0.1", port=container.port)
    try:
        wait_until(
            probe_of(service.kind, url, health=service.health),
            timeout=service.timeout,
            what=f"{wanted.name} ({service.kind}, compose)",
            hint="does the container publish that port, and does it listen on 0.0.0.0 inside?",
            ended=lambda: "given up" if order.cancelled.is_set() else watch.ended(container.label),
        )
    except ServiceNotReady as error:
        raise ServiceNotReady(
            f"{error.message}{watch.last_lines(container.label)}", hint=error.hint
        ) from error
    order.say(f"{wanted.name}: ready on 127.0.0.1:{container.port}")
    return Endpoint(
        service=wanted.name,
        kind=service.kind,
        runtime="compose",
        url=url,
        variable=wanted.variable,
        why=wanted.why,
        port=container.port,
        lease=watch.lease,
        instance=wanted.instance,
        health=service.health,
    )


class Watch:
    """Looks at the containers of one lease, several times a second at most, for all who wait."""

    PAUSE = 0.3

    def __init__(self, host: str, lease: str) -> None:
        self.lease = lease
        self._host = host
        self._states: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="toolkit-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(self.PAUSE):
            try:
                with connected(self._host) as client:
                    self._states = {_service(each): _state(each) for each in self._containers(client)}
            except EnvironmentFailed as error:
                self._states = {"": error.message}

    def _containers(self, client: Any) -> list[Any]:
        filters = {"label": f"{LEASE_LABEL}={self.lease}"}
        found: list[Any] = client.containers.list(all=True, filters=filters, ignore_removed=True)
        return found

    def ended(self, label: str) -> str | None:
        """Say why waiting for a container is pointless; None: it is not."""
        state = self._states.get(label, "")
        return state or None

    def last_lines(self, label: str, lines: int = 15) -> str:
        """Return the end of a container's log, with a heading."""
        try:
            with connected(self._host) as client:
                text = logs_of(client, self.lease, label, lines)
        except EnvironmentFailed as error:
            return f"\n  its log cannot be read: {error.message}"
        shown = "\n".join(f"    {line}" for line in text.splitlines())
        return f"\n  last lines of its log:\n{shown}" if shown else "\n  its log is empty"


def _service(container: Any) -> str:
    return str(container.labels.get("com.docker.compose.service", ""))


def _state(container: Any) -> str:
    """Return why a container will not become ready; empty: it may."""
    state = container.attrs["State"]
    if isinstance(state, dict):
        if state.get("Status") in {"exited", "dead"}:
            killed = " (out of memory)" if state.get("OOMKilled") else ""
            return f"its container exited with code {state.get('ExitCode')}{killed}"
        if (state.get("Health") or {}).get("Status") == "unhealthy":
            return "its container is unhealthy"
    return ""


def logs_of(client: Any, lease: str, label: str, lines: int) -> str:
    """Return the end of the log of one service of a lease, stdout and stderr."""
    filters = {"label": [f"{LEASE_LABEL}={lease}", f"com.docker.compose.service={label}"]}
    found = client.containers.list(all=True, filters=filters, ignore_removed=True)
    return "\n".join(each.logs(tail=lines).decode(errors="replace").rstrip() for each in found)
