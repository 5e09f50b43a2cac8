"""A history of each kind to put made-up runs into: an SQLite file, a schema of a real PostgreSQL server."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.history.store import History, open_history
from toolkit.services.provisioning import running


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that lives as long as the tests of this process."""
    root = tmp_path_factory.mktemp("postgres")
    environ = {"TOOLKIT_STATE_HOME": str(root / "state"), "TOOLKIT_CACHE_HOME": str(root / "cache")}
    config = parse_config({}, root=root, environ={})
    with running(config, ["database"], runtime="embedded", environ=environ) as environment:
        yield environment.endpoints[0].url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of a history of this test's own."""
    return f"{postgres_server}?schema=history_{secrets.token_hex(6)}"


@pytest.fixture
def history_file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def history_url(request: pytest.FixtureRequest) -> str:
    """Where a history of this test's own is, in either database."""
    found: str | Path = request.getfixturevalue(
        "postgres_url" if request.param == "postgres" else "history_file"
    )
    return str(found)


@pytest.fixture
def history(history_url: str) -> Iterator[History]:
    with open_history(history_url) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB of this test's own; needs the right to mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"a small disk needs the right to mount: {done.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
