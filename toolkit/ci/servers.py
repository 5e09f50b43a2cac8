"""Service containers of a CI job: image, port, credentials, and the URL under which tests find them.

The servers live as long as the job, in a network of its own; so their password is no secret.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from toolkit.config import Config
from toolkit.config.services import Kind, Service

USER = PASSWORD = "test"  # noqa: S105 - of servers that live as long as a job

IMAGES: Mapping[Kind, str] = {
    "postgres": "postgres:17.6-bookworm",
    "redis": "redis:7.4.5-bookworm",
    "rabbitmq": "rabbitmq:4.1.4",
    "nats": "nats:2.11.10-alpine",
}
"""The kinds that CI runs as containers; the images are those of the compose files."""

_PORTS: Mapping[Kind, int] = {"postgres": 5432, "redis": 6379, "rabbitmq": 5672, "nats": 4222}

_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""Of PostgreSQL: its data need not survive the job."""

_INITDB_SETS = 16
"""Since this PostgreSQL, initdb takes ``-c name=value``; a service container takes no command on GitHub."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One service container."""

    name: str
    """Host name of it within the job."""
    kind: Kind
    image: str
    port: int
    """Inside the container."""
    published: int
    """On the machine of the job."""
    variable: str
    env: Mapping[str, str]
    health: str = ""
    """Command inside the container that succeeds when it is ready; empty: the toolkit asks by itself."""
    database: str = ""

    def url(self, host: str, port: int) -> str:
        """Return the URL under which tests reach it."""
        return _URLS[self.kind].format(host=host, port=port, user=USER, password=PASSWORD, name=self.database)


_URLS: Mapping[Kind, str] = {
    "postgres": "postgresql://{user}:{password}@{host}:{port}/{name}",
    "redis": "redis://{host}:{port}/0",
    "rabbitmq": "amqp://{user}:{password}@{host}:{port}/{name}",
    "nats": "nats://{host}:{port}",
}

_HEALTH: Mapping[str, str] = {
    "postgres": f"pg_isready -U {USER}",
    "redis": "redis-cli ping",
    "rabbitmq": "rabbitmq-diagnostics -q check_port_connectivity",
}


def servers_of(config: Config, names: tuple[str, ...]) -> tuple[Server, ...]:
    """Return the containers for some services and all that they need.

    What cannot be one is left to the session, which starts it as it does everywhere: servers of your own
    (``http``, ``other``), services with a compose file, a command or a runtime of their own, copies.

    Args:
        config: of the project.
        names: services and environments.
    """
    servers: list[Server] = []
    for name in _closure(config, names):
        service = config.services[name]
        taken = {server.variable for server in servers}
        if _as_container(service) and service.url_variable(name) not in taken:
            copies = sum(server.kind == service.kind for server in servers)
            servers.append(_server(name, service, copies))
    return tuple(servers)


def _closure(config: Config, names: tuple[str, ...]) -> Iterator[str]:
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in config.services:
            yield name
            waiting += config.services[name].needs
        elif config.environments[name].instances == 1:
            waiting += config.environments[name].services


def _as_container(service: Service) -> bool:
    own = service.compose or service.command or service.binary
    return service.kind in IMAGES and service.runtime in {"auto", "external"} and not own


def _server(name: str, service: Service, copies: int) -> Server:
    image = service.image or IMAGES[service.kind]
    port = service.port or _PORTS[service.kind]
    return Server(
        name=name.replace("_", "-"),
        kind=service.kind,
        image=image,
        port=port,
        published=port + copies,
        variable=service.url_variable(name),
        env={**_credentials(service, image), **service.env},
        health=_HEALTH.get(service.kind, ""),
        database=service.database,
    )


def _credentials(service: Service, image: str) -> dict[str, str]:
    if service.kind == "postgres":
        return {
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": service.database,
            "POSTGRES_INITDB_ARGS": _initdb(service, image),
        }
    if service.kind == "rabbitmq":
        return {
            "RABBITMQ_DEFAULT_USER": USER,
            "RABBITMQ_DEFAULT_PASS": PASSWORD,
            "RABBITMQ_DEFAULT_VHOST": service.database,
        }
    return {}


def _initdb(service: Service, image: str) -> str:
    found = re.search(r":(\d+)", image)
    if found is None or int(found[1]) < _INITDB_SETS:
        return "--no-sync"
    settings = {**_SETTINGS, **service.settings}
    words = (f"{name}={value}" for name, value in settings.items())
    return " ".join(
        ["--no-sync", *(f"-c {shlex.quote(word)}" for word in words)]
    )  # a shell of the image reads it


Where = Literal["machine", "network"]


def urls(servers: tuple[Server, ...], where: Where) -> dict[str, str]:
    """Return variable → URL, for tests on the machine of the job or in the network of the containers."""
    if where == "machine":
        return {server.variable: server.url("127.0.0.1", server.published) for server in servers}
    return {server.variable: server.url(server.name, server.port) for server in servers}
