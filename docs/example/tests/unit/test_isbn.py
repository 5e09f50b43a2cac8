"""ISBNs are known by their 13 digits and mistyped ones are noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookshop.domain.isbn import check_digit_10, check_digit_13, normalise_isbn
from bookshop.domain.problems import InvalidValue

pytestmark = pytest.mark.unit

TWELVE = st.text("0123456789", min_size=9, max_size=9).map(lambda digits: f"978{digits}")


@pytest.mark.parametrize(
    "text", ["9780306406157", "978-0-306-40615-7", "0306406152", "0-306-40615-2", " 978 0306406157 "]
)
def test_all_spellings_are_one_book(text: str) -> None:
    assert normalise_isbn(text) == "9780306406157"


@pytest.mark.parametrize(
    "text", ["", "123", "9780306406158", "0306406153", "X306406152", "97803064061577", "٩780306406157"]
)
def test_what_is_no_isbn_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not an ISBN"):
        normalise_isbn(text)


@given(TWELVE, st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(first: str, place: int, by: int) -> None:
    digits = list(first + check_digit_13(first))
    digits[place] = str((int(digits[place]) + by) % 10)
    with pytest.raises(InvalidValue):
        normalise_isbn("".join(digits))


@given(st.text("0123456789", min_size=9, max_size=9))
def test_the_short_form_leads_to_the_long_one(first: str) -> None:
    assert normalise_isbn(first + check_digit_10(first))[3:12] == first
