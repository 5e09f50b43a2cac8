"""The catalogue on PostgreSQL."""

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, func, insert, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_nothing
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from bookshop.domain.books import Author, Book, NewBook
from bookshop.domain.problems import AlreadyExists
from bookshop.domain.search import Search
from bookshop.faults import Fault
from bookshop.storage.tables import AuthorRow, BookAuthorRow, BookRow


class SqlBooks:
    """Implements :class:`bookshop.ports.Books` within one transaction."""

    def __init__(self, session: Session, faults: frozenset[Fault] = frozenset()) -> None:
        self._session = session
        self._faults = faults

    def add(self, book: NewBook) -> Book:
        row = BookRow(isbn=book.isbn, title=book.title, price_cents=book.price_cents, stock=book.stock)
        try:
            with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError as error:
            raise AlreadyExists(f"there is a book with ISBN {book.isbn}") from error
        ids = self._author_ids(book.authors)
        self._session.execute(
            insert(BookAuthorRow),
            [
                {"book_id": row.id, "author_id": ids[name], "place": place}
                for place, name in enumerate(book.authors)
            ],
        )
        self._session.expire(row)
        return to_book(row)

    def _author_ids(self, names: Sequence[str]) -> dict[str, int]:
        # sorted, so that two books by the same authors never wait for each other in a circle
        rows = [{"name": name} for name in sorted(names)]
        self._session.execute(insert_or_nothing(AuthorRow).on_conflict_do_nothing(), rows)
        found = self._session.execute(select(AuthorRow.name, AuthorRow.id).where(AuthorRow.name.in_(names)))
        return {name: author_id for name, author_id in found}  # noqa: C416 - rows are not pairs to mypy

    def get(self, book_id: int) -> Book | None:
        row = self._session.get(BookRow, book_id)
        return None if row is None else to_book(row)

    def lock(self, book_ids: Sequence[int]) -> dict[int, Book]:
        # ordered, so that two orders for the same books never wait for each other in a circle
        query = select(BookRow).where(BookRow.id.in_(book_ids)).order_by(BookRow.id)
        if Fault.RACE not in self._faults:
            query = query.with_for_update(of=BookRow)
        rows = self._session.scalars(query.execution_options(populate_existing=True))
        books = {row.id: to_book(row) for row in rows}
        if Fault.RACE in self._faults:
            time.sleep(0.02)  # the moment in which somebody else reads the same stock
        return books

    def search(self, search: Search) -> list[Book]:
        query = matching(search)
        if Fault.INJECTION in self._faults and search.author:
            query = query.where(
                text(
                    "books.id IN (SELECT book_id FROM book_authors JOIN authors ON author_id = authors.id"
                    f" WHERE lower(authors.name) LIKE '%{search.author}%')"
                )
            )
        elif search.author:
            query = query.where(_written_by(AuthorRow.name.icontains(search.author, autoescape=True)))
        if Fault.SLOW_QUERY in self._faults:
            query = query.where(
                text("(SELECT count(*) FROM generate_series(1, 20000) g WHERE g % 7 = books.id % 7) > 0")
            )
        return [to_book(row) for row in self._session.scalars(query)]

    def change(self, book_id: int, *, price_cents: int | None = None, stock: int | None = None) -> None:
        values = {"price_cents": price_cents, "stock": stock}
        wanted = {name: value for name, value in values.items() if value is not None}
        if wanted:
            self._session.execute(update(BookRow).where(BookRow.id == book_id).values(wanted))

    def authors(self, *, limit: int, offset: int) -> list[Author]:
        query = select(AuthorRow).order_by(AuthorRow.name, AuthorRow.id).limit(limit).offset(offset)
        if Fault.N_PLUS_ONE not in self._faults:
            query = query.options(selectinload(AuthorRow.books).joinedload(BookAuthorRow.book))
        return [
            Author(id=row.id, name=row.name, titles=tuple(sorted(link.book.title for link in row.books)))
            for row in self._session.scalars(query)
        ]


def matching(search: Search) -> Select[BookRow]:
    """Build the query of a search, without the condition on the author."""
    query = select(BookRow).order_by(BookRow.title, BookRow.id).limit(search.limit).offset(search.offset)
    for word in search.words:
        query = query.where(or_(_title_has(word), _written_by(_name_has(word))))
    if search.max_price is not None:
        query = query.where(BookRow.price_cents <= search.max_price)
    return query.where(BookRow.stock > 0) if search.in_stock else query


def _title_has(word: str) -> ColumnElement[bool]:
    # words are \w+, so they cannot break the syntax of to_tsquery; '…':* finds every word that begins so
    title = func.to_tsvector(text("'simple'"), BookRow.title)
    return title.op("@@")(func.to_tsquery(text("'simple'"), f"'{word}':*"))


def _name_has(word: str) -> ColumnElement[bool]:
    return literal(" ").concat(AuthorRow.name).icontains(f" {word}", autoescape=True)


def _written_by(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return BookRow.authors.any(BookAuthorRow.author.has(condition))


def to_book(row: BookRow) -> Book:
    """Turn a row into what the shop works with."""
    return Book(
        id=row.id,
        isbn=row.isbn,
        title=row.title,
        authors=tuple(link.author.name for link in row.authors),
        price_cents=row.price_cents,
        stock=row.stock,
    )
