"""Orders only ever move along the ways they may."""

from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bookshop.domain.carts import Line, Quote
from bookshop.domain.events import StoredEvent, order_event
from bookshop.domain.orders import NEXT, Order, Status, advance, check_key, fingerprint
from bookshop.domain.problems import InvalidValue, WrongStatus

pytestmark = [pytest.mark.unit, pytest.mark.checkout]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def order(status: Status = Status.PLACED) -> Order:
    return Order(
        id=7,
        customer_id=3,
        lines=(Line(book_id=1, title="Emma", price_cents=1000, quantity=2),),
        quote=Quote(goods=2000, discount=0, shipping=490),
        address="1 Main Street",
        placed_at=NOON,
        status=status,
    )


@pytest.mark.parametrize("start", Status)
@pytest.mark.parametrize("end", Status)
def test_only_the_ways_of_the_table_are_open(start: Status, end: Status) -> None:
    if end in NEXT[start]:
        assert advance(order(start), end).status is end
    else:
        with pytest.raises(WrongStatus, match=f"order 7 is {start}"):
            advance(order(start), end)


class Life(RuleBasedStateMachine):
    """Whatever is tried in whatever order, an order is never shipped without having been paid."""

    def __init__(self) -> None:
        super().__init__()
        self.order = order()
        self.seen = [Status.PLACED]

    @rule(status=st.sampled_from(Status))
    def advance(self, status: Status) -> None:
        try:
            self.order = advance(self.order, status)
        except WrongStatus:
            return
        self.seen.append(status)

    def teardown(self) -> None:
        if Status.SHIPPED in self.seen:
            assert self.seen == [Status.PLACED, Status.PAID, Status.SHIPPED]
        assert len(self.seen) == len(set(self.seen))


Life.TestCase.settings = settings(max_examples=25, stateful_step_count=15)
OrderLife = pytest.mark.unit(Life.TestCase)


def test_an_event_says_what_happened_to_which_books() -> None:
    event = order_event(order(Status.PAID), at=NOON)
    assert event.subject == "orders.paid"
    assert event.body == {
        "order_id": 7,
        "customer_id": 3,
        "total_cents": 2490,
        "lines": [{"book_id": 1, "quantity": 2}],
    }


def test_an_event_carries_the_id_that_tells_it_from_its_copies() -> None:
    event = order_event(order(), at=NOON)
    stored = StoredEvent(id=99, subject=event.subject, happened_at=event.happened_at, body=event.body)
    assert stored.envelope()["id"] == 99
    assert stored.envelope()["happened_at"] == "2026-11-22T12:00:00+00:00"


@pytest.mark.parametrize("key", ["", "short", "x" * 81, "line\nbreak", "schlüssel-eins"])
def test_keys_that_cannot_be_are_refused(key: str) -> None:
    with pytest.raises(InvalidValue, match="Idempotency-Key"):
        check_key(key)


def test_different_requests_have_different_fingerprints() -> None:
    assert fingerprint({"address": "1 Main Street"}) != fingerprint({"address": "2 Main Street"})
