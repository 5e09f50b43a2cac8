"""Servers of their own that tests may break: an environment per test module, a project per test."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.runtimes import require_engine
from toolkit.chaos.experiments import Chaos
from toolkit.config import Config, parse_config
from toolkit.config.services import RuntimeName
from toolkit.leases.store import LeaseStore
from toolkit.services.environment import Environment
from toolkit.services.provisioning import running


class World:
    """Lease files and servers that belong to this module."""

    def __init__(self, folder: Path, store: LeaseStore, environment: Environment) -> None:
        self.folder, self.store, self.environment = folder, store, environment
        self.root = Path(environment.project)

    def chaos(self) -> Chaos:
        variables = {each.service: each.variable for each in self.environment.endpoints}
        return Chaos(
            self.store,
            self.store.owner(),
            project=str(self.root),
            urls=self.environment.urls,
            variables=variables,
            within=60,
        )

    def faults(self) -> list[str]:
        return [lease.name for lease in self.store.leases() if lease.kind == "fault"]


Up = Callable[..., World]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Bring up services (database and cache) in a runtime; they go with the module."""
    with contextlib.ExitStack() as stack:

        def bring(
            runtime: RuntimeName,
            names: Sequence[str] = ("database", "cache"),
            services: Mapping[str, object] | None = None,
        ) -> World:
            folder = tmp_path_factory.mktemp("chaos")
            if runtime == "compose":
                require_engine()
            (folder / "project").mkdir()
            config: Config = parse_config(
                {"tool": {"toolkit": {"services": services or {}}}}, root=folder / "project", environ={}
            )
            environ = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
            environ["TOOLKIT_STATE_HOME"] = str(folder / "state")
            store = stack.enter_context(LeaseStore(folder / "state"))
            made = running(config, names, runtime=runtime, environ=environ, store=store)
            return World(folder, store, stack.enter_context(made))

        yield bring


@pytest.fixture(scope="module")
def world(up: Up) -> World:
    """PostgreSQL and Redis as processes, to be broken."""
    return up("embedded")


@pytest.fixture
def chaos(world: World) -> Iterator[Chaos]:
    """Faults of the embedded servers; nothing of them may be left."""
    made = world.chaos()
    yield made
    made.close()
    assert world.faults() == []
