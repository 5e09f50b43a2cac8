"""Real servers for the tests of this repository in each runtime: processes, containers, somebody else's.

A fixture with ``params=RUNTIMES`` makes its tests run on all three. Servers are brought up once per test
process, when first asked for, and again when they are gone (a test restarts the engine). Somebody else's are
those of EXTERNAL_DATABASE_URL and EXTERNAL_REDIS_URL; without these, of another process (``somebody.py``).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.config.services import RuntimeName
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import LeaseStore
from toolkit.services import provisioning
from toolkit.services.engine import find_engine
from toolkit.services.environment import Environment

SOMEBODY = Path(__file__).with_name("somebody.py")

RUNTIMES = [
    pytest.param("embedded", id="embedded"),
    pytest.param("compose", id="compose", marks=[pytest.mark.slow, pytest.mark.uses("engine")]),
    pytest.param("external", id="external", marks=pytest.mark.slow),
]
"""For ``params`` of a fixture. Two of them on one Python only: that is what CI has time for."""


class Servers:
    """The database and the cache of each runtime, for the tests of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
            "TOOLKIT_STATE_HOME": str(folder / "state"),
            "TOOLKIT_CACHE_HOME": str(folder / "cache"),
        }
        self._store = LeaseStore(folder / "state")
        self._owner = self._store.owner()
        self._up: dict[str, Environment] = {}
        self._somebody: subprocess.Popen[str] | None = None
        self._told: dict[str, str] = {}

    def urls(self, runtime: RuntimeName) -> dict[str, str]:
        """Return the URLs of a runtime's servers, by variable."""
        there = self._up.get(runtime)
        if there is None or not provisioning.answers(there):
            if there is not None:
                provisioning.down(self._store, there.id)
            self._up[runtime] = there = self._bring_up(runtime)
        return there.urls

    def _bring_up(self, runtime: RuntimeName) -> Environment:
        environ = dict(self._environ)
        if runtime == "compose":
            require_engine()
        if runtime == "external":
            environ |= self._given()
        config = parse_config({}, root=self._folder, environ={})
        return provisioning.up(
            config,
            ["database", "cache"],
            owner=self._owner,
            store=self._store,
            runtime=runtime,
            environ=environ,
        )

    def _given(self) -> dict[str, str]:
        given = {name: os.environ.get(f"EXTERNAL_{name}", "") for name in ("DATABASE_URL", "REDIS_URL")}
        if all(given.values()):
            return given
        if self._somebody is None:
            self._somebody = subprocess.Popen(
                [sys.executable, SOMEBODY, self._folder / "somebody"],
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._somebody.stdout is not None
            self._told = json.loads(self._somebody.stdout.readline())  # it says so once
        return self._told

    def close(self) -> None:
        """Take everything down; an engine that is just being restarted by another test is waited for."""
        for environment in self._up.values():
            end = time.monotonic() + 120
            while True:
                try:
                    provisioning.down(self._store, environment.id)
                    break
                except EnvironmentFailed:
                    if time.monotonic() > end:
                        raise
                    time.sleep(1)
        assert list(self._store.leases()) == []
        self._store.close()
        if self._somebody is not None:
            self._somebody.communicate(timeout=60)  # ends its input, and so itself
            assert self._somebody.returncode == 0


def require_engine() -> None:
    """Go on only with a container engine; in CI its absence is a failure, elsewhere a skip that says more."""
    found = find_engine(os.environ)
    if not found.usable:
        message = f"{found.why}; run `.ci/docker-engine up` and export what it prints"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def real_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The real servers of this test process; none is up until a test asks."""
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.close()


@pytest.fixture(params=RUNTIMES)
def real_urls(request: pytest.FixtureRequest, real_servers: Servers) -> dict[str, str]:
    """DATABASE_URL and REDIS_URL of real servers: the test runs once in each runtime.

    Where they come from is nothing to the processes that a test starts: coverage measures those of one.
    """
    if request.param != "embedded":
        request.getfixturevalue("unmeasured")
    return real_servers.urls(request.param)
