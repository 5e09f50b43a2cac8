"""Placing orders: all of it happens or none, and once for each key."""

import pytest

from bookshop.checkout import change_status, get_order, place_order, put_in_cart, take_from_cart
from bookshop.domain.orders import Status
from bookshop.domain.problems import EmptyCart, InvalidValue, KeyReused, NotFound, OutOfStock, WrongStatus

pytestmark = [pytest.mark.unit, pytest.mark.checkout]

KEY = "key-0001"


@pytest.fixture
def buy(store, cache, clock, customer):
    """Order copies of books for the customer."""

    def buy(*books, copies=1, key=KEY, address="1 Main Street"):
        for book in books:
            put_in_cart(store, customer.id, book.id, copies)
        return place_order(store, cache, customer.id, address=address, key=key, clock=clock)

    return buy


def test_an_order_takes_books_from_the_shelf_and_empties_the_cart(store, buy, make_book, customer):
    book = make_book(stock=5)
    placed = buy(book, copies=3)
    assert store.state.books[book.id].stock == 2
    assert store.state.carts.get(customer.id) is None
    assert placed.order.quote.total == 3490


def test_an_order_leaves_one_event(store, buy, make_book, clock):
    buy(make_book())
    (event,) = store.state.outbox
    assert (event.subject, event.happened_at) == ("orders.placed", clock())


def test_the_same_key_gives_the_same_order(store, buy, make_book):
    book = make_book()
    first, second = buy(book), buy()
    assert (first.replayed, second.replayed) == (False, True)
    assert first.order == second.order
    assert store.state.books[book.id].stock == 4
    assert len(store.state.outbox) == 1


def test_a_key_cannot_stand_for_another_order(buy, make_book):
    buy(make_book())
    with pytest.raises(KeyReused):
        buy(address="2 Main Street")


def test_too_few_copies_change_nothing(store, buy, make_book, customer):
    plenty, rare = make_book(stock=9), make_book(title="Rare", stock=1)
    with pytest.raises(OutOfStock, match="2 wanted, 1 left"):
        buy(plenty, rare, copies=2)
    assert store.state.books[plenty.id].stock == 9
    assert store.state.carts[customer.id] == {plenty.id: 2, rare.id: 2}
    assert not store.state.orders
    assert not store.state.outbox


def test_a_key_is_free_again_after_a_refusal(buy, make_book, store):
    book = make_book(stock=0)
    with pytest.raises(OutOfStock):
        buy(book)
    with store.work() as work:
        work.books.change(book.id, stock=1)
    assert not buy(book).replayed


def test_an_empty_cart_is_no_order(buy):
    with pytest.raises(EmptyCart):
        buy()


@pytest.mark.parametrize("wrong", [{"address": " "}, {"key": "short"}])
def test_an_order_needs_address_and_key(buy, make_book, wrong):
    with pytest.raises(InvalidValue):
        buy(make_book(), **wrong)


def test_later_prices_do_not_change_an_order(store, cache, buy, make_book, customer):
    book = make_book(price_cents=1000)
    order = buy(book).order
    with store.work() as work:
        work.books.change(book.id, price_cents=2000)
    assert get_order(store, order.id, customer_id=customer.id).quote.goods == 1000


def test_a_cancelled_order_puts_its_books_back(store, cache, clock, buy, make_book):
    book = make_book(stock=5)
    order = buy(book, copies=5).order
    change_status(store, cache, order.id, Status.CANCELLED, clock=clock)
    assert store.state.books[book.id].stock == 5
    assert [event.subject for event in store.state.outbox] == ["orders.placed", "orders.cancelled"]


def test_nothing_is_put_back_twice(store, cache, clock, buy, make_book):
    book = make_book(stock=5)
    order = buy(book).order
    change_status(store, cache, order.id, Status.CANCELLED, clock=clock)
    with pytest.raises(WrongStatus):
        change_status(store, cache, order.id, Status.CANCELLED, clock=clock)
    assert store.state.books[book.id].stock == 5


def test_events_carry_the_time_of_the_change(store, cache, clock, buy, make_book):
    order = buy(make_book()).order
    clock.forward(hours=1)
    change_status(store, cache, order.id, Status.PAID, clock=clock)
    assert store.state.outbox[-1].happened_at == clock()
    assert store.state.outbox[0].happened_at != clock()


def test_the_order_of_someone_else_does_not_exist(store, cache, clock, buy, make_book, customer):
    order = buy(make_book()).order
    with pytest.raises(NotFound):
        get_order(store, order.id, customer_id=customer.id + 1)
    with pytest.raises(NotFound):
        change_status(store, cache, order.id, Status.PAID, clock=clock, customer_id=customer.id + 1)


def test_books_leave_the_cart(store, make_book, customer):
    book = make_book()
    put_in_cart(store, customer.id, book.id, 2)
    assert take_from_cart(store, customer.id, book.id) == []


def test_a_cart_takes_only_books_there_are(store, customer):
    with pytest.raises(NotFound, match="no book 404"):
        put_in_cart(store, customer.id, 404, 1)
