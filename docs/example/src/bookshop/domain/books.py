"""Books and authors as the shop sees them."""

from dataclasses import dataclass

from bookshop.domain.isbn import normalise_isbn
from bookshop.domain.money import MAX_PRICE, format_price
from bookshop.domain.problems import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBook:
    """A book that is to enter the catalogue."""

    isbn: str
    title: str
    authors: tuple[str, ...]
    price_cents: int
    stock: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Book(NewBook):
    """A book of the catalogue."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """An author with the titles that the shop sells, in alphabetical order."""

    id: int
    name: str
    titles: tuple[str, ...]


def checked(book: NewBook) -> NewBook:
    """Return the book as it may enter the catalogue: ISBN normalised, spaces trimmed.

    Raises:
        InvalidValue: a wrong ISBN, price or stock; no title or no author.
    """
    title = " ".join(book.title.split())
    authors = tuple(dict.fromkeys(name for raw in book.authors if (name := " ".join(raw.split()))))
    if not title:
        raise InvalidValue("a book needs a title")
    if not authors:
        raise InvalidValue(f"{title!r} needs an author")
    check_price(book.price_cents)
    check_stock(book.stock)
    return NewBook(
        isbn=normalise_isbn(book.isbn),
        title=title,
        authors=authors,
        price_cents=book.price_cents,
        stock=book.stock,
    )


def check_price(cents: int) -> None:
    """Raise InvalidValue unless a book may cost this much."""
    if not 0 <= cents <= MAX_PRICE:
        raise InvalidValue(f"price of {cents} cents: expected 0 to {MAX_PRICE} ({format_price(MAX_PRICE)})")


def check_stock(copies: int) -> None:
    """Raise InvalidValue unless there may be this many copies."""
    if not 0 <= copies <= 1_000_000:
        raise InvalidValue(f"stock of {copies}: expected 0 to 1000000")
