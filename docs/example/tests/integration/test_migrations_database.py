"""Migrations on PostgreSQL, and what the tables refuse whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import psycopg
import pytest
from psycopg import errors

from bookshop.domain.problems import InvalidValue
from bookshop.migrate import migrate, read_migrations

pytestmark = [pytest.mark.integration, pytest.mark.database, pytest.mark.real_db]


@pytest.fixture
def empty_url(isolated_db):
    """A schema without tables."""
    with psycopg.connect(isolated_db.url) as connection:
        connection.execute("CREATE SCHEMA empty")
    return f"{isolated_db.url}{'&' if '?' in isolated_db.url else '?'}options={quote('-csearch_path=empty')}"


def test_many_servers_starting_at_once_migrate_once(empty_url):
    with ThreadPoolExecutor(6) as threads:
        applied = list(threads.map(lambda _: migrate(empty_url), range(6)))
    assert sorted(map(len, applied)) == [0] * 5 + [len(read_migrations())]


def test_a_rewritten_migration_changes_nothing(empty_url):
    migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("UPDATE migrations SET checksum = %s WHERE number = 1", ["0" * 64])
    with pytest.raises(InvalidValue, match="001_catalogue.sql was changed"):
        migrate(empty_url)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE books SET stock = -1", errors.CheckViolation),
        ("UPDATE books SET price_cents = -1", errors.CheckViolation),
        ("UPDATE books SET isbn = '123'", errors.CheckViolation),
        ("UPDATE books SET title = ''", errors.CheckViolation),
        ("DELETE FROM authors", errors.ForeignKeyViolation),
        (
            "INSERT INTO books (isbn, title, price_cents) SELECT isbn, 'X', 1 FROM books",
            errors.UniqueViolation,
        ),
        ("INSERT INTO cart_lines SELECT 404, id, 1 FROM books", errors.ForeignKeyViolation),
    ],
)
def test_the_tables_refuse_what_cannot_be(isolated_db, make_book, statement, error):
    make_book()
    with psycopg.connect(isolated_db.url) as connection, pytest.raises(error):
        connection.execute(statement)
