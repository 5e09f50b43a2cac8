"""Real PostgreSQL servers of this test process in each runtime, and owners on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server
from toolkit.databases.sources import Source, find_source


@pytest.fixture
def postgres_url(real_urls: dict[str, str]) -> str:
    """The URL of a server of this process: other tests' databases are not in it."""
    return real_urls["DATABASE_URL"]


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
