"""What the three runtimes have in common: the request they get and the protocol they follow."""

import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import msgspec

from toolkit.config.services import Service
from toolkit.leases.owners import Owner
from toolkit.leases.store import LeaseStore
from toolkit.services.environment import Endpoint, UsedRuntime

Say = Callable[[str], None]
"""Takes one line of progress."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One service that shall run, and why in this runtime."""

    name: str
    service: Service
    variable: str
    why: str
    instance: int = 1
    replicas: int = 1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """All that a runtime must know beside the services themselves."""

    id: str
    """Of the environment: a part of every name that is made for it."""
    name: str
    project: Path
    state: Path
    """Folder of the project for data when memory has no room."""
    store: LeaseStore
    owner: Owner
    environ: Mapping[str, str]
    say: Say
    cancelled: threading.Event
    """Set when another service failed or the user pressed Ctrl-C: stop waiting, create nothing more."""


class Runtime(Protocol):
    """A place where servers can run."""

    name: ClassVar[UsedRuntime]

    def start(
        self, order: Order, wanted: tuple[Wanted, ...], urls: Mapping[str, str]
    ) -> tuple[Endpoint, ...]:
        """Start services at once and return when each has answered a real query.

        Args:
            order: for whom, and where to write down what is created.
            wanted: the services; none needs another of them unless the runtime orders them itself.
            urls: variables with the URLs of services that already run.

        Raises:
            EnvironmentFailed: with the last lines of the log and what to try. Everything that was created
                has a lease; the caller releases it.
        """
        ...


def generated_password() -> str:
    """Return a new password: 128 bits, safe in URLs and configuration files."""
    return secrets.token_hex(16)
