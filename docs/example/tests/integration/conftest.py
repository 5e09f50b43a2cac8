"""A schema of its own for each worker, emptied before each test; a cache prefix and a queue prefix likewise.

Everything else in the tests asks for ``database_url``, ``redis_client`` and ``listen`` only, so that another
way to isolate them changes this file alone.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import quote

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import Engine, create_engine

from bookshop.cache import RedisCache
from bookshop.domain.books import Book, NewBook
from bookshop.domain.isbn import check_digit_13
from bookshop.migrate import migrate
from bookshop.ports import Customer
from bookshop.settings import with_driver
from bookshop.storage.store import SqlStore

WORKER = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"


@pytest.fixture(scope="session")
def database_url(required) -> Iterator[str]:
    """A migrated schema that no other worker sees, as a URL; gone afterwards."""
    server = required("DATABASE_URL")
    schema = f"bookshop_{WORKER}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        url = f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={schema}')}"
        migrate(url)
        yield url
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


@pytest.fixture(scope="session")
def shared_engine(database_url) -> Iterator[Engine]:
    engine = create_engine(with_driver(database_url), pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(shared_engine) -> Engine:
    """The worker's database, empty."""
    tables = (
        "books, authors, book_authors, customers, cart_lines, orders, order_lines, idempotency_keys, outbox"
    )
    with shared_engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
    return shared_engine


@pytest.fixture
def store(engine) -> SqlStore:
    return SqlStore(engine)


@pytest.fixture
def redis_client(required) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(required("REDIS_URL"))
    yield client
    client.close()


@pytest.fixture
def prefix() -> str:
    """Begins every name that this worker uses on shared servers."""
    return f"bookshop-{WORKER}"


@pytest.fixture
def cache(redis_client, prefix) -> Iterator[RedisCache]:
    """A cache whose keys are this worker's own; they are removed afterwards, and no others."""
    yield RedisCache(redis_client, prefix)
    for key in redis_client.scan_iter(f"{prefix}:*"):
        redis_client.delete(key)


@pytest.fixture
def make_book(store) -> Callable[..., Book]:
    """Put a book on the shelf; what is not said is filled in."""
    numbers = count()

    def make(**fields: object) -> Book:
        first = f"978{next(numbers):09}"
        defaults = {"isbn": first + check_digit_13(first), "title": "Emma", "authors": ("Jane Austen",)}
        with store.work() as work:
            return work.books.add(NewBook(**{**defaults, "price_cents": 1000, "stock": 5, **fields}))

    return make


@pytest.fixture
def make_customer(store) -> Callable[[], Customer]:
    """Let somebody new come in."""
    numbers = count()

    def make() -> Customer:
        number = next(numbers)
        with store.work() as work:
            return work.customers.add(
                email=f"reader{number}@example.com", name="Reader", token_hash=f"{number:064}"
            )

    return make
