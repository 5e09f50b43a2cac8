"""Orders on PostgreSQL: the locks hold when many customers come at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from bookshop.cache import NoCache
from bookshop.checkout import change_status, get_order, place_order, put_in_cart
from bookshop.domain.orders import Status
from bookshop.domain.problems import OutOfStock, WrongStatus
from bookshop.faults import Fault
from bookshop.storage.store import SqlStore

pytestmark = [pytest.mark.integration, pytest.mark.database, pytest.mark.real_db, pytest.mark.checkout]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def order(store, customer, *, key="key-0001", address="1 Main Street"):
    return place_order(store, NoCache(), customer.id, address=address, key=key, clock=lambda: NOON)


def count_of(engine, table):
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()


def rush(engine, make_book, make_customer, faults=frozenset()):
    """Twelve customers want one copy each of five; return how many got one and what is left."""
    store = SqlStore(engine, faults)
    book = make_book(stock=5)
    customers = [make_customer() for _ in range(12)]
    for customer in customers:
        put_in_cart(store, customer.id, book.id, 1)

    def buy(customer):
        try:
            order(store, customer)
        except OutOfStock:
            return 0
        return 1

    with ThreadPoolExecutor(12) as threads:
        sold = sum(threads.map(buy, customers))
    with store.work() as work:
        return sold, work.books.get(book.id).stock


@pytest.mark.smoke
def test_an_order_is_kept_as_it_was_placed(store, make_book, make_customer):
    customer, book = make_customer(), make_book(title="Émile", price_cents=1234)
    put_in_cart(store, customer.id, book.id, 2)
    placed = order(store, customer, address="1 Main Street\n12345 Town").order
    assert get_order(store, placed.id, customer_id=customer.id) == placed
    assert placed.placed_at == NOON


def test_no_copy_is_sold_twice(engine, make_book, make_customer):
    assert rush(engine, make_book, make_customer) == (5, 0)


def test_the_fault_race_is_what_it_says(engine, make_book, make_customer):
    """Without the lock more is sold than there was: the test above would notice."""
    sold, left = rush(engine, make_book, make_customer, frozenset({Fault.RACE}))
    assert sold + left > 5


def test_one_key_is_one_order_however_often_it_is_sent(engine, store, make_book, make_customer):
    customer, book = make_customer(), make_book(stock=5)
    put_in_cart(store, customer.id, book.id, 1)
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda _: order(store, customer), range(8)))
    assert len({each.order.id for each in placed}) == 1
    assert sorted(each.replayed for each in placed) == [False] + [True] * 7
    assert (count_of(engine, "orders"), count_of(engine, "outbox")) == (1, 1)


def test_carts_in_opposite_order_do_not_wait_for_each_other_for_ever(store, make_book, make_customer):
    """The locks are taken in one order; otherwise PostgreSQL would end one of each pair as a deadlock."""
    books = [make_book(title=f"Book {number}", stock=99) for number in range(6)]
    customers = [make_customer() for _ in range(8)]
    for number, customer in enumerate(customers):
        for book in books if number % 2 else reversed(books):
            put_in_cart(store, customer.id, book.id, 1)
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda customer: order(store, customer), customers))
    assert len(placed) == 8
    with store.work() as work:
        assert {work.books.get(book.id).stock for book in books} == {91}


def test_a_refused_order_leaves_no_trace(engine, store, make_book, make_customer):
    customer, plenty, rare = make_customer(), make_book(), make_book(title="Rare", stock=0)
    put_in_cart(store, customer.id, plenty.id, 1)
    put_in_cart(store, customer.id, rare.id, 1)
    with pytest.raises(OutOfStock):
        order(store, customer)
    tables = ("orders", "order_lines", "outbox", "idempotency_keys")
    assert [count_of(engine, table) for table in tables] == [0, 0, 0, 0]
    with store.work() as work:
        assert work.books.get(plenty.id).stock == 5


def test_an_order_is_cancelled_once(store, make_book, make_customer):
    customer, book = make_customer(), make_book(stock=5)
    put_in_cart(store, customer.id, book.id, 3)
    number = order(store, customer).order.id

    def cancel(_):
        try:
            change_status(store, NoCache(), number, Status.CANCELLED, clock=lambda: NOON)
        except WrongStatus:
            return 0
        return 1

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(cancel, range(6))) == 1
    with store.work() as work:
        assert work.books.get(book.id).stock == 5


def test_the_newest_order_comes_first(store, make_book, make_customer):
    customer, book = make_customer(), make_book()
    numbers = []
    for key in ("key-0001", "key-0002"):
        put_in_cart(store, customer.id, book.id, 1)
        numbers.append(order(store, customer, key=key).order.id)
    with store.work() as work:
        assert [each.id for each in work.orders.of_customer(customer.id)] == numbers[::-1]


def test_carts_are_each_customers_own(store, make_book, make_customer):
    one, other, book = make_customer(), make_customer(), make_book()
    put_in_cart(store, one.id, book.id, 1)
    put_in_cart(store, one.id, book.id, 3)
    with store.work() as work:
        assert [line.quantity for line in work.customers.cart(one.id)] == [3]
        assert work.customers.cart(other.id) == []
