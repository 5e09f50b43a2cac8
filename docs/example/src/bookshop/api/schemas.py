"""What goes over the wire. Prices are whole cents."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bookshop.domain.books import Book, NewBook
from bookshop.domain.carts import MAX_COPIES, Line, quote
from bookshop.domain.money import MAX_PRICE
from bookshop.domain.orders import Order, Status

# PostgreSQL cannot store the character NUL
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]*$", strip_whitespace=True)
]
Cents = Annotated[int, Field(ge=0, le=MAX_PRICE)]
Copies = Annotated[int, Field(ge=0, le=1_000_000)]


class Incoming(BaseModel):
    """A request body: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True)


class BookIn(Incoming):
    """A new book."""

    isbn: Text
    title: Text
    authors: Annotated[list[Text], Field(min_length=1, max_length=20)]
    price_cents: Cents
    stock: Copies = 0

    def to_domain(self) -> NewBook:
        """Return it as the shop sees it."""
        return NewBook(
            isbn=self.isbn,
            title=self.title,
            authors=tuple(self.authors),
            price_cents=self.price_cents,
            stock=self.stock,
        )


class BookChange(Incoming):
    """New price, new stock, or both."""

    price_cents: Cents | None = None
    stock: Copies | None = None


class CustomerIn(Incoming):
    """Somebody new."""

    email: Annotated[Text, StringConstraints(pattern=r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$")]
    name: Text


class QuantityIn(Incoming):
    """How many copies the cart should hold."""

    quantity: Annotated[int, Field(ge=1, le=MAX_COPIES)]


class OrderIn(Incoming):
    """Where the order goes."""

    address: Text


class Outgoing(BaseModel):
    """A response body, made from an object of the shop."""

    model_config = ConfigDict(from_attributes=True)


class BookOut(Outgoing):
    """A book."""

    id: int
    isbn: str
    title: str
    authors: tuple[str, ...]
    price_cents: int
    stock: int


class BooksOut(Outgoing):
    """A page of books."""

    books: list[BookOut]
    limit: int
    offset: int

    @classmethod
    def of(cls, books: Iterable[Book], *, limit: int, offset: int) -> "BooksOut":
        """Make a page."""
        found = [BookOut.model_validate(book) for book in books]
        return cls(books=found, limit=limit, offset=offset)


class AuthorOut(Outgoing):
    """An author with titles."""

    id: int
    name: str
    titles: tuple[str, ...]


class CustomerOut(Outgoing):
    """A customer."""

    id: int
    email: str
    name: str


class NewCustomerOut(CustomerOut):
    """A new customer, with the token that is shown this once."""

    token: str


class LineOut(Outgoing):
    """Copies of one book."""

    book_id: int
    title: str
    price_cents: int
    quantity: int
    total_cents: int


class QuoteOut(Outgoing):
    """What it costs, in cents."""

    goods: int
    discount: int
    shipping: int
    total: int


class CartOut(Outgoing):
    """A cart and what it costs."""

    lines: list[LineOut]
    quote: QuoteOut

    @classmethod
    def of(cls, lines: list[Line]) -> "CartOut":
        """Price a cart."""
        return cls(
            lines=[LineOut.model_validate(line) for line in lines],
            quote=QuoteOut.model_validate(quote(lines)),
        )


class OrderOut(Outgoing):
    """An order."""

    id: int
    status: Status
    address: str
    lines: list[LineOut]
    quote: QuoteOut
    placed_at: datetime

    @classmethod
    def of(cls, order: Order) -> "OrderOut":
        """Show an order."""
        return cls.model_validate(order)


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Health(BaseModel):
    """How the shop and what it depends on are."""

    status: str
    database: bool
    cache: bool
