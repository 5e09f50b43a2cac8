"""The tables as SQLAlchemy sees them. What they look like is decided by ``migrations/``, not here."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True), dict[str, Any]: JSONB}  # noqa: RUF012


class AuthorRow(Base):
    """Authors."""

    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["BookAuthorRow"]] = relationship(back_populates="author")


class BookRow(Base):
    """Books."""

    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    isbn: Mapped[str]
    title: Mapped[str]
    price_cents: Mapped[int]
    stock: Mapped[int]
    authors: Mapped[list["BookAuthorRow"]] = relationship(
        order_by="BookAuthorRow.place", back_populates="book", lazy="selectin"
    )


class BookAuthorRow(Base):
    """Who wrote what."""

    __tablename__ = "book_authors"
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"), primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), primary_key=True)
    place: Mapped[int]
    author: Mapped[AuthorRow] = relationship(back_populates="books", lazy="joined")
    book: Mapped[BookRow] = relationship(back_populates="authors")


class CustomerRow(Base):
    """Customers."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    token_hash: Mapped[str]


class CartLineRow(Base):
    """What is in the carts."""

    __tablename__ = "cart_lines"
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"), primary_key=True)
    quantity: Mapped[int]


class OrderRow(Base):
    """Orders."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[str]
    address: Mapped[str]
    goods_cents: Mapped[int]
    discount_cents: Mapped[int]
    shipping_cents: Mapped[int]
    placed_at: Mapped[datetime]
    lines: Mapped[list["OrderLineRow"]] = relationship(order_by="OrderLineRow.place", lazy="selectin")


class OrderLineRow(Base):
    """The lines of orders, with title and price as they were."""

    __tablename__ = "order_lines"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    title: Mapped[str]
    price_cents: Mapped[int]
    quantity: Mapped[int]


class IdempotencyKeyRow(Base):
    """Keys that were used, and the orders that came of it."""

    __tablename__ = "idempotency_keys"
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))


class OutboxRow(Base):
    """Events, published and not."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    body: Mapped[dict[str, Any]]
    happened_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
