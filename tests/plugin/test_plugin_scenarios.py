"""``real_test_data`` in real runs: the marker's scenario is there, and gone after the test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolkit.config import parse_config
from toolkit.databases.server import connect
from toolkit.leases.store import LeaseStore
from toolkit.services.provisioning import running

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

Run = Callable[..., pytest.RunResult]
SCHEMA = """
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customers);
"""
SCENARIO = """
description: somebody who bought something
tables:
  customers: 3
  orders: {each: {customers: 2}}
cache:
  - {key: "greeting:{n}", value: hello, count: 2}
"""


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("scenario-plugin")
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
    environ |= {"TOOLKIT_STATE_HOME": str(folder / "state"), "TOOLKIT_CACHE_HOME": str(folder / "cache")}
    config = parse_config({"tool": {"toolkit": {}}}, root=folder, environ={})
    with (
        LeaseStore(folder / "state") as store,
        running(config, ["database", "cache"], runtime="embedded", environ=environ, store=store) as found,
    ):
        yield found.urls


@pytest.fixture
def shop(
    pytester: pytest.Pytester, active: Path, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project with a schema and a scenario."""
    for name, url in urls.items():
        monkeypatch.setenv(name, url)
    pytester.makepyprojecttoml('[tool.toolkit.databases]\nmigrations = "migrations"\n')
    (active / "migrations").mkdir()
    (active / "migrations" / "1.sql").write_text(SCHEMA, encoding="utf-8")
    (active / "tests" / "data" / "scenarios").mkdir(parents=True)
    (active / "tests" / "data" / "scenarios" / "buyer.yml").write_text(SCENARIO, encoding="utf-8")
    return active


def test_each_test_finds_its_scenario_and_nothing_of_the_others(
    pytester: pytest.Pytester, shop: Path, run: Run
) -> None:
    """In the worker's database and in the test's own, with what the test adds; two workers at once."""
    pytester.makepyfile(
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.scenario("buyer")
        @pytest.mark.parametrize("number", range(4))
        def test_worker(real_test_data, db_session, cache_client, number):
            rows = real_test_data["customers"]
            assert len(rows) == 3 and len(real_test_data["orders"]) == 6
            assert db_session.scalar(text("SELECT count(*) FROM orders")) == 6
            assert [row["email"] for row in rows] == db_session.scalars(
                text("SELECT email FROM customers ORDER BY id")
            ).all()
            assert cache_client.get("greeting:2") == b"hello"
            assert real_test_data.make("orders", customer=rows[0]["id"])["customer"] == rows[0]["id"]

        @pytest.mark.scenario("buyer")
        def test_own(isolated_db, real_test_data):
            import psycopg
            with psycopg.connect(isolated_db.url) as connection:
                assert connection.execute("SELECT max(id) FROM customers").fetchone() == (3,)

        @pytest.mark.parametrize("number", range(2))
        def test_nothing_is_left(db_session, number):
            assert db_session.scalar(text("SELECT count(*) FROM customers")) == 0
        """
    )
    run("--no-record", "-n", "2").assert_outcomes(passed=7)
    assert list((shop / ".toolkit" / "data").iterdir()) == []


def test_a_running_servers_database_is_filled_and_left_as_it_was(
    pytester: pytest.Pytester, shop: Path, run: Run, urls: dict[str, str]
) -> None:
    """Also when the test fails, and when the application has added rows that refer to the scenario's."""
    with connect(urls["DATABASE_URL"]) as connection:
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO customers (email) VALUES ('other@example.com')")
        pytester.makepyfile(
            """
            import os, psycopg, pytest

            @pytest.mark.real_api
            @pytest.mark.scenario("buyer")
            def test_served(real_test_data):
                with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
                    connection.execute(
                        "INSERT INTO orders (customer) VALUES (%s)", [real_test_data["customers"][0]["id"]]
                    )
                assert False
            """
        )
        run("--no-record").assert_outcomes(failed=1)
        found = connection.execute("SELECT email FROM customers").fetchall()
        orders = connection.execute("SELECT count(*) FROM orders").fetchone()
        connection.execute("DROP TABLE orders, customers")
    assert (found, orders) == ([("other@example.com",)], (0,))


def test_mistakes_are_said(pytester: pytest.Pytester, shop: Path, run: Run) -> None:
    """No marker, no such scenario, a damaged file: one clear error each, other tests run."""
    (shop / "tests" / "data" / "scenarios" / "bad.yml").write_text("tables: {a: x}", encoding="utf-8")
    pytester.makepyfile(
        """
        import pytest

        def test_unmarked(real_test_data): pass

        @pytest.mark.scenario("byer")
        def test_unknown(real_test_data): pass

        @pytest.mark.scenario("bad")
        def test_bad(real_test_data): pass

        def test_fine(): pass
        """
    )
    result = run("--no-record")
    result.assert_outcomes(errors=3, passed=1)
    result.stdout.fnmatch_lines_random(["which scenario?*", "*'byer'*buyer*", "*bad.yml: Expected*"])
