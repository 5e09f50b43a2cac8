"""Cleanup drops what dead owners left, never what lives, never what is not ours."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.databases.cleanup import cleanup, reason_to_keep
from toolkit.databases.marks import Mark, MarkKind, mark_text, owned_name, owner_in_name, read_mark
from toolkit.databases.owners import DatabaseOwner, living_owners
from toolkit.databases.server import Database, Server, _reason, require_test_server
from toolkit.errors import OwnershipError

BYSTANDERS = (
    "testimony",
    "test_x",
    "tk_clone_0123456789abcdef_0000_1",
    "tk_clonex",
    'tk_"quoted"; DROP',
    "tk_build_",
)


@pytest.fixture
def bystanders(server: Server) -> Iterator[set[str]]:
    """Databases of somebody else with names that look like ours."""
    mine = {f"{name}_{os.getpid()}" if not name.startswith("tk_clone_0") else name for name in BYSTANDERS}
    for name in mine:
        server.create(name)
    server.create("foreign_json", comment='{"toolkit": 99, "kind": "clone"}')
    yield mine | {"foreign_json"}
    for name in mine | {"foreign_json"}:
        server.drop(name)


OWNER = """
import sys
import time
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.marks import mark_text, owned_name
owner = DatabaseOwner(sys.argv[1])
for number in range(3):
    name = owned_name("clone", owner.number, owner.next_number())
    comment = None if number == 0 else mark_text(owner.mark("clone"))
    owner.server.create(name, comment=comment)
    print(name, flush=True)
sys.stdin.read()
"""


def test_a_killed_owners_databases_go_and_all_others_stay(
    server: Server, postgres_url: str, bystanders: set[str]
) -> None:
    """A kill -9 frees the lock; even a database without its comment yet is proven ours by its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, postgres_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    names = {process.stdout.readline().strip() for _ in range(3)}
    alive = cleanup(server)
    assert not names & set(alive.dropped)
    assert {one.name for one in alive.kept} >= names | bystanders
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    while any(f"{number:016x}" in name for number in living_owners(server) for name in names):
        time.sleep(0.01)  # the server notices a dead client in its own time
    preview = cleanup(server, dry_run=True)
    assert names <= set(preview.dropped)
    assert names <= {database.name for database in server.databases()}
    done = cleanup(server)
    assert names <= set(done.dropped)
    left = {database.name for database in server.databases()}
    assert not names & left
    assert bystanders <= left
    assert names.isdisjoint(cleanup(server).dropped)


def test_a_database_in_use_is_kept(server: Server, postgres_url: str) -> None:
    """Even with a dead owner: somebody is connected."""
    from toolkit.databases.server import connect, url_of

    with DatabaseOwner(postgres_url) as owner:
        name = owned_name("clone", owner.number, 1)
        server.create(name, comment=mark_text(owner.mark("clone")))
    with connect(url_of(postgres_url, name)):
        kept = {one.name: one.why for one in cleanup(server).kept}
        assert "in use" in kept[name]
    while next(one for one in server.databases() if one.name == name).connections:
        time.sleep(0.01)  # the server ends a session in its own time
    assert name in cleanup(server).dropped


def test_a_living_owner_is_seen_from_any_database(postgres_url: str, server: Server) -> None:
    with DatabaseOwner(postgres_url) as owner:
        assert owner.number in living_owners(server)
    assert owner.number not in living_owners(server)


def test_an_owner_takes_its_lock_again_after_a_cut(postgres_url: str, server: Server) -> None:
    """A restarted server must not make a living run's databases orphans."""
    with DatabaseOwner(postgres_url) as owner:
        server.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s",
            [owner.server.connection.info.backend_pid],
        )
        while owner.number in living_owners(server):
            time.sleep(0.01)  # the server ends a session in its own time
        owner.assure()
        assert owner.number in living_owners(server)


@given(
    kind=st.sampled_from(["clone", "build", "template", "shard", "kept", "named"]),
    owner=st.integers(1, 2**63 - 1),
    living=st.sets(st.integers(1, 2**63 - 1), max_size=4),
    connections=st.integers(0, 2),
)
def test_only_what_dies_with_a_dead_owner_is_dropped(
    kind: MarkKind, owner: int, living: set[int], connections: int
) -> None:
    """Whatever the mark: a drop needs an owned kind, a dead owner and no connection."""
    database = Database(
        name="anything", comment=mark_text(Mark(toolkit=1, kind=kind, owner=owner)), connections=connections
    )
    dropped = reason_to_keep(database, living) is None
    assert dropped == (kind in {"clone", "build"} and owner not in living and not connections)


@given(st.text(max_size=80))
def test_no_other_comment_is_ever_a_mark(comment: str) -> None:
    assert read_mark(comment) is None
    assert reason_to_keep(Database(name="tk_x", comment=comment), set()) is not None


@given(st.integers(0, 2**63 - 1), st.integers(1, 10**6))
def test_a_name_proves_its_owner(owner: int, number: int) -> None:
    name = owned_name("clone", owner, number)
    assert owner_in_name(name) == owner
    assert len(name) <= 63
    assert owner_in_name(name.replace("clone", "build")) is None


@pytest.mark.parametrize(
    ("url", "servers", "named", "allowed"),
    [
        ("postgresql://u:secret@127.0.0.1:5432/x", (), "", True),
        ("postgresql://u:secret@localhost/x", (), "", True),
        ("postgresql:///x?host=/tmp", (), "", True),
        ("postgresql://u:secret@[::1]:1/x", (), "", True),
        ("postgresql://u:secret@db.example.com/test", (), "", False),
        ("postgresql://u:secret@postgres/test", ("postgres",), "", True),
        ("postgresql://u:secret@postgres:6000/test", ("postgres:5432",), "", False),
        ("postgresql://u:secret@db.example.com/x", (), "db.example.com:5432", True),
    ],
)
def test_only_test_servers_are_touched(url: str, servers: tuple[str, ...], named: str, allowed: bool) -> None:
    """A remote server is refused before it is connected to, and no password is shown."""
    if allowed:
        require_test_server(url, servers=servers, named=named)
        return
    with pytest.raises(OwnershipError, match="not known to be a test server") as error:
        require_test_server(url, servers=servers, named=named)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("connection failed: Connection refused\n\tIs the server running there?", "refused"),
        ('FATAL:  database "x" does not exist\nDETAIL:  It was just dropped.', 'database "x" does not exist'),
        ("- host a: refused\n- host b: timeout", "host b: timeout"),
        ("HINT:  try again", "try again"),
        ("", "OSError()"),
    ],
)
def test_the_reason_is_told_not_the_advice(text: str, reason: str) -> None:
    assert _reason(OSError(text) if text else OSError()).endswith(reason)
