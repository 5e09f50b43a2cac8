"""Statements are counted, and those that are repeated are named."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from toolkit.performance.queries import count_queries, shape


@pytest.fixture
def engine(tmp_path: Path) -> sqlalchemy.Engine:
    made = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE book (id int)")
    return made


def test_a_loop_of_queries_is_found(engine: sqlalchemy.Engine) -> None:
    """N+1: the same statement with other values."""
    with engine.connect() as connection:
        with count_queries(engine, at_most=3, repeats=2) as found:
            connection.exec_driver_sql("SELECT 1")
            connection.exec_driver_sql("SELECT * FROM book WHERE id IN (1, 2)")
        assert len(found) == 2
        too_many = pytest.raises(
            AssertionError, match=r"4 statements were sent, 3 are allowed\n.*sent 4 times, 1 are"
        )
        with too_many as caught, count_queries(engine, at_most=3, repeats=1):
            for number in range(4):
                connection.exec_driver_sql(f"SELECT *\n  FROM book WHERE id = {number}")
        assert str(caught.value).endswith("4 x SELECT * FROM book WHERE id = ?")
        none = pytest.raises(AssertionError, match=r"1 statements were sent, 0 are allowed\n  SELECT 7")
        with none, count_queries(engine, at_most=0):
            connection.exec_driver_sql("SELECT 7")
        connection.exec_driver_sql("SELECT 1")
    engine.dispose()


def test_an_asynchronous_engine_is_counted_too() -> None:
    engine = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with count_queries(engine) as found:
        pass
    assert len(found) == 0
    asyncio.run(engine.dispose())


@pytest.mark.parametrize(
    ("statement", "same"),
    [
        ("SELECT  a FROM b\nWHERE c = 'it''s' AND d = 12", "SELECT a FROM b WHERE c = ? AND d = ?"),
        ("IN (%(a_1)s, %(a_2)s::INTEGER)", "IN (…)"),
        ("IN ($1, $2,$3)", "IN (…)"),
        ("VALUES (%s)", "VALUES (?)"),
        ("col2 = 'x'", "col2 = ?"),
    ],
)
def test_values_do_not_make_another_statement(statement: str, same: str) -> None:
    assert shape(statement) == same
