"""Running services and their URLs, as values that other processes can read back."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.config.services import Kind
from toolkit.leases.store import LeaseStore, write_private

UsedRuntime = Literal["external", "compose", "embedded"]


def redacted(text: str) -> str:
    """Replace the password of every URL in a text, for logs and reports."""
    return re.sub(r"(?<=://)([^:/@\s]*):[^/@\s]+@", r"\1:***@", text)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One running service: where it is and how to talk to it. Its text form hides the password."""

    service: str
    kind: Kind
    runtime: UsedRuntime
    url: str
    variable: str
    why: str = ""
    """Why this runtime."""
    host: str = "127.0.0.1"
    port: int = 0
    log: str = ""
    """File with the server's output; empty where the engine keeps it."""
    lease: str = ""
    """Id of the lease of its process; empty where there is none."""
    instance: int = 1
    health: str = ""
    """Path that answers 2xx when an API is ready."""

    def __repr__(self) -> str:
        return f"<{self.service} {self.kind} {self.runtime} {redacted(self.url)}>"


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A set of running services with one owner."""

    id: str
    name: str
    project: str
    made: float
    fingerprint: str = ""
    """Of what was asked for: only an environment of the same fingerprint is used again."""
    compose_project: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    complete: bool = False
    """Whether all services answered; false while it comes up and after a crash."""

    @property
    def urls(self) -> dict[str, str]:
        """Variable → URL, to be put into the environment of the tests."""
        return {endpoint.variable: endpoint.url for endpoint in self.endpoints}

    def endpoint(self, service: str, instance: int = 1) -> Endpoint | None:
        """Return the endpoint of a service; None: it is not part of this environment."""
        for endpoint in self.endpoints:
            if endpoint.service == service and endpoint.instance == instance:
                return endpoint
        return None

    def __repr__(self) -> str:
        return f"<Environment {self.name} {self.id}: {', '.join(map(repr, self.endpoints))}>"


def folder_of(store: LeaseStore) -> Path:
    """Return the private folder of the records of environments."""
    folder = store.folder / "environments"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def save(store: LeaseStore, environment: Environment) -> None:
    """Write the record of an environment, readable by its user alone (it holds passwords)."""
    write_private(folder_of(store) / f"{environment.id}.json", msgspec.json.encode(environment))


def forget(store: LeaseStore, environment_id: str) -> None:
    """Remove the record of an environment that is gone."""
    (folder_of(store) / f"{environment_id}.json").unlink(missing_ok=True)


def environments(store: LeaseStore, *, project: str | None = None) -> Iterator[Environment]:
    """Yield the recorded environments, newest first; None: of all projects."""
    found = []
    for path in folder_of(store).glob("*.json"):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Environment))
        except (OSError, msgspec.MsgspecError):
            continue  # being written, or removed meanwhile
    for environment in sorted(found, key=lambda each: each.made, reverse=True):
        if project is None or environment.project == project:
            yield environment


def with_urls(environ: Mapping[str, str], environment: Environment) -> dict[str, str]:
    """Lay the URLs of an environment over environment variables."""
    return {**environ, **environment.urls}
