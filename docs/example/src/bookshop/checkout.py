"""From a cart to an order, and what happens to it afterwards.

An order, its stock, its event and its idempotency key are one transaction: all of them happen or none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bookshop.domain.books import Book
from bookshop.domain.carts import Line, check_quantity, quote
from bookshop.domain.events import order_event
from bookshop.domain.orders import NewOrder, Order, Status, advance, check_key, fingerprint
from bookshop.domain.problems import EmptyCart, InvalidValue, KeyReused, NotFound, OutOfStock
from bookshop.ports import Cache, Store, Work

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The answer to placing an order; ``replayed`` when the same request was answered before."""

    order: Order
    replayed: bool


def put_in_cart(store: Store, customer_id: int, book_id: int, quantity: int) -> list[Line]:
    """Set how many copies of a book the cart holds and return the cart."""
    check_quantity(quantity)
    with store.work() as work:
        if work.books.get(book_id) is None:
            raise NotFound(f"there is no book {book_id}")
        work.customers.put(customer_id, book_id, quantity)
        return work.customers.cart(customer_id)


def take_from_cart(store: Store, customer_id: int, book_id: int) -> list[Line]:
    """Take a book out of the cart and return the rest."""
    with store.work() as work:
        work.customers.put(customer_id, book_id, 0)
        return work.customers.cart(customer_id)


def place_order(
    store: Store, cache: Cache, customer_id: int, *, address: str, key: str, clock: Clock
) -> Placed:
    """Order what is in the cart, once for each key however often it is asked.

    Raises:
        InvalidValue: no address, or a key that cannot be one.
        EmptyCart: there is nothing to order.
        OutOfStock: not enough copies; the cart is unchanged.
        KeyReused: the key was used with another address.
    """
    check_key(key)
    if not address.strip():
        raise InvalidValue("an order needs an address")
    request = fingerprint({"address": address})
    with store.work() as work:
        if not work.orders.claim_key(customer_id, key, request):
            return _replay(work, customer_id, key, request)
        order = _place(work, customer_id, address, clock())
        work.orders.keep_result(customer_id, key, order.id)
    cache.forget_all()
    return Placed(order=order, replayed=False)


def change_status(
    store: Store, cache: Cache, order_id: int, status: Status, *, clock: Clock, customer_id: int | None = None
) -> Order:
    """Bring an order into its next state; a cancelled order puts its books back.

    Args:
        store: where the order is.
        cache: forgets its answers when stock comes back.
        order_id: which order.
        status: the state it is to have.
        clock: tells when it happened.
        customer_id: whose order it must be; None: anybody's.

    Raises:
        NotFound: no such order of this customer.
        WrongStatus: that state cannot follow.
    """
    with store.work() as work:
        order = advance(_own(work.orders.get(order_id, lock=True), order_id, customer_id), status)
        if status is Status.CANCELLED:
            _put_back(work, order.lines)
        work.orders.save_status(order)
        work.outbox.add(order_event(order, at=clock()))
    if status is Status.CANCELLED:
        cache.forget_all()
    return order


def get_order(store: Store, order_id: int, *, customer_id: int) -> Order:
    """Return an order of this customer; that of someone else does not exist for them."""
    with store.work() as work:
        return _own(work.orders.get(order_id), order_id, customer_id)


def _own(order: Order | None, order_id: int, customer_id: int | None) -> Order:
    if order is None or customer_id not in {None, order.customer_id}:
        raise NotFound(f"there is no order {order_id}")
    return order


def _place(work: Work, customer_id: int, address: str, now: datetime) -> Order:
    lines = work.customers.cart(customer_id)
    if not lines:
        raise EmptyCart("the cart is empty")
    books = work.books.lock([line.book_id for line in lines])
    lines = [replace(line, price_cents=books[line.book_id].price_cents) for line in lines]
    _take(work, books, lines)
    order = work.orders.add(
        NewOrder(
            customer_id=customer_id,
            lines=tuple(lines),
            quote=quote(lines),
            address=address.strip(),
            placed_at=now,
        )
    )
    work.outbox.add(order_event(order, at=now))
    work.customers.empty_cart(customer_id)
    return order


def _take(work: Work, books: dict[int, Book], lines: Iterable[Line]) -> None:
    for line in lines:
        left = books[line.book_id].stock
        if left < line.quantity:
            raise OutOfStock(line.book_id, wanted=line.quantity, left=left)
        work.books.change(line.book_id, stock=left - line.quantity)


def _put_back(work: Work, lines: Iterable[Line]) -> None:
    quantities = {line.book_id: line.quantity for line in lines}
    for book_id, book in work.books.lock(sorted(quantities)).items():
        work.books.change(book_id, stock=book.stock + quantities[book_id])


def _replay(work: Work, customer_id: int, key: str, request: str) -> Placed:
    known, order_id = work.orders.result_of(customer_id, key)
    if known != request:
        raise KeyReused("this Idempotency-Key was used for another order")
    return Placed(order=_own(work.orders.get(order_id), order_id, customer_id), replayed=True)
