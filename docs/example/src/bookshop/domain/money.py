"""Prices: whole cents, never floats."""

import re

from bookshop.domain.problems import InvalidValue

MAX_PRICE = 100_000_00
"""The most a single book may cost, in cents."""

_PRICE = re.compile(r"(\d{1,6})(?:[.,](\d{1,2}))?", re.ASCII)


def parse_price(text: str) -> int:
    """Read an amount as people write it and return cents.

    >>> parse_price("12.5"), parse_price("7"), parse_price("0,99")
    (1250, 700, 99)

    Raises:
        InvalidValue: it is not an amount, or beyond :data:`MAX_PRICE`.
    """
    match = _PRICE.fullmatch(text.strip())
    if match is None:
        raise InvalidValue(f"{text!r} is not a price such as 12.50")
    cents = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if cents > MAX_PRICE:
        raise InvalidValue(f"{text!r} is more than any book costs ({format_price(MAX_PRICE)})")
    return cents


def format_price(cents: int) -> str:
    """Write cents as an amount with two decimals.

    >>> format_price(123456), format_price(-5)
    ('1234.56', '-0.05')
    """
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02}"


def percent_of(cents: int, percent: int) -> int:
    """Take a percentage, rounded half to even so that many small amounts do not drift.

    >>> [percent_of(cents, 50) for cents in (1, 3, 5, 7)]
    [0, 2, 2, 4]
    """
    quotient, rest = divmod(cents * percent, 100)
    return quotient + (rest > 50 or (rest == 50 and quotient % 2))
