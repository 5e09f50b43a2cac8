"""How fast the parts are on which everything waits. Measured here; judged by comparing with history."""

import pytest

from bookshop.api.schemas import BooksOut
from bookshop.browsing import search_books
from bookshop.cache import NoCache, open_cache
from bookshop.domain.carts import Line, quote
from bookshop.domain.isbn import normalise_isbn
from bookshop.domain.search import parse_search
from bookshop.seed import generate_books, seed
from bookshop.settings import with_driver
from bookshop.storage.store import SqlStore, open_engine

pytestmark = pytest.mark.performance

BOOKS = 1000


@pytest.fixture(scope="session")
def catalogue(worker_database):
    """A shop with a thousand books."""
    engine = open_engine(with_driver(worker_database.url))
    store = SqlStore(engine)
    seed(store, books=BOOKS)
    yield store
    engine.dispose()


def test_reading_a_search(benchmark):
    found = benchmark(parse_search, 'winter garden author:"ada borges" max:19.99 in:stock')
    assert found.author == "ada borges"


def test_checking_an_isbn(benchmark):
    assert benchmark(normalise_isbn, "978-0-306-40615-7") == "9780306406157"


def test_pricing_a_cart(benchmark):
    lines = [Line(book_id=n, title="Emma", price_cents=999, quantity=2) for n in range(20)]
    assert benchmark(quote, lines).goods == 39960


def test_showing_a_page(benchmark, catalogue):
    with catalogue.work() as work:
        books = work.books.search(parse_search("", limit=100))
    page = benchmark(lambda: BooksOut.of(books, limit=100, offset=0).model_dump_json())
    assert page.count('"isbn"') == 100


def test_searching_the_database(benchmark, catalogue):
    books = benchmark(search_books, catalogue, NoCache(), parse_search("winter in:stock"))
    assert len(books) == 20


def test_searching_through_the_cache(benchmark, catalogue, cache_database):
    cache = open_cache(cache_database.url, "bookshop-speed")
    books = benchmark(search_books, catalogue, cache, parse_search("winter in:stock"))
    assert len(books) == 20


def test_generating_a_catalogue(benchmark):
    assert len(benchmark(generate_books, 100)) == 100
