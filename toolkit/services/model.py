"""From services to one Compose model: definitions from compose files, made private to one environment.

Pure functions: resolved files in, a model out. Whatever the files say, ports are published on 127.0.0.1 only,
names that would collide between environments are dropped, everything bears the labels of its lease, and
credentials are new.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from toolkit.config.services import Kind, Service
from toolkit.config.validation import unknown
from toolkit.errors import ConfigError
from toolkit.services.runtime import Wanted

Model = dict[str, Any]

SHIPPED: dict[Kind, tuple[str, str]] = {
    "postgres": ("test-stack.yml", "database"),
    "redis": ("test-stack.yml", "cache"),
    "rabbitmq": ("message-queue.yml", "rabbitmq"),
    "nats": ("message-queue.yml", "nats"),
}
"""Kind → shipped compose file and the service in it."""

CLUSTER = "cluster-stack.yml"
PORTS: dict[Kind, int] = {"postgres": 5432, "redis": 6379, "rabbitmq": 5672, "nats": 4222, "http": 8000}


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One service in its environment: how it is called, and where it will be reached."""

    label: str
    """Name in the Compose project."""
    wanted: Wanted
    port: int
    """Published on 127.0.0.1."""
    inside: int
    """Port in the container."""
    password: str

    @property
    def front(self) -> str:
        """Name of the Compose service that publishes the port: a load balancer stands before copies."""
        return f"{self.label}_balancer" if _balanced(self.wanted) else self.label


def _balanced(wanted: Wanted) -> bool:
    return wanted.replicas > 1 and wanted.service.kind == "http"


def url_of(kind: Kind, service: Service, *, password: str, host: str, port: int) -> str:
    """Return the URL of a service with the credentials that it was given."""
    if service.url:
        return service.url.replace("{host}", host).replace("{port}", str(port))
    user, word = quote(service.user), quote(password)
    urls = {
        "postgres": f"postgresql://{user}:{word}@{host}:{port}/{quote(service.database)}",
        "redis": f"redis://:{word}@{host}:{port}/0",
        "rabbitmq": f"amqp://{user}:{word}@{host}:{port}/{quote(service.database)}",
        "nats": f"nats://{user}:{word}@{host}:{port}",
    }
    return urls.get(kind, f"http://{host}:{port}")


def source_of(service: Service, project: Path, shipped: Path) -> tuple[Path, str] | None:
    """Return the compose file that defines a service and its name in there; None: an image is enough."""
    if service.compose:
        return project / service.compose, service.compose_service
    if service.kind in SHIPPED:
        file, name = SHIPPED[service.kind]
        return shipped / file, name
    return None


def make_model(
    containers: Sequence[Container],
    resolved: Mapping[Path, Model],
    *,
    project: Path,
    shipped: Path,
    labels: Mapping[str, str],
    urls: Mapping[str, str],
) -> Model:
    """Build the model of one environment.

    Args:
        containers: what shall run.
        resolved: compose file → what ``docker compose config`` made of it.
        project: root of the user's project.
        shipped: folder of the shipped compose files.
        labels: put on everything.
        urls: variables of services that run elsewhere, passed to the containers.

    Raises:
        ConfigError: a compose file does not have the service that was named.
    """
    model: Model = {"services": {}, "volumes": {}, "configs": {}, "secrets": {}, "networks": {}}
    for each in containers:
        found = source_of(each.wanted.service, project, shipped)
        for name, definition, source in _definitions(each, found, resolved):
            prefix = "" if found is None or each.wanted.service.compose else f"{each.label}-"
            model["services"][name] = _private(definition, source, model, prefix=prefix)
        definition = model["services"][each.label]
        _ask_for(each, definition, containers, urls)
        if _balanced(each.wanted):
            _balance(each, model, resolved[shipped / CLUSTER])
        else:
            definition["ports"] = [_published(each)]
    _label(model, labels)
    return {key: value for key, value in model.items() if value}


def _definitions(
    container: Container, found: tuple[Path, str] | None, resolved: Mapping[Path, Model]
) -> Iterator[tuple[str, Model, Model]]:
    """Yield the service and, for a file of the user's, all that it depends on there."""
    if found is None:
        yield container.label, {"image": container.wanted.service.image}, {}
        return
    file, name = found
    source = resolved[file]
    services = source.get("services", {})
    if name not in services:
        raise ConfigError(f"{file}: {unknown('service', name, services)}")
    yield container.label, copy.deepcopy(services[name]), source
    for need in _closure(services, name):
        yield need, {**copy.deepcopy(services[need]), "ports": []}, source


def _closure(services: Model, name: str) -> list[str]:
    found: dict[str, None] = {}
    todo = list(services[name].get("depends_on") or {})
    while todo:
        need = todo.pop()
        if need not in found:
            found[need] = None
            todo.extend(services[need].get("depends_on") or {})
    return list(found)


def _private(definition: Model, source: Model, model: Model, *, prefix: str) -> Model:
    """Copy what a service refers to into the model, under names of this environment."""
    definition.pop("container_name", None)
    definition.pop("profiles", None)
    for volume in definition.get("volumes") or ():
        if volume.get("type") == "volume" and volume.get("source"):
            known = _unnamed((source.get("volumes") or {}).get(volume["source"]))
            volume["source"] = volume["source"] if known.get("external") else prefix + volume["source"]
            model["volumes"][volume["source"]] = known
    for kind in ("configs", "secrets"):
        for entry in definition.get(kind) or ():
            known = _unnamed((source.get(kind) or {}).get(entry["source"]))
            model[kind][entry["source"]] = known
    for name in definition.get("networks") or {"default": None}:
        model["networks"][name] = _unnamed((source.get("networks") or {}).get(name))
    return definition


def _unnamed(thing: Model | None) -> Model:
    """Drop the fixed name of a volume, network or config, unless it is somebody else's."""
    thing = dict(thing or {})
    if not thing.get("external"):
        thing.pop("name", None)
    return thing


def _ask_for(
    container: Container, definition: Model, containers: Sequence[Container], urls: Mapping[str, str]
) -> None:
    """Fill in what the configuration says: image, credentials, settings, limits, needs."""
    wanted, service = container.wanted, container.wanted.service
    if service.image:
        definition["image"] = service.image
    if service.command:
        definition["command"] = [word.replace("{port}", str(container.inside)) for word in service.command]
    environment = definition.setdefault("environment", {}) or {}
    environment.update(_credentials(container))
    environment.update({name: _escaped(value) for name, value in service.env.items()})
    definition["environment"] = environment
    for setting, value in service.settings.items():
        _set(service.kind, definition, setting, _escaped(value))
    if service.memory:
        definition["mem_limit"] = service.memory
    if service.cpus:
        definition["cpus"] = service.cpus
    if _balanced(wanted):
        definition["deploy"] = {"replicas": wanted.replicas}
    neighbours = [
        each
        for each in containers
        if each.wanted.name in service.needs and each.wanted.instance == wanted.instance
    ]
    _add_needs(container, definition, neighbours, urls)


def _escaped(value: str) -> str:
    return value.replace("$", "$$")  # Compose would take it for a variable


def _quoted(value: str) -> str:
    """Write a value as the configuration of NATS reads it from a variable: 8e12 alone would be a number."""
    return msgspec.json.encode(value).decode()


def _credentials(container: Container) -> dict[str, str]:
    service, password = container.wanted.service, container.password
    if service.compose:
        return {}
    known: dict[Kind, dict[str, str]] = {
        "postgres": {
            "POSTGRES_USER": service.user,
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": service.database,
        },
        "redis": {"REDIS_PASSWORD": password},
        "rabbitmq": {
            "RABBITMQ_DEFAULT_USER": service.user,
            "RABBITMQ_DEFAULT_PASS": password,
            "RABBITMQ_DEFAULT_VHOST": service.database,
        },
        "nats": {"NATS_USER": _quoted(service.user), "NATS_PASSWORD": _quoted(password)},
        "http": {"PORT": str(container.inside)},
    }
    return known.get(service.kind, {})


def _set(kind: Kind, definition: Model, setting: str, value: str) -> None:
    if kind == "postgres":
        definition["command"] = [*definition["command"], "-c", f"{setting}={value}"]
    elif kind == "redis":
        script = definition["command"][0]
        definition["command"] = [script.replace("\nEND\n", f"\n{setting} {value}\nEND\n")]
    else:
        raise ConfigError(
            f"settings.{setting}: a {kind} container takes no settings", hint="use `env` or `compose`"
        )


def _add_needs(
    container: Container, definition: Model, neighbours: Sequence[Container], urls: Mapping[str, str]
) -> None:
    """Start after the needs, with their URLs as seen from inside the network."""
    if container.wanted.service.needs:
        definition["environment"].update({name: _escaped(url) for name, url in urls.items()})
    depends = dict(definition.get("depends_on") or {})
    for each in neighbours:
        service = each.wanted.service
        url = url_of(service.kind, service, password=each.password, host=each.label, port=each.inside)
        definition["environment"][service.url_variable(each.wanted.name)] = url
        healthy = service.kind in SHIPPED or bool(service.compose)
        condition = "service_healthy" if healthy else "service_started"
        depends[each.label] = {"condition": condition}
    if depends:
        definition["depends_on"] = depends


def _published(container: Container) -> Model:
    return {
        "target": container.inside,
        "published": str(container.port),
        "host_ip": "127.0.0.1",
        "protocol": "tcp",
        "mode": "ingress",
    }


def _balance(container: Container, model: Model, cluster: Model) -> None:
    """Put the load balancer of the cluster stack before the copies of a service."""
    balancer = copy.deepcopy(cluster["services"]["load_balancer"])
    balancer["environment"] = {"BACKEND": f"{container.label}:{container.inside}"}
    balancer["depends_on"] = {container.label: {"condition": "service_started"}}
    balancer["ports"] = [_published(container) | {"target": PORTS["http"]}]
    model["services"][container.front] = _private(balancer, cluster, model, prefix="")
    model["services"][container.label].pop("ports", None)


def _label(model: Model, labels: Mapping[str, str]) -> None:
    for service in model["services"].values():
        service["labels"] = {**(service.get("labels") or {}), **labels}
    for kind in ("volumes", "networks"):
        for thing in model[kind].values():
            if not thing.get("external"):
                thing["labels"] = {**(thing.get("labels") or {}), **labels}
