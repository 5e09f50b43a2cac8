"""One real PostgreSQL and one real Redis per test process, and databases with schemas of their own."""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

from toolkit.config import parse_config
from toolkit.databases.server import Server, connect, url_of
from toolkit.leases.store import LeaseStore
from toolkit.services.provisioning import running

MakeDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def scenario_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """URLs of a database and a cache of this process."""
    folder = tmp_path_factory.mktemp("scenario-servers")
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
    environ |= {"TOOLKIT_STATE_HOME": str(folder / "state"), "TOOLKIT_CACHE_HOME": str(folder / "cache")}
    config = parse_config({"tool": {"toolkit": {}}}, root=folder, environ={})
    with (
        LeaseStore(folder / "state") as store,
        running(config, ["database", "cache"], runtime="embedded", environ=environ, store=store) as found,
    ):
        yield found.urls


@pytest.fixture
def make_database(scenario_servers: dict[str, str]) -> Iterator[MakeDatabase]:
    """Make a database with a schema and return its URL; dropped afterwards."""
    names: list[str] = []
    url = scenario_servers["DATABASE_URL"]
    with Server(url) as server:

        def make(statements: str) -> str:
            names.append(f"s_{secrets.token_hex(4)}")
            server.create(names[-1])
            with connect(url_of(url, names[-1])) as connection:
                connection.execute(statements)
            return url_of(url, names[-1])

        yield make
        for name in names:
            server.drop(name, force=True)
