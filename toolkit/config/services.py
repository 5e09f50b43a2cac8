"""Services: real servers that tests talk to, and environments: named sets of them."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

import msgspec

Kind = Literal["postgres", "redis", "rabbitmq", "nats", "http", "other"]
RuntimeName = Literal["auto", "compose", "embedded", "external"]
Memory = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]*[kmg]$")]
Cpus = Annotated[float, msgspec.Meta(gt=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
NAME_PATTERN = r"[a-z][a-z0-9_-]{0,40}"
Name = Annotated[str, msgspec.Meta(pattern=f"^{NAME_PATTERN}$")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]
Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Z_][A-Z0-9_]*$")]
Copies = Annotated[int, msgspec.Meta(ge=1, le=64)]

VARIABLES: dict[Kind, str] = {
    "postgres": "DATABASE_URL",
    "redis": "REDIS_URL",
    "rabbitmq": "AMQP_URL",
    "nats": "NATS_URL",
    "http": "API_URL",
}
"""The variable in which tests find the URL of a kind of service, as a CI would give it."""


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``[tool.toolkit.services]``."""

    kind: Kind
    """Which server it is: decides how it is started, probed and addressed."""
    description: str = ""
    """What it is for, one line."""
    variable: Variable | None = None
    """Variable for the URL; None: by kind (DATABASE_URL …), for other kinds ``<NAME>_URL``."""
    runtime: RuntimeName = "auto"
    """Where it runs; "auto": external where a URL is given, else containers, else embedded."""
    otherwise: Kind | None = None
    """Kind to take in the embedded runtime when the server of ``kind`` is not installed."""
    image: str = ""
    """Container image; empty: the pinned one of the compose file."""
    compose: str = ""
    """A compose file of your own, relative to the project; the service in it is ``compose_service``."""
    compose_service: str = ""
    """Name of the service in the compose file of your own."""
    port: Port | None = None
    """Port inside the container; needed for ``compose`` and for an ``http`` image."""
    command: tuple[str, ...] = ()
    """How to start it as a process; ``{port}`` and ``{python}`` are replaced."""
    binary: str = ""
    """Server program to use instead of the one found on PATH or in a wheel."""
    health: str = ""
    """For ``http``: the path that answers 2xx when it is ready."""
    url: str = ""
    """Template of the URL, with ``{host}`` and ``{port}``; needed for the kind "other"."""
    user: Word = "test"
    """Name of the user in the URL; the password is generated."""
    database: Word = "test"
    """PostgreSQL: name of the first database. RabbitMQ: name of the virtual host."""
    settings: dict[str, str] = {}
    """Server settings, e.g. ``{max_connections = "300"}``."""
    env: dict[str, str] = {}
    """Environment variables of the server."""
    needs: tuple[Name, ...] = ()
    """Services that must be ready before; their URLs are in its environment."""
    memory: Memory | None = None
    """Ceiling, e.g. "512m"."""
    cpus: Cpus | None = None
    """Ceiling, in cores."""
    timeout: Seconds = 60.0
    """Seconds until it must answer a real query."""

    def url_variable(self, name: str) -> str:
        """Return the variable for the URL of this service, whose name is ``name``."""
        return self.variable or VARIABLES.get(self.kind) or f"{name.upper().replace('-', '_')}_URL"


class ServiceSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``[tool.toolkit.environments]``: services that come up together."""

    description: str = ""
    """What it is for, one line."""
    services: tuple[Name, ...] = ()
    """Which services come up."""
    instances: Copies = 1
    """How many copies of the whole set; the second's variables end in ``_2`` and so on."""
    runtime: RuntimeName = "auto"
    """Where it runs; "auto": external where a URL is given, else containers, else embedded."""
    memory: Memory | None = None
    """Ceiling of each service that names none."""
    cpus: Cpus | None = None
    """Ceiling of each service that names none, in cores."""
    replicas: dict[Name, Copies] = {}
    """Service → copies: an ``http`` service behind a load balancer."""


BUILT_IN_SERVICES: dict[str, dict[str, Any]] = {
    "database": {"kind": "postgres", "description": "PostgreSQL"},
    "cache": {"kind": "redis", "description": "Redis"},
    "message_queue": {
        "kind": "rabbitmq",
        "otherwise": "nats",
        "description": "RabbitMQ; embedded without RabbitMQ on PATH: NATS",
    },
}
"""The services of every project; a project's own rows are laid over them."""

BUILT_IN_ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "unit_tests": {"description": "A cache, for tests that need one", "services": ["cache"]},
    "integration_tests": {"description": "Database and cache", "services": ["database", "cache"]},
    "performance_tests": {
        "description": "Database and cache within fixed limits",
        "services": ["database", "cache"],
        "memory": "1g",
        "cpus": 2.0,
    },
}
"""The environments of every project."""


def service_mistakes(
    services: Mapping[str, Service],
    environments: Mapping[str, ServiceSet],
    wanted: Mapping[str, tuple[str, ...]],
) -> list[str]:
    """Return what single fields cannot say: dangling names, missing commands, circles.

    Args:
        services: all services.
        environments: all environments.
        wanted: profile → the services (or environments) that it names.
    """
    mistakes = [
        f"tool.toolkit.{table}.{name}: expected a name of small letters, digits, - and _"
        for table, rows in (("services", services), ("environments", environments))
        for name in rows
        if not re.fullmatch(NAME_PATTERN, name)
    ]
    for name, service in services.items():
        path = f"tool.toolkit.services.{name}"
        mistakes.extend(f"{path}{line}" for line in _mistakes_of(service))
        mistakes.extend(_dangling(f"{path}.needs", service.needs, services))
    mistakes.extend(
        line
        for name, row in environments.items()
        for key, names in (("services", row.services), ("replicas", tuple(row.replicas)))
        for line in _dangling(f"tool.toolkit.environments.{name}.{key}", names, services)
    )
    known = {**services, **environments}
    for name, names in wanted.items():
        mistakes.extend(_dangling(f"tool.toolkit.profiles.{name}.services", names, known))
    return mistakes or _circles(services)


def _mistakes_of(service: Service) -> list[str]:
    mistakes = []
    if service.kind == "other":
        if not (service.command or service.compose or service.image):
            mistakes.append(': kind "other" needs `command`, `compose` or `image`')
        if not service.url:
            mistakes.append(': kind "other" needs `url`, e.g. "http://{host}:{port}/"')
    if service.kind == "http" and not (service.command or service.image or service.compose):
        mistakes.append(': kind "http" needs `command`, `image` or `compose`: how your server is started')
    if service.compose and not service.compose_service:
        mistakes.append(".compose_service: missing: which service in the compose file is it?")
    if (service.compose or (service.image and service.kind in {"http", "other"})) and service.port is None:
        mistakes.append(".port: missing: the port inside the container")
    if service.otherwise is not None and service.otherwise == service.kind:
        mistakes.append(f'.otherwise = "{service.otherwise}": the same as `kind`')
    return mistakes


def _dangling(path: str, names: tuple[str, ...], known: Collection[str]) -> list[str]:
    from toolkit.config.validation import unknown

    return [f"{path}: {unknown('service', name, known)}" for name in names if name not in known]


def _circles(services: Mapping[str, Service]) -> list[str]:
    done: set[str] = set()
    while ready := {name for name in services.keys() - done if done.issuperset(services[name].needs)}:
        done |= ready
    left = sorted(services.keys() - done)
    return [f"tool.toolkit.services: {', '.join(left)} need each other in a circle"] if left else []
