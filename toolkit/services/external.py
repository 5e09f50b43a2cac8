"""The external runtime: servers that somebody else runs, named by URLs in the environment."""

import urllib.parse
from collections.abc import Mapping
from typing import ClassVar

from toolkit.config.services import VARIABLES, Kind
from toolkit.errors import ConfigError, RuntimeUnavailable
from toolkit.services.environment import Endpoint, UsedRuntime, redacted
from toolkit.services.probes import probe_of
from toolkit.services.runtime import Order, Wanted
from toolkit.services.waiting import wait_until

SCHEMES: dict[str, Kind] = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
    "nats": "nats",
    "tls": "nats",
    "http": "http",
    "https": "http",
}


def given(wanted: Wanted, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable and the URL under which a service was given to us, or None."""
    names = [wanted.variable]
    if wanted.service.otherwise and wanted.service.variable is None:
        names.append(VARIABLES.get(wanted.service.otherwise, wanted.variable))
    for name in names:
        if environ.get(name):
            return name, environ[name]
    return None


class External:
    """Servers given by URL, as CI services are."""

    name: ClassVar[UsedRuntime] = "external"

    def start(
        self,
        order: Order,
        wanted: tuple[Wanted, ...],
        urls: Mapping[str, str],  # noqa: ARG002 - one signature
    ) -> tuple[Endpoint, ...]:
        """Wait until each server answers; nothing is created, nothing needs other services' URLs."""
        return tuple(_endpoint(order, each) for each in wanted)


def _endpoint(order: Order, wanted: Wanted) -> Endpoint:
    found = given(wanted, order.environ)
    if found is None:
        raise RuntimeUnavailable(
            f"{wanted.name}: the variable {wanted.variable} is not set",
            hint=f"set {wanted.variable} to the URL of the server, or choose another runtime",
        )
    variable, url = found
    kind = _kind(wanted, variable, url)
    parts = _split(variable, url)
    order.say(f"{wanted.name}: asking {redacted(url)}")
    wait_until(
        probe_of(kind, url, health=wanted.service.health),
        timeout=wanted.service.timeout,
        what=f"{wanted.name} ({kind}, {variable}={redacted(url)})",
        hint=f"is that server up and reachable from here? Unset {variable} to have one started",
    )
    order.say(f"{wanted.name}: ready")
    return Endpoint(
        service=wanted.name,
        kind=kind,
        runtime="external",
        url=url,
        variable=variable,
        why=wanted.why,
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 0,
        instance=wanted.instance,
        health=wanted.service.health,
    )


def _split(variable: str, url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises on a bad one
    except ValueError as error:
        raise ConfigError(f"{variable}={redacted(url)!r}: not a URL: {error}") from error
    return parts


def _kind(wanted: Wanted, variable: str, url: str) -> Kind:
    kind = wanted.service.kind
    if kind == "other":
        return kind
    scheme = _split(variable, url).scheme.partition("+")[0]
    actual = SCHEMES.get(scheme)
    if actual is None or actual not in {kind, wanted.service.otherwise}:
        expected = sorted(each for each, of in SCHEMES.items() if of == kind)
        raise ConfigError(
            f"{variable}={redacted(url)!r}: scheme {scheme!r} is not that of a {kind} server; "
            f"expected {', '.join(expected)}"
        )
    return actual
