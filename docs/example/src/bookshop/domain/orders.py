"""Orders and the states they pass through."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bookshop.domain.carts import Line, Quote
from bookshop.domain.problems import InvalidValue, WrongStatus


class Status(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


NEXT: Mapping[Status, frozenset[Status]] = {
    Status.PLACED: frozenset({Status.PAID, Status.CANCELLED}),
    Status.PAID: frozenset({Status.SHIPPED, Status.CANCELLED}),
    Status.SHIPPED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""Which states may follow which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order that is being placed."""

    customer_id: int
    lines: tuple[Line, ...]
    quote: Quote
    address: str
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(NewOrder):
    """An order that exists."""

    id: int
    status: Status = Status.PLACED


def advance(order: Order, status: Status) -> Order:
    """Return the order in its next state.

    Raises:
        WrongStatus: that state cannot follow the present one.
    """
    if status not in NEXT[order.status]:
        allowed = ", ".join(sorted(NEXT[order.status])) or "nothing"
        raise WrongStatus(f"order {order.id} is {order.status}: {status} cannot follow, only {allowed}")
    return replace(order, status=status)


def check_key(key: str) -> None:
    """Raise InvalidValue unless this may be an idempotency key: 8 to 80 printable ASCII characters."""
    if not (8 <= len(key) <= 80 and key.isascii() and key.isprintable()):
        raise InvalidValue("Idempotency-Key: expected 8 to 80 printable ASCII characters")


def fingerprint(request: Mapping[str, object]) -> str:
    """Tell whether two requests are the same one: SHA-256 of their canonical JSON.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
