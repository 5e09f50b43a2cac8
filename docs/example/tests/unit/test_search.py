"""The search box understands what people type and refuses what it does not understand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookshop.domain.problems import InvalidValue
from bookshop.domain.search import MAX_WORDS, Search, parse_search

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("", Search()),
        ("War and Peace", Search(words=("war", "and", "peace"))),
        ("war WAR War", Search(words=("war",))),
        ('"war and" peace', Search(words=("war", "and", "peace"))),
        ("rock'n'roll", Search(words=("rock", "n", "roll"))),
        ("author:tolstoy", Search(author="tolstoy")),
        ('author:"Leo  Tolstoy" war', Search(author="leo tolstoy", words=("war",))),
        ("max:9,99 in:stock", Search(max_price=999, in_stock=True)),
        ("Émile", Search(words=("émile",))),
    ],
)
def test_what_is_typed_is_what_is_meant(text: str, search: Search) -> None:
    assert parse_search(text) == search


@pytest.mark.parametrize("text", ["in:shop", "colour:red", "max:cheap", " ".join("abcdefghi")])
def test_what_is_not_understood_is_said(text: str) -> None:
    with pytest.raises(InvalidValue, match="expected|not a price|at most"):
        parse_search(text)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (101, 0), (20, -1), (20, 1_000_001)])
def test_pages_that_cannot_be_are_refused(limit: int, offset: int) -> None:
    with pytest.raises(InvalidValue, match="limit"):
        parse_search("", limit=limit, offset=offset)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """Whatever comes in, words that reach the database are words and nothing else."""
    try:
        search = parse_search(text)
    except InvalidValue:
        return
    assert len(search.words) <= MAX_WORDS
    assert all(word.replace("_", "a").isalnum() for word in search.words)
