"""Generated catalogues are always the same, and big ones are as right as small ones."""

import pytest

from bookshop.domain.books import checked
from bookshop.seed import generate_books, seed

pytestmark = pytest.mark.unit


def test_seeding_twice_adds_nothing(store):
    assert [seed(store, books=20), seed(store, books=20)] == [20, 0]


@pytest.mark.slow
def test_a_big_catalogue_has_no_double_and_no_mistake():
    """Twenty thousand books, each checked as if somebody had typed it."""
    books = generate_books(20_000)
    assert len({book.isbn for book in books}) == len(books)
    assert all(checked(book).isbn == book.isbn for book in books)
