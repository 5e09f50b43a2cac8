"""Applies the SQL files of ``migrations/`` in order, each once, however many processes try at once."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql

from bookshop.domain.problems import InvalidValue

LOCK = 0x626F6F6B  # "book": whoever holds this advisory lock is migrating

_NAME = re.compile(r"(?P<number>\d{3})_\w+\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: its number, name and text."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text: an applied file must not change any more."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations() -> list[Migration]:
    """Return the migrations of this package, in order."""
    files = resources.files("bookshop").joinpath("migrations").iterdir()
    return in_order((file.name, file.read_text(encoding="utf-8")) for file in files)


def in_order(files: Iterable[tuple[str, str]]) -> list[Migration]:
    """Sort files by their number; what is not named like ``001_name.sql`` is no migration.

    Raises:
        InvalidValue: a number is missing or used twice.
    """
    found = [
        Migration(number=int(match["number"]), name=name, text=text)
        for name, text in files
        if (match := _NAME.fullmatch(name))
    ]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise InvalidValue(f"migrations: expected 001, 002 …, found {', '.join(m.name for m in found)}")
    return found


def migrate(url: str) -> list[str]:
    """Bring a database up to date in one transaction and return the names of the files applied.

    Args:
        url: a PostgreSQL URL as libpq understands it.

    Raises:
        InvalidValue: an applied file was changed afterwards; nothing was done.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, checksum char(64) NOT NULL)"
        )
        applied: dict[int, str] = dict(
            connection.execute("SELECT number, checksum FROM migrations").fetchall()
        )
        waiting = pending(read_migrations(), applied)
        for migration in waiting:
            connection.execute(sql.SQL(migration.text))
            connection.execute(
                "INSERT INTO migrations VALUES (%s, %s)", [migration.number, migration.checksum]
            )
    return [migration.name for migration in waiting]


def pending(migrations: Iterable[Migration], applied: dict[int, str]) -> list[Migration]:
    """Tell which migrations are still to be applied.

    Raises:
        InvalidValue: one that was applied has another text now.
    """
    waiting = []
    for migration in migrations:
        known = applied.get(migration.number)
        if known is None:
            waiting.append(migration)
        elif known != migration.checksum:
            raise InvalidValue(f"{migration.name} was changed after it had been applied: write a new one")
    return waiting
