"""What is in a database and what changed, with messages that show the difference, on a real PostgreSQL."""

import secrets
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some
from sqlalchemy.orm import Session

from tests.runtimes import Servers
from toolkit.assertions import connecting, snapshots
from toolkit.assertions.connecting import asking
from toolkit.assertions.differences import row_differences
from toolkit.assertions.leaks import no_leaked_sessions
from toolkit.assertions.tables import assert_count, assert_rows, changes, unchanged
from toolkit.databases.server import Server, url_of
from toolkit.errors import MissingExtra

SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, state text, "odd ""name%" int);
CREATE TABLE line (order_id int, sku text);
CREATE SCHEMA shop;
CREATE TABLE shop."a.b" (id int PRIMARY KEY);
INSERT INTO orders VALUES (1, 'new', 5), (2, 'paid', NULL);
INSERT INTO line VALUES (1, 'x'), (1, 'x');
"""


@pytest.fixture(scope="module")
def place(real_servers: Servers) -> Iterator[str]:
    """A database with small tables."""
    server_url = real_servers.urls("embedded")["DATABASE_URL"]
    name = f"claims_{secrets.token_hex(4)}"
    with Server(server_url) as server:
        server.create(name)
        yield url_of(server_url, name)
        server.drop(name, force=True)


@pytest.fixture
def url(place: str) -> Iterator[str]:
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute(SCHEMA)
        yield place
        connection.execute("DROP SCHEMA IF EXISTS shop CASCADE; DROP TABLE IF EXISTS orders, line, extra")


def run(url: str, *statements: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_rows_are_compared_in_the_columns_that_are_named(url: str) -> None:
    """Any order, only some columns, odd names, NULL as a condition."""
    assert_rows(url, "orders", [{"state": "paid"}, {"state": "new"}])
    assert_rows(url, "orders", [{"id": 2}], where={'odd "name%': None})
    assert_rows(url, "public.orders", [{'odd "name%': 5}], where={"id": 1})
    assert_rows(url, "line", [{"sku": "x"}, {"sku": "x"}])
    assert_rows(url, "orders", [], where={"id": 3})
    assert_rows(url, "orders", [{"id": 1}, {"id": 2}], ordered_by="id")


def test_difference_of_rows_is_shown(url: str) -> None:
    """What is missing, what is too much, and what differs in rows that are alike."""
    with pytest.raises(AssertionError) as caught:
        assert_rows(url, "orders", [{"id": 1, "state": "sent"}, {"id": 9, "state": "lost"}])
    assert str(caught.value) == (
        "orders: expected 2 rows, found 2\n"
        "  ~ id=1: state: expected 'sent', found 'new'\n"
        "  - missing: id=9, state='lost'\n"
        "  + not expected: id=2, state='paid'"
    )
    with pytest.raises(AssertionError, match=r"(?s)row 1: id: expected 2, found 1.*row 3 is missing: id=3"):
        assert_rows(url, "orders", [{"id": 2}, {"id": 2}, {"id": 3}], ordered_by="id")
    with pytest.raises(AssertionError, match="row 2 was not expected: id=2"):
        assert_rows(url, "orders", [{"id": 1}], ordered_by="id")
    with pytest.raises(ValueError, match="same columns"):
        assert_rows(url, "orders", [{"id": 1}, {"state": "new"}])


def test_count_shows_the_rows(url: str) -> None:
    assert_count(url, "orders", 2)
    with pytest.raises(
        AssertionError, match=r"(?s)where state='new': expected 3 rows, found 1.*id=1, state='new'"
    ):
        assert_count(url, "orders", 3, where={"state": "new"})
    run(url, "INSERT INTO line SELECT n, 'y' FROM generate_series(1, 20) n")
    with pytest.raises(AssertionError, match="… 12 more"):
        assert_count(url, "line", 0)


def test_a_block_that_changes_nothing_passes(url: str) -> None:
    """Reading and a transaction that is rolled back change nothing."""
    with unchanged(url), psycopg.connect(url) as connection:
        connection.execute("DELETE FROM line")
        connection.rollback()


def test_every_kind_of_change_is_shown(url: str) -> None:
    """Rows that changed by their key, those that came and went, in tables without a key too."""
    with pytest.raises(AssertionError) as caught, unchanged(url):
        run(
            url,
            "UPDATE orders SET state = 'sent' WHERE id = 1",
            "DELETE FROM orders WHERE id = 2",
            "INSERT INTO orders VALUES (3, 'x', 1)",
            "DELETE FROM line WHERE ctid = (SELECT min(ctid) FROM line)",
            'INSERT INTO shop."a.b" VALUES (7)',
            "CREATE TABLE extra (id int)",
        )
    text = str(caught.value)
    assert "  ~ id=1, odd \"name%=5: state: 'new' → 'sent'" in text
    assert '  - gone: {"id":2' in text
    assert '  + new: {"id":3' in text
    assert 'line: expected no change, got -1 rows:\n  - gone: {"order_id":1,"sku":"x"}' in text
    assert 'shop.a.b: expected no change, got +1 rows:\n  + new: {"id":7}' in text
    assert "extra: the table is new" in text


def test_changes_claims_how_many_and_leaves_the_rest_alone(url: str) -> None:
    with changes(url, {"orders": +1, "line": -2}):
        run(url, "INSERT INTO orders VALUES (3, 'x', 1)", "DELETE FROM line")
    with changes(url, {"orders": 0}):
        run(url, "UPDATE orders SET state = 'any'")
    with unchanged(url, but=["public.orders"]):
        run(url, "DELETE FROM orders")
    with (
        pytest.raises(AssertionError, match=r"orders: expected \+2 rows, got \+1"),
        changes(url, {"orders": 2}),
    ):
        run(url, "INSERT INTO orders VALUES (4, 'x', 1)")
    with pytest.raises(ValueError, match=r"no table nope; there are: line, orders, shop\.a\.b"):
        changes(url, {"nope": 1}).__enter__()
    with pytest.raises(AssertionError, match="line: the table is gone"), unchanged(url):
        run(url, "DROP TABLE line")


def test_large_tables_are_compared_by_the_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit no row is fetched; a change of a single value is still seen."""
    monkeypatch.setattr(snapshots, "KEPT", 1)
    with unchanged(url):
        pass
    with pytest.raises(AssertionError, match="2 rows became 2; too many to show"), unchanged(url):
        run(url, "UPDATE orders SET state = 'sent' WHERE id = 1")


def test_sessions_connections_and_engines_see_their_own_transaction(url: str) -> None:
    """What is not committed yet is visible through the connection that made it, and to nobody else."""
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session:
        session.execute(sqlalchemy.text("DELETE FROM line"))
        assert_count(session, "line", 0)
        assert_count(session.connection(), "line", 0)
        assert_count(engine, "line", 2)
        assert_count(SimpleNamespace(url=url), "line", 2)
        assert_count(url.replace("postgresql:", "postgresql+psycopg:"), "line", 2)
    engine.dispose()
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute("DELETE FROM line")
        assert_count(connection, "line", 0)
        connection.rollback()


def test_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="expected a URL, a connection"), asking(7):
        pass
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingExtra, match="psycopg"), connecting.asking("postgresql://nobody"):
        pass


def test_connections_that_stay_on_the_server_are_named(url: str) -> None:
    """Those that were there before and those that are closed do not count."""
    with psycopg.connect(url), no_leaked_sessions(url):
        psycopg.connect(url).close()
    claim = no_leaked_sessions(url, within=0)
    claim.__enter__()
    left = psycopg.connect(url, application_name="leaky")
    left.execute("SELECT 7")
    with pytest.raises(AssertionError, match="'leaky', idle in transaction: SELECT 7"):
        claim.__exit__(None, None, None)
    left.close()


Row = some.fixed_dictionaries({"a": some.integers(0, 2), "b": some.sampled_from(["x", "y", None])})


@hypothesis_settings(max_examples=50)
@given(some.lists(Row, max_size=6), some.lists(Row, max_size=6))
def test_no_difference_exactly_when_the_same_rows_are_there(
    expected: list[dict[str, Any]], found: list[dict[str, Any]]
) -> None:
    """As multisets, and as lists when the order counts."""

    def key(row: dict[str, Any]) -> str:
        return repr(sorted(row.items()))

    same = sorted(map(key, expected)) == sorted(map(key, found))
    assert (row_differences(expected, found) == []) == same
    assert (row_differences(expected, found, ordered=True) == []) == (expected == found)


def test_equal_values_that_look_different_are_the_same_and_long_ones_are_cut() -> None:
    assert row_differences([{"a": 1}], [{"a": 1.0}]) == []
    assert "…" in row_differences([{"a": "x" * 500}], [])[0]
    many = row_differences([{"a": number} for number in range(30)], [])
    assert many[-1] == "  … 20 more differences"
