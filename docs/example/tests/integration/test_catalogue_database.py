"""The catalogue on PostgreSQL: what is searched is found, nothing else, at a bounded number of queries."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from bookshop.domain.books import NewBook
from bookshop.domain.problems import AlreadyExists
from bookshop.domain.search import parse_search
from bookshop.faults import Fault
from bookshop.ports import Unavailable
from bookshop.storage.store import SqlStore, open_engine

pytestmark = [pytest.mark.integration, pytest.mark.database, pytest.mark.real_db]


@pytest.fixture
def search(store):
    def search(text, **page):
        with store.work() as work:
            return [book.title for book in work.books.search(parse_search(text, **page))]

    return search


@pytest.fixture
def statements(engine):
    """The SQL that is sent while a test runs."""
    sent = []

    def note(connection, cursor, statement, parameters, context, executemany):
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.smoke
def test_what_was_added_comes_back_as_it_was(store, make_book):
    book = make_book(title="Good Omens", authors=("Terry Pratchett", "Neil Gaiman"))
    with store.work() as work:
        assert work.books.get(book.id) == book


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["Emma", "Good Omens", "Война и мир"]),
        ("emma", ["Emma"]),
        ("EM", ["Emma"]),
        ("mma", []),
        ("good omens", ["Good Omens"]),
        ("omens good", ["Good Omens"]),
        ("good emma", []),
        ("gaiman omens", ["Good Omens"]),
        ("война", ["Война и мир"]),
        ("author:pratchett", ["Good Omens"]),
        ("author:a", ["Emma", "Good Omens"]),
        ("max:10.00", ["Emma"]),
        ("in:stock", ["Emma", "Война и мир"]),
    ],
)
def test_search(make_book, search, text, found):
    make_book(title="Emma", authors=("Jane Austen",), price_cents=1000)
    make_book(title="Good Omens", authors=("Terry Pratchett", "Neil Gaiman"), price_cents=1001, stock=0)
    make_book(title="Война и мир", authors=("Лев Толстой",), price_cents=2000)
    assert search(text) == found


@pytest.mark.parametrize("text", ['author:"%"', 'author:"_"', 'author:"\\"', "author:\"' OR '1'='1\"", "_"])
def test_special_characters_are_just_characters(make_book, search, text):
    make_book()
    assert search(text) == []


def test_pages_are_complete_and_do_not_overlap(make_book, search):
    for number in range(7):
        make_book(title=f"Volume {number}")
    pages = [search("volume", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({title for page in pages for title in page}) == 7


def test_an_isbn_is_added_once_however_many_try(store, make_book):
    """The database decides, so that two shop assistants cannot both be right."""
    book = NewBook(
        isbn="9780306406157", title="Emma", authors=("Jane Austen", "An Editor"), price_cents=1, stock=1
    )

    def add(_):
        try:
            with store.work() as work:
                work.books.add(book)
        except AlreadyExists:
            return 0
        return 1

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(add, range(8))) == 1


def test_a_refused_book_leaves_the_transaction_usable(store, make_book):
    book = make_book()
    with store.work() as work:
        with pytest.raises(AlreadyExists):
            work.books.add(NewBook(isbn=book.isbn, title="X", authors=("Y",), price_cents=1))
        work.books.change(book.id, stock=42)
    with store.work() as work:
        assert work.books.get(book.id).stock == 42


@pytest.mark.scenario("catalogue")
def test_the_shop_shows_what_is_in_the_tables(real_test_data, store):
    """Forty books with their authors, written past the shop."""
    names = {author["id"]: author["name"] for author in real_test_data["authors"]}
    places = sorted(real_test_data["book_authors"], key=lambda row: (row["book_id"], row["place"]))
    for row in real_test_data["books"]:
        with store.work() as work:
            book = work.books.get(row["id"])
        assert (book.isbn, book.title, book.stock) == (row["isbn"], row["title"], row["stock"])
        written_by = [names[place["author_id"]] for place in places if place["book_id"] == row["id"]]
        assert sorted(book.authors) == sorted(written_by)


@pytest.mark.parametrize("books", [2, 20])
def test_authors_cost_the_same_queries_however_many_there_are(store, make_book, statements, books):
    for number in range(books):
        make_book(title=f"Book {number}", authors=(f"Author {number}",))
    statements.clear()
    with store.work() as work:
        assert len(work.books.authors(limit=100, offset=0)) == books
    assert len(statements) <= 4


def test_the_fault_n_plus_one_is_what_it_says(engine, make_book, statements):
    for number in range(20):
        make_book(title=f"Book {number}", authors=(f"Author {number}",))
    statements.clear()
    with SqlStore(engine, frozenset({Fault.N_PLUS_ONE})).work() as work:
        work.books.authors(limit=100, offset=0)
    assert len(statements) > 20


def test_a_search_uses_the_index_of_words(engine, store):
    """Once there are many books, PostgreSQL finds a word without reading all of them."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO books (isbn, title, price_cents) SELECT 9780000000000 + n, 'title ' || n, 100"
            " FROM generate_series(1, 5000) n"
        )
        connection.exec_driver_sql("ANALYZE books")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT id FROM books"
            " WHERE to_tsvector('simple', title) @@ to_tsquery('simple', '''777'':*')"
        )
        assert "books_title_words" in "\n".join(row[0] for row in plan)


def test_a_server_that_is_away_is_unavailable_not_a_crash():
    engine = open_engine("postgresql+psycopg://nobody:nothing@127.0.0.1:9/none")
    store = SqlStore(engine)
    assert not store.alive()
    with pytest.raises(Unavailable), store.work() as work:
        work.books.get(1)
    engine.dispose()
