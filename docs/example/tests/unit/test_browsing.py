"""Searches are answered from the cache until something changes."""

import pytest

from bookshop.browsing import add_book, change_book, get_book, search_books
from bookshop.domain.books import NewBook
from bookshop.domain.problems import AlreadyExists, InvalidValue, NotFound
from bookshop.domain.search import parse_search

pytestmark = pytest.mark.unit

EMMA = NewBook(isbn="9780306406157", title=" Emma ", authors=("Jane  Austen",), price_cents=999, stock=1)


def titles(store, cache, text):
    return [book.title for book in search_books(store, cache, parse_search(text))]


def test_the_second_same_search_costs_the_database_nothing(store, cache, make_book):
    make_book()
    first = search_books(store, cache, parse_search("emma"))
    before = store.transactions
    assert search_books(store, cache, parse_search("EMMA")) == first
    assert store.transactions == before


@pytest.mark.parametrize("change", [{"price_cents": 1}, {"stock": 0}])
def test_a_change_is_seen_at_once(store, cache, make_book, change):
    book = make_book()
    search_books(store, cache, parse_search("emma"))
    change_book(store, cache, book.id, **change)
    (found,) = search_books(store, cache, parse_search("emma"))
    assert change.items() <= {name: getattr(found, name) for name in ("price_cents", "stock")}.items()


def test_a_new_book_is_found_at_once(store, cache):
    assert titles(store, cache, "emma") == []
    add_book(store, cache, EMMA)
    assert titles(store, cache, "emma") == ["Emma"]


def test_an_answer_read_before_a_change_is_not_kept_after_it(store, cache, make_book):
    """The reader was slow: between its reading and its writing to the cache, the book changed."""
    book = make_book(price_cents=1000)
    key = cache.key("slow reader")
    change_book(store, cache, book.id, price_cents=2000)
    cache.set(key, b"old answer", seconds=60)
    assert cache.get(cache.key("slow reader")) is None


def test_without_cache_the_answers_are_the_same(store, cache, make_book):
    make_book()
    cache.up = False
    assert titles(store, cache, "emma") == titles(store, cache, "emma") == ["Emma"]


def test_authors_survive_the_cache_as_they_were(store, cache, make_book):
    make_book(authors=("Terry Pratchett", "Neil Gaiman"))
    search_books(store, cache, parse_search(""))
    (again,) = search_books(store, cache, parse_search(""))
    assert again.authors == ("Terry Pratchett", "Neil Gaiman")


@pytest.mark.parametrize(
    "wrong",
    [{"isbn": "123"}, {"title": "  "}, {"authors": ("",)}, {"price_cents": -1}, {"stock": -1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_books_that_cannot_be_are_refused(store, cache, wrong):
    fields = {name: getattr(EMMA, name) for name in ("isbn", "title", "authors", "price_cents", "stock")}
    with pytest.raises(InvalidValue):
        add_book(store, cache, NewBook(**{**fields, **wrong}))
    assert not store.state.books


def test_an_isbn_enters_the_catalogue_once(store, cache):
    add_book(store, cache, EMMA)
    with pytest.raises(AlreadyExists):
        add_book(store, cache, EMMA)


@pytest.mark.parametrize("act", [get_book, lambda store, number: change_book(store, None, number, stock=1)])
def test_a_book_that_is_not_there_is_said_not_to_be(store, act):
    with pytest.raises(NotFound, match="no book 404"):
        act(store, 404)
