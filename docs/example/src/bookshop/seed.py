"""Books for a catalogue to try things on: always the same ones."""

import random

from bookshop.domain.books import NewBook
from bookshop.domain.isbn import check_digit_13
from bookshop.domain.problems import AlreadyExists
from bookshop.ports import Store

FIRST = ("Ada", "Bela", "Chinua", "Doris", "Elena", "Fernando", "Gabriela", "Halldor", "Ismail", "Jorge")
LAST = (
    "Achebe",
    "Borges",
    "Lessing",
    "Ferrante",
    "Pessoa",
    "Mistral",
    "Laxness",
    "Kadare",
    "Amado",
    "Tokarczuk",
)
WORDS = ("River", "Winter", "Garden", "Silence", "Clock", "Island", "Letter", "Mirror", "Harbour", "Orchard")


def generate_books(count: int, seed: int = 1) -> list[NewBook]:
    """Make books; the same seed makes the same ones.

    >>> generate_books(3) == generate_books(3)
    True
    """
    chance = random.Random(seed)
    return [_book(number, chance) for number in range(count)]


def seed(store: Store, *, books: int) -> int:
    """Add generated books that are not there yet and return how many were added."""
    added = 0
    for book in generate_books(books):
        try:
            with store.work() as work:
                work.books.add(book)
        except AlreadyExists:
            continue
        added += 1
    return added


def _book(number: int, chance: random.Random) -> NewBook:
    first = f"978{number:09}"
    authors = {f"{chance.choice(FIRST)} {chance.choice(LAST)}" for _ in range(chance.choice((1, 1, 1, 2)))}
    return NewBook(
        isbn=first + check_digit_13(first),
        title=f"The {chance.choice(WORDS)} and the {chance.choice(WORDS)}, Volume {number + 1}",
        authors=tuple(sorted(authors)),
        price_cents=chance.randrange(5_00, 45_00),
        stock=chance.randrange(200),
    )
