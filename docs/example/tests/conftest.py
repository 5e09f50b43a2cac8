"""What all profiles share: people and books of the running shop. Servers come from the toolkit's fixtures."""

import os
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from bookshop.domain.isbn import check_digit_13

_NUMBERS = count(uuid4().int % 10**8)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run the async tests on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def live_admin() -> dict[str, str]:
    """Headers of the shop's owner: BOOKSHOP_ADMIN_TOKEN, as the server was given it."""
    return {"Authorization": f"Bearer {os.environ.get('BOOKSHOP_ADMIN_TOKEN', 'owner')}"}


@pytest.fixture
def shelve(real_api_client, live_admin) -> Callable[..., dict[str, Any]]:
    """Put a book on the shelf of the running shop."""

    def make(**fields: object) -> dict[str, Any]:
        first = f"979{(next(_NUMBERS) * 7919) % 10**9:09}"
        body = {
            "isbn": first + check_digit_13(first),
            "title": f"Emma {uuid4().hex}",
            "authors": ["A. Nobody"],
        }
        answer = real_api_client.post(
            "/books", json={**body, "price_cents": 1000, "stock": 5, **fields}, headers=live_admin
        )
        assert answer.status_code == 201, answer.text
        book: dict[str, Any] = answer.json()
        return book

    return make


@pytest.fixture
def register(real_api_client) -> Callable[[], dict[str, str]]:
    """Register somebody new and return the headers that say who it is."""

    def make() -> dict[str, str]:
        body = {"email": f"{uuid4().hex}@example.com", "name": "Reader"}
        answer = real_api_client.post("/customers", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    return make
