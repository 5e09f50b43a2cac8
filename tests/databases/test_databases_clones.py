"""Every test gets a database of its own: migrated once, copied quickly, dropped for certain."""

import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.databases.clones import Clone, make_clone
from toolkit.databases.marks import read_mark
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.pool import ClonePool
from toolkit.databases.server import Server, connect
from toolkit.databases.sources import Source, find_source
from toolkit.databases.templates import ensure_template, is_current, template_name
from toolkit.errors import EnvironmentFailed, InputError


def titles(url: str) -> list[str]:
    with connect(url) as connection:
        return [title for (title,) in connection.execute("SELECT title FROM book")]


def test_a_clone_has_the_schema_and_is_nobody_elses(
    server: Server, owner: DatabaseOwner, source: Source
) -> None:
    """What one test writes, the next does not see; migrations ran in the order people expect."""
    template = ensure_template(owner, source)
    first, second = (make_clone(server, owner, template, source) for _ in range(2))
    with connect(first.url) as connection:
        connection.execute("INSERT INTO book (id, title, price) VALUES (2, 'Dubliners', 5)")
    assert titles(first.url) == ["Ulysses", "Dubliners"]
    assert titles(second.url) == ["Ulysses"]
    assert first.url not in repr(first)


def test_a_template_is_built_once(server: Server, owner: DatabaseOwner, source: Source) -> None:
    first = ensure_template(owner, source)
    again = ensure_template(owner, source)
    assert first.built > 0
    assert again.built == 0
    assert is_current(server, again)
    assert ensure_template(owner, source, rebuild=True).built > 0


def _build(url: str, root: Path, results: "multiprocessing.Queue[float]") -> None:
    config = parse_config(
        {"tool": {"toolkit": {"databases": {"migrations": "migrations"}}}}, root=root, environ={}
    )
    with DatabaseOwner(url) as owner:
        results.put(ensure_template(owner, find_source(config.databases, root)).built)


@pytest.mark.slow
def test_however_many_ask_only_one_builds(postgres_url: str, tmp_path: Path, source: Source) -> None:
    """Six processes ask at once; exactly one builds the template and the others wait for it."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[float] = context.Queue()
    workers = [context.Process(target=_build, args=(postgres_url, tmp_path, results)) for _ in range(6)]
    for worker in workers:
        worker.start()
    built = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(seconds > 0 for seconds in built) == 1


def test_failed_migrations_leave_nothing(
    server: Server, owner: DatabaseOwner, source: Source, tmp_path: Path
) -> None:
    """The error names the file and what the server said; no half template stays."""
    broken = tmp_path / "migrations" / "V3__broken.sql"
    broken.write_text("CREATE TABEL x ()", encoding="utf-8")
    config = parse_config(
        {"tool": {"toolkit": {"databases": {"migrations": "migrations"}}}}, root=tmp_path, environ={}
    )
    changed = find_source(config.databases, tmp_path)
    assert changed.key != source.key
    with pytest.raises(InputError, match=r"V3__broken\.sql: syntax error"):
        ensure_template(owner, changed)
    names = {database.name for database in server.databases()}
    assert template_name(changed.key) not in names
    assert not any(name.startswith(f"tk_build_{owner.number:016x}") for name in names)


def test_a_template_dropped_meanwhile_is_built_again(
    server: Server, owner: DatabaseOwner, source: Source
) -> None:
    template = ensure_template(owner, source)
    server.drop(template.name)
    assert titles(make_clone(server, owner, template, source).url) == ["Ulysses"]


def test_the_pool_hands_out_warm_clones(
    owner: DatabaseOwner, source: Source, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits a moment gets a clone that is there already: nobody makes it in his thread."""
    makers: list[str] = []
    made = ClonePool._make

    def watched(pool: ClonePool, used: Server) -> Clone:
        makers.append(threading.current_thread().name)
        return made(pool, used)

    monkeypatch.setattr(ClonePool, "_make", watched)
    with ClonePool(owner, source, size=2) as pool:
        for _ in range(6):
            while pool._warm.empty():
                time.sleep(0.01)
            clone = pool.take()
            assert titles(clone.url) == ["Ulysses"]
            pool.drop(clone)
    assert set(makers) == {"toolkit-clones"}
    mine = f"tk_clone_{owner.number:016x}"
    assert not [database for database in server.databases() if database.name.startswith(mine)]


def test_threads_never_share_a_clone(owner: DatabaseOwner, source: Source) -> None:
    taken: list[str] = []
    with ClonePool(owner, source, size=1) as pool:
        threads = [threading.Thread(target=lambda: taken.append(pool.take().name)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(taken)) == 8


def test_the_cap_is_an_error_that_says_what_to_do(owner: DatabaseOwner, source: Source) -> None:
    with ClonePool(owner, source, size=0) as pool:
        clone = pool.take()
        with (
            ClonePool(owner, source, size=0, cap=1) as full,
            pytest.raises(EnvironmentFailed, match="no more are allowed"),
        ):
            full.take()
        pool.drop(clone)


def test_the_database_of_a_failed_test_can_be_kept(
    owner: DatabaseOwner, source: Source, server: Server
) -> None:
    """It is renamed and marked, so no sweep takes it, and its rows are still there."""
    with ClonePool(owner, source, size=0) as pool:
        clone = pool.take()
        with connect(clone.url) as connection:
            connection.execute("INSERT INTO book (id, title) VALUES (7, 'seen')")
            kept = pool.keep(clone, test="tests/test_a.py::test_x")
    assert titles(kept.url) == ["Ulysses", "seen"]
    mark = read_mark(server.comment_of(kept.name)[1])
    assert mark is not None
    assert (mark.kind, mark.test) == ("kept", "tests/test_a.py::test_x")
