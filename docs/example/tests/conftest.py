"""What all profiles share: one clear word when a server is missing, and the running shop by its URL."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bookshop.domain.isbn import check_digit_13

_NUMBERS = count(uuid4().int % 10**8)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run the async tests on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def required() -> Callable[..., str]:
    """Return the first of some environment variables that is set; a missing server is an error, no skip."""

    def required(*names: str) -> str:
        for name in names:
            if value := os.environ.get(name):
                return value
        wanted = " or ".join(names)
        pytest.fail(
            f"{wanted} is not set. Either run this through Nox, which starts the server (for example"
            f" `nox -s integration`), or set {wanted} to one that may be used for tests.",
            pytrace=False,
        )

    return required


@pytest.fixture(scope="session")
def live_api(required) -> Iterator[httpx.Client]:
    """The shop at API_URL."""
    with httpx.Client(base_url=required("API_URL"), timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def live_admin() -> dict[str, str]:
    """Headers of the shop's owner: BOOKSHOP_ADMIN_TOKEN, as the server was given it."""
    return {"Authorization": f"Bearer {os.environ.get('BOOKSHOP_ADMIN_TOKEN', 'owner')}"}


@pytest.fixture
def shelve(live_api, live_admin) -> Callable[..., dict[str, Any]]:
    """Put a book on the shelf of the running shop."""

    def make(**fields: object) -> dict[str, Any]:
        first = f"979{(next(_NUMBERS) * 7919) % 10**9:09}"
        body = {
            "isbn": first + check_digit_13(first),
            "title": f"Emma {uuid4().hex}",
            "authors": ["A. Nobody"],
        }
        answer = live_api.post(
            "/books", json={**body, "price_cents": 1000, "stock": 5, **fields}, headers=live_admin
        )
        assert answer.status_code == 201, answer.text
        book: dict[str, Any] = answer.json()
        return book

    return make


@pytest.fixture
def register(live_api) -> Callable[[], dict[str, str]]:
    """Register somebody new and return the headers that say who it is."""

    def make() -> dict[str, str]:
        body = {"email": f"{uuid4().hex}@example.com", "name": "Reader"}
        answer = live_api.post("/customers", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    return make
