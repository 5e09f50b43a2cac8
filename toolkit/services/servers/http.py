"""The user's own server, or any other, started by its command."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from toolkit.config.services import Service
from toolkit.services.probes import probe_of
from toolkit.services.servers.launch import Launch, Place, Program


def find(service: Service) -> Program | None:
    """A command is all that is needed."""
    return Program(Path(service.command[0]), "its command") if service.command else None


def prepare(place: Place) -> None:
    """Nothing is needed before the first start."""


def launch(place: Place, program: Program, port: int) -> Launch:  # noqa: ARG001 - one signature
    """Describe the command with ``{port}``, ``{host}`` and ``{python}`` filled in; PORT is set as well.

    Program and Python are those that come first on the PATH of ``place.environ``: in a session, those of the
    environment in which the user's own project is installed.
    """
    host = "127.0.0.1"
    fill = {"port": str(port), "host": host, "python": _on_path("python", place.environ) or sys.executable}
    first, *rest = (_filled(word, fill) for word in place.service.command)
    url = _filled(place.service.url or "http://{host}:{port}", fill)
    env = {**place.environ, **place.urls, "PORT": str(port), "HOST": host}
    env.update({key: _filled(value, fill) for key, value in place.service.env.items()})
    return Launch(
        command=(_on_path(first, place.environ) or first, *rest),
        url=url,
        ready=probe_of(place.service.kind, url, health=place.service.health),
        env=env,
        cwd=place.project,
    )


def _on_path(name: str, environ: Mapping[str, str]) -> str | None:
    return shutil.which(name, path=environ.get("PATH", ""))


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
