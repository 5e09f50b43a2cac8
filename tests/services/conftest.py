"""A project, lease files and data folders of its own for each test, so that tests can run side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.config import Config, parse_config
from toolkit.leases.store import LeaseStore

URL_VARIABLES = ("DATABASE_URL", "REDIS_URL", "AMQP_URL", "NATS_URL", "API_URL")


@pytest.fixture(scope="session")
def prepared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data directories are made once per test process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_world(tmp_path: Path, prepared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this test state of its own, and no servers from outside."""
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TOOLKIT_CACHE_HOME", str(prepared_cache))
    for name in URL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    return project


@pytest.fixture
def store(own_world: Path) -> Iterator[LeaseStore]:
    """The lease files of this test."""
    with LeaseStore(own_world.parent / "state") as made:
        yield made


Configure = Callable[..., Config]


@pytest.fixture
def configure(own_world: Path) -> Configure:
    """Make a configuration of this test's project out of the keys of [tool.toolkit]."""

    def make(**table: Any) -> Config:
        return parse_config({"tool": {"toolkit": table}}, root=own_world, environ={})

    return make
