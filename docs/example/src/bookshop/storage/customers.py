"""Customers and carts on PostgreSQL."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bookshop.domain.carts import Line
from bookshop.domain.problems import AlreadyExists
from bookshop.ports import Customer
from bookshop.storage.tables import BookRow, CartLineRow, CustomerRow


class SqlCustomers:
    """Implements :class:`bookshop.ports.Customers` within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, *, email: str, name: str, token_hash: str) -> Customer:
        row = CustomerRow(email=email, name=name, token_hash=token_hash)
        try:
            with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError as error:
            raise AlreadyExists("there is a customer with this e-mail address") from error
        return _to_customer(row)

    def by_token(self, token_hash: str) -> Customer | None:
        row = self._session.scalar(select(CustomerRow).where(CustomerRow.token_hash == token_hash))
        return None if row is None else _to_customer(row)

    def cart(self, customer_id: int) -> list[Line]:
        query = (
            select(CartLineRow.book_id, BookRow.title, BookRow.price_cents, CartLineRow.quantity)
            .join(BookRow, BookRow.id == CartLineRow.book_id)
            .where(CartLineRow.customer_id == customer_id)
            .order_by(CartLineRow.book_id)
        )
        return [Line(**row) for row in self._session.execute(query).mappings()]

    def put(self, customer_id: int, book_id: int, quantity: int) -> None:
        if quantity == 0:
            self._session.execute(
                delete(CartLineRow).where(
                    CartLineRow.customer_id == customer_id, CartLineRow.book_id == book_id
                )
            )
            return
        line = insert(CartLineRow).values(customer_id=customer_id, book_id=book_id, quantity=quantity)
        self._session.execute(
            line.on_conflict_do_update(
                index_elements=["customer_id", "book_id"], set_={"quantity": line.excluded.quantity}
            )
        )

    def empty_cart(self, customer_id: int) -> None:
        self._session.execute(delete(CartLineRow).where(CartLineRow.customer_id == customer_id))


def _to_customer(row: CustomerRow) -> Customer:
    return Customer(id=row.id, email=row.email, name=row.name)
