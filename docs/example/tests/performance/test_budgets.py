"""What must stay cheap whatever else changes: memory per request, statements per page, the time of a search.

The shop is made as its server makes it, so ``BOOKSHOP_FAULT`` switches its mistakes on here, too.
"""

import asyncio
import os

import httpx
import pytest

from bookshop.domain.search import parse_search
from bookshop.faults import parse_faults
from bookshop.seed import seed
from bookshop.server import make_app
from bookshop.settings import Settings, with_driver
from bookshop.storage.store import SqlStore, open_engine
from toolkit.performance.queries import count_queries

pytestmark = pytest.mark.performance

FAULTS = parse_faults(os.environ.get("BOOKSHOP_FAULT", ""))
REQUESTS = 200


@pytest.fixture(scope="module")
def engine(worker_database):
    engine = open_engine(with_driver(worker_database.url))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def store(engine):
    """A shop with some books, and with the mistakes that are switched on."""
    store = SqlStore(engine, FAULTS)
    seed(store, books=1000)
    return store


def ask(app, path, times):
    async def all_of_them():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            for _ in range(times):
                assert (await client.get(path)).status_code == 200

    asyncio.run(all_of_them())


def test_a_request_leaves_nothing_behind(benchmark, performance_tracker, worker_database):
    """After the first requests, which fill pools and caches, memory stays where it is."""
    app = make_app(Settings(database_url=worker_database.url, faults=FAULTS))
    benchmark.pedantic(ask, args=(app, "/health", 20), rounds=3)
    with performance_tracker.block("requests", traced="2m"):
        ask(app, "/health", REQUESTS)


def test_a_page_of_authors_takes_the_same_statements_however_long_it_is(benchmark, engine, store):
    def page():
        with store.work() as work:
            return work.books.authors(limit=50, offset=0)

    benchmark.pedantic(page, rounds=5)
    with count_queries(engine, at_most=5, repeats=1):
        assert len(page()) > 10


def test_a_search_is_quick(benchmark, store, performance_requirement):
    """Some milliseconds; the limit is far above them, for machines that do other things, too."""

    def search():
        with store.work() as work:
            return work.books.search(parse_search("in:stock"))

    benchmark.pedantic(search, rounds=5)
    with performance_requirement("search", wall=0.5):
        assert len(search()) == 20
