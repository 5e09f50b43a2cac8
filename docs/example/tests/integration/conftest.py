"""A database for each test, a cache and a queue for each worker: all from the toolkit's fixtures."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from sqlalchemy import Engine, create_engine

from bookshop.cache import RedisCache
from bookshop.domain.books import Book, NewBook
from bookshop.domain.isbn import check_digit_13
from bookshop.ports import Customer
from bookshop.settings import with_driver
from bookshop.storage.store import SqlStore


@pytest.fixture
def engine(isolated_db) -> Iterator[Engine]:
    """A database for this test alone: a copy of the migrated template."""
    engine = create_engine(with_driver(isolated_db.url), pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine) -> SqlStore:
    return SqlStore(engine)


@pytest.fixture
def prefix(worker_namespace) -> str:
    """Begins every name that this worker uses on shared servers."""
    return worker_namespace


@pytest.fixture
def cache(cache_client, prefix) -> RedisCache:
    """A cache on a Redis database that is this worker's own, and empty."""
    return RedisCache(cache_client, prefix)


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
