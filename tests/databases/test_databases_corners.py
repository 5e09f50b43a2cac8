"""Corners of the databases: shards, which server is meant, drivers that are missing, servers that go away."""

import sys
import threading
from pathlib import Path

import pytest

from tests.runtimes import Servers
from toolkit.config import parse_config
from toolkit.databases import cleanup as cleaning
from toolkit.databases.clones import make_clone
from toolkit.databases.marks import mark_text, owned_name, read_mark
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.pool import ClonePool
from toolkit.databases.server import Server, connect, driver, place_of, require_test_server
from toolkit.databases.shards import make_shards, shard_name
from toolkit.databases.sources import Source
from toolkit.databases.target import find_url
from toolkit.databases.templates import Template, ensure_template
from toolkit.errors import EnvironmentFailed, MissingExtra, OwnershipError, UsageError
from toolkit.leases.store import LeaseStore
from toolkit.services.environment import Endpoint, Environment, save


@pytest.fixture
def postgres_url(real_servers: Servers) -> str:
    """One runtime is enough for these."""
    return real_servers.urls("embedded")["DATABASE_URL"]


def test_shards_are_made_used_again_and_renewed(server: Server, owner: DatabaseOwner, source: Source) -> None:
    template = ensure_template(owner, source)
    first = make_shards(server, owner, template, base="renewed", count=2)
    assert [one.name for one in first.databases] == ["renewed_shard_1", "renewed_shard_2"]
    assert (first.made, make_shards(server, owner, template, base="renewed", count=3).made) == (2, 1)
    newer = Template(name=template.name, key="0" * 16)
    assert make_shards(server, owner, newer, base="renewed", count=1).made == 1
    mark = read_mark(server.comment_of("renewed_shard_1")[1])
    assert mark is not None
    assert mark.key == newer.key
    for number in (1, 2, 3):
        server.drop(f"renewed_shard_{number}")


def test_a_database_of_that_name_is_no_shard_of_ours(
    server: Server, owner: DatabaseOwner, source: Source
) -> None:
    server.create("foreign_shard_1")
    with pytest.raises(OwnershipError, match="is no shard of this toolkit"):
        make_shards(server, owner, ensure_template(owner, source), base="foreign", count=1)
    server.drop("foreign_shard_1")


@pytest.mark.parametrize(("base", "count"), [("", 1), ("x" * 53, 1), ("x", 0), ("x", 10_000)])
def test_impossible_shards_are_refused(server: Server, owner: DatabaseOwner, base: str, count: int) -> None:
    with pytest.raises(UsageError):
        make_shards(server, owner, Template(name="none", key="none"), base=base, count=count)


def test_the_longest_name_of_a_shard_fits() -> None:
    assert len(shard_name("x" * 52, 9999)) == 63 - 1 + 1


def endpoint(kind: str, url: str) -> Endpoint:
    return Endpoint(service="x", kind=kind, runtime="embedded", url=url, variable="X")  # type: ignore[arg-type]


def test_the_server_that_is_meant_is_found(tmp_path: Path) -> None:
    """The named one, else DATABASE_URL, else that of an environment which is up; never a remote one."""
    config = parse_config({}, root=tmp_path, environ={})
    environ = {"TOOLKIT_STATE_HOME": str(tmp_path / "state")}
    with pytest.raises(UsageError, match="which PostgreSQL server"):
        find_url(config, environ)
    ends = (endpoint("redis", "redis://127.0.0.1"), endpoint("postgres", "postgresql://127.0.0.1/up"))
    with LeaseStore(tmp_path / "state") as store:
        save(store, Environment(id="a", name="a", project=str(tmp_path), made=1.0, endpoints=ends))
    assert find_url(config, environ) == "postgresql://127.0.0.1/up"
    environ["DATABASE_URL"] = "postgresql://127.0.0.1/given"
    assert find_url(config, environ) == "postgresql://127.0.0.1/given"
    assert find_url(config, environ, url="postgres://localhost/named") == "postgres://localhost/named"
    with pytest.raises(UsageError, match="mysql: is no PostgreSQL URL"):
        find_url(config, environ, url="mysql://localhost/x")
    with pytest.raises(OwnershipError):
        find_url(config, environ, url="postgresql://db.example.com/x")


def test_the_driver_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match="postgres"):
        driver()


def test_places_have_no_secrets() -> None:
    assert place_of("postgresql:///x?host=/run&port=7") == "/run:7"
    assert place_of("postgresql://u:p@h/x") == "h:5432"
    with pytest.raises(OwnershipError):
        require_test_server("postgresql://u:p@10.0.0.1/x")


def test_a_server_that_is_not_there_is_an_error_without_its_password() -> None:
    with pytest.raises(EnvironmentFailed, match=r"127\.0\.0\.1:1, database 'x': .*refused") as error:
        connect("postgresql://u:hidden@127.0.0.1:1/x")
    assert "hidden" not in str(error.value)


@pytest.mark.slow
def test_what_cannot_be_dropped_is_kept_and_said(
    server: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody connects between the look and the drop: the server refuses, and that is told."""
    with DatabaseOwner(postgres_url) as gone:
        name = owned_name("clone", gone.number, 1)
        server.create(name, comment=mark_text(gone.mark("clone")))
    monkeypatch.setattr(cleaning, "reason_to_keep", lambda one, *_, **__: None if one.name == name else "no")
    with connect(postgres_url.rpartition("/")[0] + f"/{name}"):
        (kept,) = [one for one in cleaning.cleanup(server).kept if one.name == name]
    assert "could not be dropped" in kept.why
    assert "accessed by other users" in kept.why
    server.drop(name, force=True)


def test_what_the_server_refuses_is_the_drivers_error(
    server: Server, owner: DatabaseOwner, source: Source
) -> None:
    """Only a missing template is mended; everything else is told as it is."""
    template = ensure_template(owner, source)
    taken = owned_name("clone", owner.number, 1_000_001)
    server.create(taken)
    owner._numbers = iter([1_000_001])  # type: ignore[assignment]
    with pytest.raises(driver().errors.DuplicateDatabase):
        make_clone(server, owner, template, source)
    server.drop(taken)


def test_a_pool_that_cannot_fill_itself_leaves_the_error_to_whoever_asks(
    owner: DatabaseOwner, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def broken(_pool: ClonePool, _server: Server) -> None:
        failed.set()
        raise driver().OperationalError("the disk is full")

    with ClonePool(owner, source, size=1) as pool:
        pool.drop(pool.take())
        monkeypatch.setattr(ClonePool, "_make", broken)
        pool._wanted.release()
        assert failed.wait(60)
        while not pool._warm.empty():
            pool.drop(pool._warm.get())
        with pytest.raises(driver().OperationalError, match="the disk is full"):
            pool.take()
