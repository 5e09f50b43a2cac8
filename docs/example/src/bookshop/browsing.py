"""What customers look at: searches and single books, from the cache where possible."""

import hashlib
import json
from dataclasses import asdict

from bookshop.domain.books import Book, NewBook, check_price, check_stock, checked
from bookshop.domain.problems import NotFound
from bookshop.domain.search import Search
from bookshop.ports import Cache, Store

SEARCH_SECONDS = 60


def search_books(store: Store, cache: Cache, search: Search) -> list[Book]:
    """Answer a search; the same search within a minute costs the database nothing."""
    key = cache.key(search_name(search))
    kept = cache.get(key)
    if kept is not None:
        return [_book(fields) for fields in json.loads(kept)]
    with store.work() as work:
        books = work.books.search(search)
    cache.set(key, json.dumps([asdict(book) for book in books]).encode(), seconds=SEARCH_SECONDS)
    return books


def search_name(search: Search) -> str:
    """Name a search; equal searches have equal names, whatever was typed."""
    canonical = json.dumps(asdict(search), sort_keys=True)
    return f"search:{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"


def get_book(store: Store, book_id: int) -> Book:
    """Return one book, always fresh: its stock decides what a customer does next."""
    with store.work() as work:
        book = work.books.get(book_id)
    if book is None:
        raise NotFound(f"there is no book {book_id}")
    return book


def add_book(store: Store, cache: Cache, book: NewBook) -> Book:
    """Add a book to the catalogue.

    Raises:
        InvalidValue: see :func:`bookshop.domain.books.checked`.
        AlreadyExists: the ISBN is known.
    """
    with store.work() as work:
        added = work.books.add(checked(book))
    cache.forget_all()
    return added


def change_book(
    store: Store, cache: Cache, book_id: int, *, price_cents: int | None = None, stock: int | None = None
) -> Book:
    """Set price or stock of a book; orders that were placed keep their prices."""
    if price_cents is not None:
        check_price(price_cents)
    if stock is not None:
        check_stock(stock)
    with store.work() as work:
        if book_id not in work.books.lock([book_id]):
            raise NotFound(f"there is no book {book_id}")
        work.books.change(book_id, price_cents=price_cents, stock=stock)
    cache.forget_all()
    return get_book(store, book_id)


def _book(fields: dict[str, object]) -> Book:
    return Book(**{**fields, "authors": tuple(fields["authors"])})  # type: ignore[arg-type]
