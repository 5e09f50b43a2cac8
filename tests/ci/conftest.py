"""What the tests of CI definitions share: a configuration from a table, sessions as Nox lists them."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.config import Config, parse_config
from toolkit.config.profiles import described
from toolkit.noxfile import NoxSession

Configure = Callable[[str], Config]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Make a configuration from the inside of ``[tool.toolkit]``."""

    def made(table: str) -> Config:
        return parse_config(tomllib.loads(f"[tool.toolkit]\n{table}"), root=tmp_path, environ={})

    return made


def profile_sessions(config: Config, *names: str) -> list[NoxSession]:
    """The sessions of profiles, as ``nox --list --json`` tells them: ``unit-3.12``."""
    made = []
    for session in names:
        name, _, python = session.partition("-")
        text = described(name, config.profiles[name])
        made.append(NoxSession(session=session, name=name, description=text, python=python or None))
    return made


def own_session(session: str, name: str = "", python: str | None = None) -> NoxSession:
    """A session that the project wrote itself."""
    return NoxSession(session=session, name=name or session, description="mine", python=python)
