"""What the shop tells the rest of the world: one event per change of an order."""

from dataclasses import dataclass
from datetime import datetime

from bookshop.domain.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. ``subject`` is where it is published, ``body`` is plain JSON data."""

    subject: str
    happened_at: datetime
    body: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent(Event):
    """An event in the outbox; its id makes it recognisable when it arrives twice."""

    id: int

    def envelope(self) -> dict[str, object]:
        """Return what consumers receive."""
        return {
            "id": self.id,
            "subject": self.subject,
            "happened_at": self.happened_at.isoformat(),
            "body": self.body,
        }


def order_event(order: Order, *, at: datetime) -> Event:
    """Say that an order is now in its state: ``orders.placed``, ``orders.paid`` …"""
    return Event(
        subject=f"orders.{order.status}",
        happened_at=at,
        body={
            "order_id": order.id,
            "customer_id": order.customer_id,
            "total_cents": order.quote.total,
            "lines": [{"book_id": line.book_id, "quantity": line.quantity} for line in order.lines],
        },
    )
