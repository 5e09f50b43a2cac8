"""Carts and what they cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from bookshop.domain.money import percent_of
from bookshop.domain.problems import InvalidValue

MAX_COPIES = 99
VOLUME_COPIES = 10
VOLUME_PERCENT = 5
SHIPPING_CENTS = 490
FREE_SHIPPING_FROM = 50_00


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Some copies of one book at the price of the moment."""

    book_id: int
    title: str
    price_cents: int
    quantity: int

    @property
    def total_cents(self) -> int:
        """Price of all copies."""
        return self.price_cents * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a cart costs, in cents."""

    goods: int
    discount: int
    shipping: int

    @property
    def total(self) -> int:
        """What the customer pays."""
        return self.goods - self.discount + self.shipping


def quote(lines: Iterable[Line]) -> Quote:
    """Price a cart: five percent off from ten copies on, free shipping from 50.00 on.

    >>> quote([Line(book_id=1, title="Emma", price_cents=1000, quantity=10)])
    Quote(goods=10000, discount=500, shipping=0)
    """
    lines = list(lines)
    goods = sum(line.total_cents for line in lines)
    copies = sum(line.quantity for line in lines)
    discount = percent_of(goods, VOLUME_PERCENT) if copies >= VOLUME_COPIES else 0
    shipping = 0 if not lines or goods - discount >= FREE_SHIPPING_FROM else SHIPPING_CENTS
    return Quote(goods=goods, discount=discount, shipping=shipping)


def check_quantity(copies: int) -> None:
    """Raise InvalidValue unless a cart may hold this many copies of a book."""
    if not 1 <= copies <= MAX_COPIES:
        raise InvalidValue(f"{copies} copies: expected 1 to {MAX_COPIES}")
