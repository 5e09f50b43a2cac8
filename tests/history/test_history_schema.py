"""One schema, versioned: older histories are led to it, newer ones left alone, its docs made of it."""

import hashlib
import re
import sqlite3
from pathlib import Path

import pytest

from tests.history.made_runs import made_run
from toolkit.errors import HistoryError, SchemaTooNew
from toolkit.history import schema
from toolkit.history.database import Database, set_fact
from toolkit.history.sqlite import SqliteDatabase
from toolkit.history.store import open_history
from toolkit.records import NodeId

SNAPSHOTS = Path(__file__).parents[1] / "data" / "history"
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "history-schema.md"


def columns(database: Database) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: sorted(database.rows(f"SELECT name, type, pk FROM pragma_table_info('{name}')"))
        for name in sorted(database.tables())
    }


def bare(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"--.*", "", text)).strip()


def test_the_present_schema_has_a_snapshot() -> None:
    """Who changes the schema adds a version, its migration and its snapshot: old histories stay readable."""
    snapshot = SNAPSHOTS / f"schema-{schema.VERSION}.sql"
    assert bare(schema.SCHEMA) == bare(snapshot.read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
def test_every_older_schema_is_led_to_the_present_one(version: int, history_file: Path) -> None:
    text = (SNAPSHOTS / f"schema-{version}.sql").read_text(encoding="utf-8")
    history_file.parent.mkdir()
    database = SqliteDatabase(history_file)
    for statement in schema.statements(text):
        database.create(statement)
    set_fact(database, "schema", version)
    database.close()
    with open_history(str(history_file)) as old, open_history(":memory:") as new:
        assert columns(old.database) == columns(new.database)
        old.import_run(made_run(1, {"a.py::b": "fp"}))
        assert old.require_sound().schema == schema.VERSION


def test_runs_of_an_older_history_are_all_there(history_file: Path) -> None:
    """A file made by the first version of the schema: its runs can be read, replaced and added to."""
    history_file.parent.mkdir()
    connection = sqlite3.connect(history_file)
    connection.executescript((SNAPSHOTS / "history-1.sql").read_text(encoding="utf-8"))
    connection.close()
    newest = made_run(1, {"a.py::a": "f"})
    with open_history(str(history_file)) as history:
        assert history.record("run-0001") == newest
        assert not history.import_run(newest)
        assert history.import_run(made_run(1, {"a.py::a": "fp"}))
        assert history.recent()[NodeId("a.py::a")].verdicts == "PP"
        history.require_sound()


def test_a_newer_history_is_refused_and_not_touched(history_url: str) -> None:
    with open_history(history_url) as history:
        history.import_run(made_run(1, {"a.py::b": "p"}))
        set_fact(history.database, "schema", schema.VERSION + 1)
        set_fact(history.database, "toolkit", "9.8.7")
    before = digest(history_url)
    with pytest.raises(
        SchemaTooNew, match=rf"schema {schema.VERSION + 1}, made by toolkit 9\.8\.7.*nothing was changed"
    ):
        open_history(history_url)
    assert digest(history_url) == before


def digest(url: str) -> str:
    return hashlib.sha256(Path(url).read_bytes()).hexdigest() if url.startswith("/") else ""


def test_a_migration_happens_whole_or_not_at_all(history_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second statement fails: the first is undone, the history works with the old toolkit."""
    with open_history(history_url) as history:
        history.import_run(made_run(1, {"a.py::b": "p"}))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        steps = ("CREATE TABLE extra (a INTEGER PRIMARY KEY)", "CREATE TABLE runs (a INTEGER)")
        patch.setattr(schema, "MIGRATIONS", {schema.VERSION: steps})
        with pytest.raises(HistoryError, match="already exists"):
            open_history(history_url)
        patch.setattr(schema, "MIGRATIONS", {schema.VERSION: steps[:1]})
        with open_history(history_url) as history:
            assert "extra" in history.database.tables()
            assert history.runs()[0].run == "run-0001"
    with pytest.raises(SchemaTooNew):
        open_history(history_url)


def test_every_table_and_column_is_described() -> None:
    """The reference page is this text: nobody can forget it."""
    text = schema.describe()
    for name in schema.tables():
        assert f"## {name}\n\n" in text
    assert "| `run` | TEXT NOT NULL UNIQUE | the run id |" in text
    assert DOCS.read_text(encoding="utf-8").partition("\n\n")[2] == text


def test_statements_are_found_by_name() -> None:
    assert "verdict IS NOT NULL" in schema.statement("results")
    with pytest.raises(KeyError):
        schema.statement("no_such_table")


def test_postgres_has_types_of_its_own() -> None:
    text = schema.for_postgres("CREATE TABLE a (b INTEGER PRIMARY KEY, c BLOB, d REAL) WITHOUT ROWID")
    assert text == "CREATE TABLE a (b BIGINT PRIMARY KEY, c BYTEA, d DOUBLE PRECISION)"
