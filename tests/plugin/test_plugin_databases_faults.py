"""PostgreSQL is killed in the middle of a test: clear errors, and the run goes on when the server is back."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.databases.cleanup import cleanup
from toolkit.databases.server import Server
from toolkit.leases.store import LeaseStore
from toolkit.services import control
from toolkit.services.environment import Environment
from toolkit.services.provisioning import running

pytestmark = pytest.mark.usefixtures("alone")

TESTS = """
import pathlib, time, psycopg, pytest

def test_in_the_middle(isolated_db):
    with psycopg.connect(isolated_db.url) as connection:
        pathlib.Path("in the middle").touch()
        connection.execute("SELECT pg_sleep(60)")

def test_without_server(isolated_db):
    pass

def test_afterwards(request):
    pathlib.Path("restart").touch()
    while not pathlib.Path("restarted").exists():
        time.sleep(0.05)

@pytest.mark.parametrize("number", range(3))
def test_again(isolated_db, number):
    with psycopg.connect(isolated_db.url) as connection:
        assert connection.execute("SELECT count(*) FROM book").fetchone() == (0,)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LeaseStore]:
    with LeaseStore(tmp_path / "state") as made:
        yield made


@pytest.fixture
def environment(tmp_path: Path, store: LeaseStore) -> Iterator[Environment]:
    """A server that nobody else uses: it will be killed."""
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environ["TOOLKIT_CACHE_HOME"] = str(tmp_path / "cache")
    config = parse_config({}, root=tmp_path, environ={})
    with running(config, ["database"], runtime="embedded", environ=environ, store=store) as found:
        yield found


def strike(root: Path, store: LeaseStore, environment: Environment) -> None:
    """Kill the server when the first test is in its middle; start it again when it is asked for."""
    await_file(root / "in the middle")
    (server,) = [int(lease.what["pid"]) for lease in store.leases() if lease.kind == "process"]
    os.kill(server, signal.SIGKILL)
    await_file(root / "restart")
    control.restart(store, environment, environment.endpoints[0])
    (root / "restarted").touch()


def await_file(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.05)


def test_postgres_is_killed_in_the_middle_of_a_test(
    pytester: pytest.Pytester,
    store: LeaseStore,
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What needs the server fails with one clear message each; what comes later passes; nothing is left."""
    url = environment.urls["DATABASE_URL"]
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.delenv("TOOLKIT_RUN_DIR", raising=False)
    pytester.makepyprojecttoml('[tool.toolkit.databases]\nmigrations = "migrations"\npool = 0\n')
    pytester.mkdir("migrations")
    (pytester.path / "migrations" / "1.sql").write_text("CREATE TABLE book (id int)", encoding="utf-8")
    pytester.makepyfile(test_struck=TESTS)
    striking = threading.Thread(target=strike, args=(pytester.path, store, environment))
    striking.start()
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "--no-record")
    striking.join()
    result.assert_outcomes(passed=4, failed=1, errors=2)
    text = result.stdout.str()
    assert "OperationalError" in text
    result.stdout.fnmatch_lines(["PostgreSQL at 127.0.0.1:*refused*"])
    assert "pool.py" not in text  # none of our tracebacks
    assert url not in text
    with Server(url) as server:
        cleanup(server)
        left = [one.name for one in server.databases() if one.name.startswith(("tk_clone", "tk_build"))]
    assert left == []
