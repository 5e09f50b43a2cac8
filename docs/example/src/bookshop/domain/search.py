"""What a customer types into the search box."""

import re
from dataclasses import dataclass

from bookshop.domain.money import parse_price
from bookshop.domain.problems import InvalidValue

MAX_WORDS = 8
MAX_PAGE = 100

_PART = re.compile(r'(?:(?P<key>\w+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>\S+))')
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A parsed search: all conditions must hold."""

    words: tuple[str, ...] = ()
    """Each must begin a word of the title or of an author's name."""
    author: str = ""
    """Part of an author's name."""
    max_price: int | None = None
    """In cents."""
    in_stock: bool = False
    limit: int = 20
    offset: int = 0


def parse_search(text: str, *, limit: int = 20, offset: int = 0) -> Search:
    """Understand a search text.

    >>> parse_search('dune author:"frank herbert" max:9.99 in:stock').author
    'frank herbert'

    Args:
        text: words, ``author:NAME``, ``max:PRICE``, ``in:stock``, in any order.
        limit: books per page, 1 to :data:`MAX_PAGE`.
        offset: books to leave out first.

    Raises:
        InvalidValue: an unknown ``key:``, a wrong price, too many words, a page that cannot be.
    """
    if not 1 <= limit <= MAX_PAGE or not 0 <= offset <= 1_000_000:
        raise InvalidValue(f"limit {limit}, offset {offset}: expected 1 to {MAX_PAGE}, and 0 to 1000000")
    words: list[str] = []
    author, max_price, in_stock = "", None, False
    for part in _PART.finditer(text):
        value = part["phrase"] if part["phrase"] is not None else part["word"]
        match part["key"]:
            case None:
                words.extend(_WORD.findall(value.lower()))
            case "author":
                author = " ".join(value.lower().split())
            case "max":
                max_price = parse_price(value)
            case "in" if value == "stock":
                in_stock = True
            case key:
                raise InvalidValue(f"{key}:{value}: expected author:NAME, max:PRICE or in:stock")
    unique = tuple(dict.fromkeys(words))
    if len(unique) > MAX_WORDS:
        raise InvalidValue(f"{len(unique)} words: at most {MAX_WORDS}")
    return Search(
        words=unique, author=author, max_price=max_price, in_stock=in_stock, limit=limit, offset=offset
    )
