"""A profile that names services has them while pytest runs, and nobody has them afterwards."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.sessions.nox_project import Project
from toolkit.leases.store import LeaseStore
from toolkit.services import provisioning

TOML = """
[tool.toolkit]
pythons = ["3.12"]
[tool.toolkit.profiles.unit]
workers = 0
services = ["cache"]
[tool.toolkit.services.cache]
runtime = "embedded"
"""

TESTS = """
import os, pathlib, socket, time, urllib.parse

def test_cache_answers():
    parts = urllib.parse.urlsplit(os.environ["REDIS_URL"])
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(f"AUTH {parts.password}\\r\\nPING\\r\\n".encode())
        assert connection.recv(64).startswith(b"+OK")
    pathlib.Path("running").touch()
    time.sleep(float(os.environ.get("PAUSE", "0")))
"""


@pytest.fixture
def store(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeaseStore:
    """Lease files of this test, which the Nox that it runs uses as well."""
    project.write("pyproject.toml", TOML)
    project.write("tests/test_sums.py", TESTS)
    monkeypatch.delenv("REDIS_URL", raising=False)
    # outside_environment() drops TOOLKIT_ variables: the XDG ones lead to the same place
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TOOLKIT_STATE_HOME", raising=False)
    return LeaseStore(tmp_path / "state" / "nox-invoke-toolkit")


def test_services_are_up_during_the_tests_and_gone_after(project: Project, store: LeaseStore) -> None:
    done = project.nox("-s", "unit")
    assert done.returncode == 0, done.stdout
    assert "cache: ready on 127.0.0.1:" in done.stdout
    assert "REDIS_URL=redis://:***@127.0.0.1:" in done.stdout
    assert list(store.leases()) == []


def test_a_server_that_does_not_come_up_ends_the_session(project: Project, store: LeaseStore) -> None:
    project.write("pyproject.toml", TOML + 'settings = { nonsense = "1" }\n')
    done = project.nox("-s", "unit")
    assert done.returncode != 0
    assert "Bad directive" in done.stdout
    assert "Traceback" not in done.stdout
    assert list(store.leases()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_nothing_stays(
    project: Project, store: LeaseStore, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C takes the servers down; after kill -9 the next sweep does."""
    monkeypatch.setenv("PAUSE", "30")
    nox = project.start("-s", "unit")
    end = time.monotonic() + 30
    while not (project.root / "running").exists():
        assert time.monotonic() < end, nox.poll()
        time.sleep(0.05)
    (server,) = [int(lease.what["pid"]) for lease in store.leases() if lease.kind == "process"]
    (os.kill if number == signal.SIGKILL else os.killpg)(nox.pid, number)
    nox.communicate(timeout=30)
    if number == signal.SIGKILL:
        assert len(provisioning.sweep(store).released) == 3
    assert list(store.leases()) == []
    assert not Path(f"/proc/{server}/exe").exists()
