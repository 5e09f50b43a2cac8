"""Orders, idempotency keys and the outbox on PostgreSQL."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bookshop.domain.carts import Line, Quote
from bookshop.domain.events import Event
from bookshop.domain.orders import NewOrder, Order, Status
from bookshop.storage.tables import IdempotencyKeyRow, OrderLineRow, OrderRow, OutboxRow


class SqlOrders:
    """Implements :class:`bookshop.ports.Orders` within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, order: NewOrder) -> Order:
        row = OrderRow(
            customer_id=order.customer_id,
            status=Status.PLACED,
            address=order.address,
            goods_cents=order.quote.goods,
            discount_cents=order.quote.discount,
            shipping_cents=order.quote.shipping,
            placed_at=order.placed_at,
            lines=[_to_line_row(place, line) for place, line in enumerate(order.lines)],
        )
        self._session.add(row)
        self._session.flush()
        return _to_order(row)

    def get(self, order_id: int, *, lock: bool = False) -> Order | None:
        query = select(OrderRow).where(OrderRow.id == order_id)
        row = self._session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _to_order(row)

    def of_customer(self, customer_id: int) -> list[Order]:
        query = select(OrderRow).where(OrderRow.customer_id == customer_id).order_by(OrderRow.id.desc())
        return [_to_order(row) for row in self._session.scalars(query)]

    def save_status(self, order: Order) -> None:
        self._session.execute(
            update(OrderRow).where(OrderRow.id == order.id).values(status=order.status.value)
        )

    def claim_key(self, customer_id: int, key: str, fingerprint: str) -> bool:
        # A second claim of the same key waits here until the first transaction ends: then it either finds
        # the key taken, or, after a rollback, gets it.
        claim = insert(IdempotencyKeyRow).values(customer_id=customer_id, key=key, fingerprint=fingerprint)
        claimed = self._session.execute(claim.on_conflict_do_nothing().returning(IdempotencyKeyRow.key))
        return claimed.first() is not None

    def keep_result(self, customer_id: int, key: str, order_id: int) -> None:
        self._session.execute(
            update(IdempotencyKeyRow)
            .where(IdempotencyKeyRow.customer_id == customer_id, IdempotencyKeyRow.key == key)
            .values(order_id=order_id)
        )

    def result_of(self, customer_id: int, key: str) -> tuple[str, int]:
        row = self._session.get_one(IdempotencyKeyRow, (customer_id, key))
        return row.fingerprint, row.order_id or 0


class SqlOutbox:
    """Implements :class:`bookshop.ports.Outbox` within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, event: Event) -> None:
        self._session.add(OutboxRow(subject=event.subject, body=event.body, happened_at=event.happened_at))


def _to_line_row(place: int, line: Line) -> OrderLineRow:
    return OrderLineRow(
        place=place,
        book_id=line.book_id,
        title=line.title,
        price_cents=line.price_cents,
        quantity=line.quantity,
    )


def _to_order(row: OrderRow) -> Order:
    return Order(
        id=row.id,
        customer_id=row.customer_id,
        status=Status(row.status),
        address=row.address,
        quote=Quote(goods=row.goods_cents, discount=row.discount_cents, shipping=row.shipping_cents),
        placed_at=row.placed_at,
        lines=tuple(
            Line(book_id=line.book_id, title=line.title, price_cents=line.price_cents, quantity=line.quantity)
            for line in row.lines
        ),
    )
