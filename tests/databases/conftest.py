"""One real PostgreSQL server per test process, and owners on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server
from toolkit.databases.sources import Source, find_source
from toolkit.leases.store import LeaseStore
from toolkit.services.provisioning import running


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of this process: other tests' databases are not in it."""
    folder = tmp_path_factory.mktemp("postgres")
    config = parse_config({"tool": {"toolkit": {}}}, root=folder, environ={})
    environ = {"TOOLKIT_STATE_HOME": str(folder / "state"), "TOOLKIT_CACHE_HOME": str(folder / "cache")}
    with (
        LeaseStore(folder / "state") as store,
        running(
            config, ["database"], runtime="embedded", environ={**_path(), **environ}, store=store
        ) as environment,
    ):
        yield environment.urls["DATABASE_URL"]


def _path() -> dict[str, str]:
    import os

    return {key: value for key, value in os.environ.items() if not key.endswith("_URL")}


@pytest.fixture
def server(postgres_url: str) -> Iterator[Server]:
    with Server(postgres_url) as opened:
        yield opened


@pytest.fixture
def owner(postgres_url: str) -> Iterator[DatabaseOwner]:
    with DatabaseOwner(postgres_url) as living:
        yield living


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A schema that is this test's own, from two SQL files."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "V2__rows.sql").write_text("INSERT INTO book VALUES (1, 'Ulysses')", encoding="utf-8")
    (folder / "V10__more.sql").write_text("ALTER TABLE book ADD price int", encoding="utf-8")
    (folder / "V1__book.sql").write_text(
        f"CREATE TABLE book (id int PRIMARY KEY, title text NOT NULL); -- {tmp_path}", encoding="utf-8"
    )
    config = parse_config(
        {"tool": {"toolkit": {"databases": {"migrations": "migrations"}}}}, root=tmp_path, environ={}
    )
    return find_source(config.databases, tmp_path)
