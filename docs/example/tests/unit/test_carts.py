"""What a cart costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookshop.domain.carts import FREE_SHIPPING_FROM, SHIPPING_CENTS, Line, Quote, check_quantity, quote
from bookshop.domain.problems import InvalidValue

pytestmark = [pytest.mark.unit, pytest.mark.checkout]

LINES = st.lists(
    st.builds(
        Line,
        book_id=st.integers(1, 9),
        title=st.just("Emma"),
        price_cents=st.integers(0, 10_000),
        quantity=st.integers(1, 99),
    ),
    max_size=8,
)


def line(price_cents: int, quantity: int = 1) -> Line:
    return Line(book_id=1, title="Emma", price_cents=price_cents, quantity=quantity)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Quote(goods=0, discount=0, shipping=0)),
        ([line(1000)], Quote(goods=1000, discount=0, shipping=490)),
        ([line(1000, 9)], Quote(goods=9000, discount=0, shipping=0)),
        ([line(1000, 10)], Quote(goods=10000, discount=500, shipping=0)),
        ([line(100, 4), line(100, 6)], Quote(goods=1000, discount=50, shipping=490)),
        ([line(4999)], Quote(goods=4999, discount=0, shipping=490)),
        ([line(5000)], Quote(goods=5000, discount=0, shipping=0)),
        ([line(0)], Quote(goods=0, discount=0, shipping=490)),
    ],
    ids=["empty", "one", "nine", "ten", "ten-of-two", "just-below-free", "just-free", "a-gift"],
)
def test_prices_follow_the_rules(lines: list[Line], expected: Quote) -> None:
    assert quote(lines) == expected


@given(LINES)
def test_nobody_pays_more_than_goods_and_shipping(lines: list[Line]) -> None:
    price = quote(lines)
    assert 0 <= price.discount <= price.goods
    assert price.total <= price.goods + SHIPPING_CENTS


@given(LINES)
def test_shipping_is_free_for_enough(lines: list[Line]) -> None:
    price = quote(lines)
    assert (price.shipping == 0) == (not lines or price.goods - price.discount >= FREE_SHIPPING_FROM)


@pytest.mark.parametrize("copies", [-1, 0, 100])
def test_a_cart_holds_1_to_99_copies(copies: int) -> None:
    with pytest.raises(InvalidValue, match="expected 1 to 99"):
        check_quantity(copies)
