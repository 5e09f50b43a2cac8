"""What holds in every runtime: processes, containers and somebody else's servers are used in the same way."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.listening import addresses_of_ports, command_lines
from tests.runtimes import RUNTIMES, Servers, require_engine
from toolkit.config import Config
from toolkit.config.services import RuntimeName
from toolkit.errors import UsageError
from toolkit.leases.store import LeaseStore
from toolkit.services import control, inspection, provisioning
from toolkit.services.environment import Environment
from toolkit.services.provisioning import running

Configure = Callable[..., Config]

TESTS = """
import os, psycopg, pytest

def test_queries(isolated_db, cache_client):
    with psycopg.connect(isolated_db.url) as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
    cache_client.set("key", "value")
    assert cache_client.get("key") == b"value"

def test_bad(isolated_db):
    print(isolated_db.url)
    assert os.environ["DATABASE_URL"] == isolated_db.url
"""


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> RuntimeName:
    """One runtime after the other."""
    if request.param == "compose":
        require_engine()
    name: RuntimeName = request.param
    return name


@pytest.fixture
def environ(runtime: RuntimeName, real_servers: Servers, own_world: Path) -> dict[str, str]:
    """The environment of a user: for the external runtime with URLs of servers that somebody else runs."""
    given = real_servers.urls("external") if runtime == "external" else {}
    return {**os.environ, **given}


def passwords(environment: Environment) -> list[bytes]:
    return [each.url.split("@")[0].rsplit(":", 1)[1].encode() for each in environment.endpoints]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_servers_are_used_in_the_same_way(
    runtime: RuntimeName, environ: dict[str, str], configure: Configure, store: LeaseStore
) -> None:
    """Up, used, secret, on loopback, gone: what is ours goes, what is somebody else's stays."""
    config = configure()
    lines: list[str] = []
    with running(
        config, ["database", "cache"], runtime=runtime, environ=environ, store=store, say=lines.append
    ) as found:
        assert {each.runtime for each in found.endpoints} == {runtime}
        assert {row.state for row in inspection.status(store, project=found.project)} == {"ready"}
        assert addresses_of_ports({each.port for each in found.endpoints}) == {"0100007F"}
        told = run_tests(config.root, {**environ, **found.urls})
        texts = [*command_lines(), told, "\n".join(lines).encode(), repr(found).encode()]
        texts += [path.read_bytes() for path in config.root.rglob("*") if path.is_file()]
        texts += [store.path(lease.id).read_bytes() for lease in store.leases()]
        texts += [log.encode() for log in logs(store, found)]
        for password in passwords(found):
            assert len(password) == 32
            assert not [text for text in texts if password in text]
    assert list(store.leases()) == []
    assert provisioning.answers(found) == (runtime == "external")


def logs(store: LeaseStore, found: Environment) -> list[str]:
    """Return the output of the servers; that of somebody else's is not ours to read, and this is said."""
    read = []
    for endpoint in found.endpoints:
        if endpoint.runtime == "external":
            with pytest.raises(UsageError, match="not started here"):
                control.read_log(store, found, endpoint, lines=100)
        else:
            read.append(control.read_log(store, found, endpoint, lines=100))
    return read


def run_tests(project: Path, environ: dict[str, str]) -> bytes:
    """Run tests on the servers, one of which fails, with all reports; return what was printed."""
    (project / "test_servers.py").write_text(TESTS)
    (project / "pyproject.toml").write_text("[tool.toolkit]\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command += ["--junitxml=reports/junit.xml", "-vv", "--showlocals", "test_servers.py"]
    for name in [name for name in environ if name.startswith(("PYTEST_", "COV_", "TOOLKIT_RUN"))]:
        environ.pop(name)
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, timeout=120, check=False)
    text = done.stdout + done.stderr
    assert b"1 failed, 1 passed" in text, text.decode()
    assert (project / "reports" / "junit.xml").exists()
    assert list((project / ".toolkit" / "runs").rglob("*.jsonl"))
    return text


def test_a_command_finds_its_server(
    runtime: RuntimeName, environ: dict[str, str], configure: Configure, store: LeaseStore
) -> None:
    """``services.exec`` gives a command what psql reads, and ``services.restart`` keeps the URL."""
    with running(configure(), ["database"], runtime=runtime, environ=environ, store=store) as found:
        (endpoint,) = found.endpoints
        with psycopg.connect(endpoint.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        ask = 'sh -c \'test -n "$PGPASSWORD" && test "$PGUSER" = test\''
        assert control.run_command(store, found, endpoint, ask, environ) == 0
        if runtime == "external":
            with pytest.raises(UsageError, match="not started here"):
                control.restart(store, found, endpoint)
        else:
            control.restart(store, found, endpoint)
        assert provisioning.answers(found)
