"""What the shop needs from outside, as protocols: storage, cache, queue.

The tests of the rules bring their own; the application has PostgreSQL, Redis, NATS and RabbitMQ.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bookshop.domain.books import Author, Book, NewBook
from bookshop.domain.carts import Line
from bookshop.domain.events import Event, StoredEvent
from bookshop.domain.orders import NewOrder, Order
from bookshop.domain.search import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody who buys."""

    id: int
    email: str
    name: str


class Books(Protocol):
    """The catalogue."""

    def add(self, book: NewBook) -> Book:
        """Raise AlreadyExists when the ISBN is taken."""

    def get(self, book_id: int) -> Book | None: ...

    def lock(self, book_ids: Sequence[int]) -> dict[int, Book]:
        """Return the books that exist; until the work ends nobody else can change them."""

    def search(self, search: Search) -> list[Book]: ...

    def change(self, book_id: int, *, price_cents: int | None = None, stock: int | None = None) -> None: ...

    def authors(self, *, limit: int, offset: int) -> list[Author]: ...


class Customers(Protocol):
    """Who buys, and the carts they push."""

    def add(self, *, email: str, name: str, token_hash: str) -> Customer:
        """Raise AlreadyExists when the address is taken."""

    def by_token(self, token_hash: str) -> Customer | None: ...

    def cart(self, customer_id: int) -> list[Line]: ...

    def put(self, customer_id: int, book_id: int, quantity: int) -> None:
        """Set the number of copies; 0 takes the book out."""

    def empty_cart(self, customer_id: int) -> None: ...


class Orders(Protocol):
    """Orders, and the keys that make placing them repeatable."""

    def add(self, order: NewOrder) -> Order: ...

    def get(self, order_id: int, *, lock: bool = False) -> Order | None: ...

    def of_customer(self, customer_id: int) -> list[Order]: ...

    def save_status(self, order: Order) -> None: ...

    def claim_key(self, customer_id: int, key: str, fingerprint: str) -> bool:
        """Return whether the key was free; wait for whoever is using it at this moment."""

    def keep_result(self, customer_id: int, key: str, order_id: int) -> None: ...

    def result_of(self, customer_id: int, key: str) -> tuple[str, int]:
        """Return fingerprint and order of a key that was used."""


class Outbox(Protocol):
    """Events that are to be published."""

    def add(self, event: Event) -> None: ...


class Work(Protocol):
    """One transaction: leaving its ``with`` block keeps everything, an exception keeps nothing."""

    @property
    def books(self) -> Books: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def orders(self) -> Orders: ...
    @property
    def outbox(self) -> Outbox: ...


class Store(Protocol):
    """Where the shop keeps everything."""

    def work(self) -> AbstractContextManager[Work]: ...

    def alive(self) -> bool: ...


class Cache(Protocol):
    """A place for answers; losing it costs time, nothing else."""

    def key(self, name: str) -> str:
        """Return the key of an answer in the present generation.

        To be taken before the database is read: what is written under it afterwards is out of reach once
        :meth:`forget_all` was called in between, so that an old answer never passes for a new one.
        """

    def get(self, key: str) -> bytes | None: ...

    def set(self, key: str, value: bytes, *, seconds: int) -> None: ...

    def forget_all(self) -> None:
        """Make every earlier answer unreachable."""

    def alive(self) -> bool: ...


class Unavailable(Exception):
    """Something outside does not answer; the same request may succeed later."""


class Publisher(Protocol):
    """The way to the message queue."""

    async def publish(self, event: StoredEvent) -> None:
        """Return when the queue has taken it."""

    async def close(self) -> None: ...
