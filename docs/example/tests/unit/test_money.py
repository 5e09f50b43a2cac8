"""Prices are read, written and divided without losing a cent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookshop.domain.money import MAX_PRICE, format_price, parse_price, percent_of
from bookshop.domain.problems import InvalidValue

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "cents"), [("0", 0), ("7", 700), ("7.5", 750), (" 7,05 ", 705), ("100000.00", MAX_PRICE)]
)
def test_amounts_are_read_as_people_write_them(text: str, cents: int) -> None:
    assert parse_price(text) == cents


@pytest.mark.parametrize("text", ["", "-1", "1.234", "1e3", "1.", ".5", "100000.01", "seven", "١٢"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="price|costs"):
        parse_price(text)


@given(st.integers(0, MAX_PRICE))
def test_what_is_written_is_read_back(cents: int) -> None:
    assert parse_price(format_price(cents)) == cents


@given(st.integers(0, 10**9), st.integers(0, 100))
def test_a_part_and_the_other_part_make_the_whole(cents: int, percent: int) -> None:
    """Within the one cent that two roundings can cost."""
    assert abs(percent_of(cents, percent) + percent_of(cents, 100 - percent) - cents) <= 1


def test_rounding_does_not_drift() -> None:
    """Half a cent is rounded up as often as down."""
    assert sum(percent_of(cents, 50) for cents in range(1, 2001, 2)) == sum(range(1, 2001, 2)) // 2
