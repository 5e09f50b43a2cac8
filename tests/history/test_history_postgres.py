"""What is different when the history is on a PostgreSQL server: addresses, passwords, locks, what it says."""

import sys
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.history.made_runs import made_run
from toolkit.errors import HistoryDamaged, HistoryError, MissingExtra, UsageError
from toolkit.history.postgres import explain, shown, split_url
from toolkit.history.store import open_history

A = "tests/test_a.py::test_a"


def test_two_histories_of_one_database_do_not_mix(postgres_server: str, postgres_url: str) -> None:
    with open_history(postgres_url) as one, open_history(f"{postgres_url}_other") as two:
        one.import_run(made_run(1, {A: "p"}))
        assert two.runs() == ()
        assert two.import_run(made_run(1, {A: "f"}))
        assert one.runs()[0].passed == 1


def test_a_long_node_id_is_a_key_all_the_same(postgres_url: str) -> None:
    """Longer than what an index of PostgreSQL takes (2,712 bytes)."""
    with open_history(postgres_url) as history:
        name = f"{A}[{'é' * 20_000}]"
        assert history.import_run(made_run(1, {name: "fp"}))
        assert history.tests()[0].test == name


def test_a_writer_waits_for_another_and_then_says_so(postgres_url: str) -> None:
    with (
        open_history(postgres_url) as holder,
        open_history(postgres_url, busy_seconds=0.2) as second,
        holder.database.writing(),
        pytest.raises(HistoryError, match="another process has been writing for too long"),
    ):
        second.import_run(made_run(1, {A: "p"}))


def test_a_failed_import_leaves_nothing(postgres_url: str) -> None:
    with open_history(postgres_url) as history:
        history.database.rows("ALTER TABLE failures ADD CONSTRAINT none CHECK (part > 5)")
        with pytest.raises(HistoryError, match="violates check constraint"):
            history.import_run(made_run(1, {A: "fp"}))
        assert history.totals().tests == 0
        assert history.import_run(made_run(2, {A: "p"}))
        assert history.require_sound().runs == 1


def test_a_password_is_never_shown(postgres_server: str) -> None:
    """Neither when it works nor when the server refuses it."""
    parts = urlsplit(postgres_server)
    password = parts.password or ""
    assert len(password) > 5
    with open_history(postgres_server) as history:
        assert password not in history.where
        assert parts.hostname is not None
        assert parts.hostname in history.where
    with pytest.raises(HistoryError) as error:
        open_history(postgres_server.replace(password, "wrong-secret"))
    assert "wrong-secret" not in str(error.value)
    assert "is the server up" in str(error.value)


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(HistoryError, match=r"postgresql://127\.0\.0\.1:1/db: .*refused"):
        open_history("postgresql://me:secret@127.0.0.1:1/db")


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"nox-invoke-toolkit\[postgres\]"):
        open_history("postgres://127.0.0.1/db")


@pytest.mark.parametrize(
    ("url", "address", "schema"),
    [
        ("postgresql://h/db", "postgresql://h/db", "toolkit"),
        ("postgresql://h/db?schema=mine", "postgresql://h/db", "mine"),
        ("postgresql://h/db?sslmode=require&schema=a_1", "postgresql://h/db?sslmode=require", "a_1"),
    ],
)
def test_the_schema_is_a_parameter_of_the_url(url: str, address: str, schema: str) -> None:
    assert split_url(url) == (address, schema)


@pytest.mark.parametrize("schema", ['x"; DROP TABLE runs; --', "A", "", "1a", "x" * 64])
def test_an_odd_schema_is_refused(schema: str) -> None:
    with pytest.raises(UsageError, match=r"expected lower-case letters"):
        split_url(f"postgresql://me:secret@h/db?schema={schema}".replace(";", "%3B"))


def test_a_shown_url_has_neither_password_nor_parameters() -> None:
    assert shown("postgresql://me:se%40cret@h:5/db?password=x") == "postgresql://h:5/db"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (psycopg.errors.DiskFull("no space"), HistoryError, "make room on the server"),
        (psycopg.errors.DataCorrupted("bad page"), HistoryDamaged, "restore a backup"),
        (psycopg.errors.LockNotAvailable("lock"), HistoryError, "wait for it"),
        (psycopg.OperationalError(""), HistoryError, "OperationalError"),
    ],
)
def test_errors_of_the_server_say_what_to_do(
    error: psycopg.Error, kind: type[HistoryError], words: str
) -> None:
    made = explain(error, "postgresql://h/db")
    assert type(made) is kind
    assert words in str(made)
