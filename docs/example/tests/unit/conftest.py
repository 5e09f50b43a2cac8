"""A shop in memory, for tests of the rules and of HTTP. What PostgreSQL does is tested on PostgreSQL."""

import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bookshop.api.app import create_app
from bookshop.api.parts import Parts
from bookshop.domain.books import Author, Book, NewBook
from bookshop.domain.carts import Line
from bookshop.domain.events import Event
from bookshop.domain.orders import NewOrder, Order
from bookshop.domain.problems import AlreadyExists
from bookshop.domain.search import Search
from bookshop.ports import Customer, Unavailable

ADMIN_TOKEN = "the-owner-of-the-shop"


@dataclass
class State:
    """All tables."""

    books: dict[int, Book] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    carts: dict[int, dict[int, int]] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    keys: dict[tuple[int, str], tuple[str, int]] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)


class MemoryBooks:
    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, book: NewBook) -> Book:
        if any(known.isbn == book.isbn for known in self.state.books.values()):
            raise AlreadyExists(f"there is a book with ISBN {book.isbn}")
        fields = {name: getattr(book, name) for name in ("isbn", "title", "authors", "price_cents", "stock")}
        added = Book(id=len(self.state.books) + 1, **fields)
        self.state.books[added.id] = added
        return added

    def get(self, book_id: int) -> Book | None:
        return self.state.books.get(book_id)

    def lock(self, book_ids: Sequence[int]) -> dict[int, Book]:
        return {number: self.state.books[number] for number in book_ids if number in self.state.books}

    def search(self, search: Search) -> list[Book]:
        found = sorted(
            filter(lambda book: fits(book, search), self.state.books.values()), key=lambda b: b.title
        )
        return found[search.offset : search.offset + search.limit]

    def change(self, book_id: int, *, price_cents: int | None = None, stock: int | None = None) -> None:
        wanted = {"price_cents": price_cents, "stock": stock}
        changes = {name: value for name, value in wanted.items() if value is not None}
        self.state.books[book_id] = replace(self.state.books[book_id], **changes)

    def authors(self, *, limit: int, offset: int) -> list[Author]:
        titles: dict[str, list[str]] = {}
        for book in self.state.books.values():
            for name in book.authors:
                titles.setdefault(name, []).append(book.title)
        rows = [
            Author(id=number, name=name, titles=tuple(sorted(titles[name])))
            for number, name in enumerate(sorted(titles), 1)
        ]
        return rows[offset : offset + limit]


def fits(book: Book, search: Search) -> bool:
    """Say whether a book answers a search."""
    words = f"{book.title} {' '.join(book.authors)}".lower().split()
    return (
        all(any(word.startswith(wanted) for word in words) for wanted in search.words)
        and any(search.author in name.lower() for name in book.authors)
        and (search.max_price is None or book.price_cents <= search.max_price)
        and (not search.in_stock or book.stock > 0)
    )


class MemoryCustomers:
    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, *, email: str, name: str, token_hash: str) -> Customer:
        if any(known.email.lower() == email.lower() for known in self.state.customers.values()):
            raise AlreadyExists("there is a customer with this e-mail address")
        added = Customer(id=len(self.state.customers) + 1, email=email, name=name)
        self.state.customers[token_hash] = added
        return added

    def by_token(self, token_hash: str) -> Customer | None:
        return self.state.customers.get(token_hash)

    def cart(self, customer_id: int) -> list[Line]:
        cart = self.state.carts.get(customer_id, {})
        books = ((self.state.books[book_id], quantity) for book_id, quantity in sorted(cart.items()))
        return [
            Line(book_id=book.id, title=book.title, price_cents=book.price_cents, quantity=quantity)
            for book, quantity in books
        ]

    def put(self, customer_id: int, book_id: int, quantity: int) -> None:
        cart = self.state.carts.setdefault(customer_id, {})
        if quantity:
            cart[book_id] = quantity
        else:
            cart.pop(book_id, None)

    def empty_cart(self, customer_id: int) -> None:
        self.state.carts.pop(customer_id, None)


class MemoryOrders:
    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, order: NewOrder) -> Order:
        names = ("customer_id", "lines", "quote", "address", "placed_at")
        added = Order(id=len(self.state.orders) + 1, **{name: getattr(order, name) for name in names})
        self.state.orders[added.id] = added
        return added

    def get(self, order_id: int, *, lock: bool = False) -> Order | None:
        return self.state.orders.get(order_id)

    def of_customer(self, customer_id: int) -> list[Order]:
        return [order for order in reversed(self.state.orders.values()) if order.customer_id == customer_id]

    def save_status(self, order: Order) -> None:
        self.state.orders[order.id] = order

    def claim_key(self, customer_id: int, key: str, fingerprint: str) -> bool:
        if (customer_id, key) in self.state.keys:
            return False
        self.state.keys[customer_id, key] = (fingerprint, 0)
        return True

    def keep_result(self, customer_id: int, key: str, order_id: int) -> None:
        fingerprint, _ = self.state.keys[customer_id, key]
        self.state.keys[customer_id, key] = (fingerprint, order_id)

    def result_of(self, customer_id: int, key: str) -> tuple[str, int]:
        return self.state.keys[customer_id, key]


class MemoryOutbox:
    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, event: Event) -> None:
        self.state.outbox.append(event)


class MemoryWork:
    def __init__(self, state: State) -> None:
        self.books = MemoryBooks(state)
        self.customers = MemoryCustomers(state)
        self.orders = MemoryOrders(state)
        self.outbox = MemoryOutbox(state)


class MemoryStore:
    """A store whose transactions keep everything or nothing, and which can be switched off."""

    def __init__(self) -> None:
        self.state = State()
        self.up = True
        self.transactions = 0

    @contextmanager
    def work(self) -> Iterator[MemoryWork]:
        if not self.up:
            raise Unavailable("the database does not answer")
        self.transactions += 1
        trial = copy.deepcopy(self.state)
        yield MemoryWork(trial)
        self.state = trial

    def alive(self) -> bool:
        return self.up


class MemoryCache:
    """A cache that keeps answers in a dictionary and can be switched off."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.generation = 0
        self.up = True

    def key(self, name: str) -> str:
        return f"{self.generation}:{name}"

    def get(self, key: str) -> bytes | None:
        return self.kept.get(key) if self.up else None

    def set(self, key: str, value: bytes, *, seconds: int) -> None:
        if self.up:
            self.kept[key] = value

    def forget_all(self) -> None:
        self.generation += 1

    def alive(self) -> bool:
        return self.up


class StoppedClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **by: int) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def api(
    store: MemoryStore, cache: MemoryCache, clock: StoppedClock
) -> AsyncIterator[httpx.AsyncClient]:
    """The whole HTTP side in this process."""
    app = create_app(Parts(store=store, cache=cache, clock=clock, admin_token=ADMIN_TOKEN))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://bookshop.test") as client:
        yield client


@pytest.fixture
def admin() -> dict[str, str]:
    """Headers of the shop's owner."""
    return {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
def make_book(store: MemoryStore) -> Callable[..., Book]:
    """Put a book on the shelf; what is not said is filled in."""
    isbns = iter(("9780306406157", "9780804429573", "9780140449136", "9780261103573", "9780141439587"))

    def make(**fields: object) -> Book:
        defaults = {"isbn": next(isbns), "title": "Emma", "authors": ("Jane Austen",)}
        book = NewBook(**{**defaults, "price_cents": 1000, "stock": 5, **fields})  # type: ignore[arg-type]
        with store.work() as work:
            return work.books.add(book)

    return make


@pytest.fixture
def customer(store: MemoryStore) -> Customer:
    with store.work() as work:
        return work.customers.add(email="ada@example.com", name="Ada", token_hash="0" * 64)
