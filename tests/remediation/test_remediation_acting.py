"""The automatic remedies do what they say, on real servers, to what is ours and to nothing else."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from invoke.program import Program

from toolkit.config import parse_config
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import LeaseStore
from toolkit.remediation.acting import Site, apply, find_server
from toolkit.remediation.caches import OWNER_KEY, clear_dead_claims
from toolkit.remediation.table import Suggestion
from toolkit.services import processes, provisioning
from toolkit.services.environment import Environment
from toolkit.tasks import ns

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,  # what it shows does not depend on the Python
]

URLS = ("DATABASE_URL", "REDIS_URL", "AMQP_URL", "NATS_URL", "API_URL")
MANY = 500


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def root(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with state of its own and no servers from outside."""
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TOOLKIT_CACHE_HOME", str(prepared))
    for name in URLS:
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 'shop'\n[tool.toolkit]\n")
    return project


@pytest.fixture
def store(root: Path) -> Iterator[LeaseStore]:
    with LeaseStore(root.parent / "state") as made:
        yield made


@pytest.fixture
def site(root: Path, store: LeaseStore) -> Site:
    config = parse_config(
        {"tool": {"toolkit": {"databases": {"migrations": "schema"}}}}, root=root, environ={}
    )
    return Site(config=config, store=store, environ=dict(os.environ))


Provide = Callable[[str], Environment]


@pytest.fixture
def provide(site: Site, store: LeaseStore) -> Iterator[Provide]:
    """Bring one embedded service up; it goes down with the test."""
    made: list[Environment] = []

    def up(name: str) -> Environment:
        owner = store.owner("process")
        made.append(provisioning.up(site.config, [name], owner=owner, store=store, runtime="embedded"))
        return made[-1]

    yield up
    for environment in made:
        provisioning.down(store, environment.id)


def suggestion(remedy: str, target: str = "") -> Suggestion:
    return Suggestion(
        remedy=remedy, what="", target=target, steps=(), automatic=True, verified="", score=1.0, group="g",
        cause="", count=1,
    )  # fmt: skip


def kill(store: LeaseStore, environment: Environment) -> None:
    """Kill the environment's server as a crash would; return when its port is closed."""
    lease = next(lease for lease in provisioning.leases_of(store, environment.id) if lease.kind == "process")
    os.kill(int(lease.what["pid"]), signal.SIGKILL)
    processes.collect_ended()
    ending = time.monotonic() + 30
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            assert time.monotonic() < ending
            with contextlib.suppress(ConnectionResetError):
                socket.create_connection(("127.0.0.1", environment.endpoints[0].port), timeout=1).close()
            time.sleep(0.01)


def test_a_killed_server_is_restarted(site: Site, store: LeaseStore, provide: Provide) -> None:
    environment = provide("cache")
    endpoint = environment.endpoints[0]
    kill(store, environment)
    outcome = apply(site, suggestion("restart-service", f"localhost:{endpoint.port}"))
    assert outcome.helped, outcome
    assert "restarted cache" in outcome.done
    assert provisioning.answers(environment)
    assert find_server(site, f"localhost:{endpoint.port}")[1] == endpoint


def test_a_server_that_answers_is_not_restarted(site: Site, provide: Provide) -> None:
    """It came back while somebody read the suggestion; a restart would empty the cache under its users."""
    import redis

    endpoint = provide("cache").endpoints[0]
    with redis.Redis.from_url(endpoint.url) as client:
        client.set("work", "1")
        outcome = apply(site, suggestion("restart-service", f"localhost:{endpoint.port}"))
        assert outcome.helped, outcome
        assert "answers already" in outcome.done
        assert client.get("work") == b"1"


def test_a_port_that_cannot_be_is_no_surprise(site: Site) -> None:
    """A number from a message may be anything."""
    outcome = apply(site, suggestion("free-port", "99999"))
    assert (outcome.helped, outcome.done) == (False, "")


def test_a_server_that_is_not_ours_is_not_touched(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        port = theirs.getsockname()[1]
        outcome = apply(site, suggestion("restart-service", f"localhost:{port}"))
        assert (outcome.helped, outcome.done) == (False, "")
        assert "no service of this project" in outcome.told
        held = apply(site, suggestion("free-port", str(port)))
    assert not held.helped
    assert "not touched" in held.told
    free = apply(site, suggestion("free-port", str(port)))
    assert free.helped
    assert "nobody listens" in free.done


_ORPHAN = """
import os, sys
from pathlib import Path
from toolkit.config import parse_config
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import LeaseStore
from toolkit.services import provisioning

config = parse_config({"tool": {"toolkit": {}}}, root=Path(sys.argv[1]), environ={})
store = LeaseStore(Path(sys.argv[2]))
made = provisioning.up(config, ["cache"], owner=store.owner("process"), store=store, runtime="embedded")
print(made.endpoints[0].port, flush=True)
os._exit(9)
"""


def orphaned(root: Path) -> str:
    """Have a process bring a server up and die; nobody takes the server down but us. Return its port."""
    command = [sys.executable, "-c", _ORPHAN, str(root), str(root.parent / "state")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    port = done.stdout.strip()
    assert port, done.stderr
    return port


def test_the_port_of_our_own_orphan_is_freed(site: Site, root: Path) -> None:
    port = orphaned(root)
    outcome = apply(site, suggestion("free-port", port))
    assert outcome.helped, outcome
    with socket.create_server(("127.0.0.1", int(port))):
        pass


def test_databases_and_templates_are_made_again_if_they_are_ours(
    site: Site, root: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from toolkit.databases.server import url_of

    (root / "schema").mkdir()
    (root / "schema" / "1.sql").write_text("CREATE TABLE orders (id int)")
    url = provide("database").endpoints[0].url
    monkeypatch.setenv("DATABASE_URL", url)
    for _ in range(2):  # it was not there; it is there and ours
        outcome = apply(site, suggestion("recreate-database", "shop_1"))
        assert outcome.helped, outcome
    with psycopg.connect(url_of(url, "shop_1")) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
        connection.execute("INSERT INTO orders VALUES (1)")
    outcome = apply(site, suggestion("recreate-database", "shop_1"))
    assert (outcome.helped, outcome.done) == (True, "shop_1 is there already")
    with psycopg.connect(url_of(url, "shop_1")) as connection:  # what is there is never dropped
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE theirs")
    outcome = apply(site, suggestion("recreate-database", "theirs"))
    assert (outcome.helped, "bears no mark" in outcome.told) == (False, True)
    outcome = apply(site, suggestion("rebuild-template"))
    assert outcome.helped, outcome
    assert "built tk_template_" in outcome.done
    (root / "schema").rename(root / "gone")  # no template can be made: none is needed for what is there
    assert apply(site, suggestion("recreate-database", "shop_1")).helped


def test_a_cache_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(EnvironmentFailed, match="does not answer"):
        clear_dead_claims("redis://127.0.0.1:1/0")


def test_only_what_dead_workers_left_in_the_cache_is_cleared(site: Site, provide: Provide) -> None:
    import redis

    url = provide("cache").endpoints[0].url.rsplit("/", 1)[0]
    with (
        redis.Redis.from_url(f"{url}/1") as dead,
        redis.Redis.from_url(f"{url}/2", single_connection_client=True) as alive,
        redis.Redis.from_url(f"{url}/3") as theirs,
    ):
        dead.mset({OWNER_KEY: "toolkit-owner-dead", "rest": "1"})
        alive.client_setname("toolkit-owner-alive")
        alive.mset({OWNER_KEY: "toolkit-owner-alive", "work": "1"})
        theirs.set("theirs", "1")
        assert clear_dead_claims(f"{url}/0", dry_run=True) == 1
        outcome = apply(site, suggestion("clear-cache"))
        assert outcome.helped, outcome
        assert (dead.dbsize(), alive.dbsize(), theirs.dbsize()) == (0, 2, 1)


def test_a_worker_that_claims_meanwhile_keeps_its_database(
    provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before its owner is read, a database is claimed: that owner must be seen among the living."""
    import redis

    url = provide("cache").endpoints[0].url.rsplit("/", 1)[0]
    read = redis.Redis.get
    with redis.Redis.from_url(f"{url}/2", single_connection_client=True) as late:

        def get(client: Any, name: str) -> Any:
            if client.connection_pool.connection_kwargs["db"] == 2:
                late.client_setname("toolkit-owner-late")
                late.mset({OWNER_KEY: "toolkit-owner-late", "work": "1"})
            return read(client, name)

        monkeypatch.setattr(redis.Redis, "get", get)
        assert clear_dead_claims(f"{url}/0") == 0
        assert late.dbsize() == 2


def test_a_disk_is_swept_and_what_cannot_be_done_is_told(site: Site, root: Path) -> None:
    port = orphaned(root)
    swept = apply(site, suggestion("sweep-disk"))
    assert swept.done.startswith("removed ")
    assert int(swept.done.split()[1]) >= 1
    with socket.create_server(("127.0.0.1", int(port))):
        pass
    assert swept.told.endswith("MB are free")
    nowhere = apply(site, suggestion("rebuild-environment", "httpx"))
    assert (nowhere.helped, "which environment" in nowhere.told) == (False, True)
    assert "which Redis server" in apply(site, suggestion("clear-cache")).told


NOXFILE = """
import nox

@nox.session(python=["{python}"], venv_backend="uv|venv")
def unit(session):
    code = "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'needed.py').touch()"
    session.run_install("python", "-c", code)
"""


def test_an_environment_is_built_anew_by_nox(site: Site, root: Path) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    (root / "noxfile.py").write_text(NOXFILE.format(python=python))
    mine = msgspec.structs.replace(site, session=f"unit-{python}")
    outcome = apply(mine, suggestion("rebuild-environment", "needed"))
    assert outcome.helped, outcome
    (root / "noxfile.py").write_text("import no_such_module")
    broken = apply(mine, suggestion("rebuild-environment", "needed"))
    assert (broken.helped, broken.done) == (False, "")


FAILING = f"""
import os
import psycopg
import pytest

@pytest.mark.parametrize("number", range({MANY}))
def test_order(number):
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
"""


@pytest.fixture
def shop(root: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A database, and tests that ask it, as a user would run them."""
    environment = provide("database")
    (root / "test_shop.py").write_text(FAILING)
    monkeypatch.setenv("DATABASE_URL", environment.endpoints[0].url)
    monkeypatch.chdir(root)
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "TOOLKIT_BUILD", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    return environment


def run_tests(*words: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", "--no-impacted"]
    quiet = ["-p", "no:randomly", "-p", "no:asyncio", *words]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist -p toolkit"}
    done = subprocess.run(
        [*command, *quiet], capture_output=True, text=True, timeout=180, check=False, env=environ
    )
    return done.stdout + done.stderr


def invoked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Run a task in this process and return the JSON that it prints."""
    capsys.readouterr()
    with contextlib.suppress(SystemExit):
        Program(namespace=ns).run(["invoke", *words, "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_five_hundred_failures_of_a_dead_database_are_one_cause_mended_and_proven(
    store: LeaseStore, shop: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real run against a killed server: one group, one cause, the shield on; the remedy brings it back."""
    assert "2 passed" in run_tests("-k", "test_order[7] or test_order[8]")
    kill(store, shop)
    said = run_tests()
    assert f"{MANY} failed" in said, said[-2000:]

    rows = invoked(capsys, "failures.list")
    assert len(rows) == MANY
    assert len({row["group"] for row in rows}) == 1
    assert {row["category"] for row in rows} == {"connectivity"}
    assert len({row["causes"][0]["cause"] for row in rows}) == 1
    assert all(row["outage"] for row in rows)
    assert "DATABASE_URL" in rows[0]["causes"][0]["evidence"]

    told = invoked(capsys, "failures.remediate", "--dry-run")
    assert (told["failures"], told["groups"], told["outcomes"]) == (MANY, 1, [])
    assert not provisioning.answers(shop)
    told = invoked(capsys, "failures.remediate", "--yes")
    (outcome,) = told["outcomes"]
    assert outcome["remedy"] == "restart-service"
    assert outcome["helped"], outcome["told"]
    assert provisioning.answers(shop)
    assert "2 passed" in run_tests("-k", "test_order[7] or test_order[8]")
