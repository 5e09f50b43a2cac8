"""What the routes are given: the parts of the shop, and who is asking."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bookshop.checkout import Clock
from bookshop.faults import Fault
from bookshop.ports import Cache, Customer, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that the API is made of."""

    store: Store
    cache: Cache
    clock: Clock
    admin_token: str = ""
    faults: frozenset[Fault] = frozenset()


class Unauthorised(Exception):
    """Nobody known is asking."""


class Forbidden(Exception):
    """Somebody known is asking for what is not theirs to do."""


def token_hash(token: str) -> str:
    """Return what is stored of a token. Tokens are 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def get_parts(request: Request) -> Parts:
    """Return the parts that :func:`bookshop.api.app.create_app` was given."""
    parts: Parts = request.app.state.parts
    return parts


Shop = Annotated[Parts, Depends(get_parts)]
_bearer = HTTPBearer(auto_error=False)
Token = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def get_customer(shop: Shop, token: Token) -> Customer:
    """Return who is asking."""
    if token is None:
        raise Unauthorised
    with shop.store.work() as work:
        customer = work.customers.by_token(token_hash(token.credentials))
    if customer is None:
        raise Unauthorised
    return customer


def require_admin(shop: Shop, token: Token) -> None:
    """Let only the shop's own people pass."""
    if token is None:
        raise Unauthorised
    known = shop.admin_token.encode()
    if not known or not secrets.compare_digest(token.credentials.encode(), known):
        raise Forbidden


Asking = Annotated[Customer, Depends(get_customer)]
"""A route with this parameter is for customers."""
