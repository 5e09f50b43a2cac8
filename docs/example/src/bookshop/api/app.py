"""Makes the application out of its parts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import bookshop
from bookshop.api.parts import Parts
from bookshop.api.problems import add_problems
from bookshop.api.routes import router
from bookshop.faults import Fault


def create_app(parts: Parts, *, close: Callable[[], None] = lambda: None) -> FastAPI:
    """Make the application.

    Args:
        parts: what it works with.
        close: called when the server stops.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        close()

    app = FastAPI(title="Bookshop", version=bookshop.__version__, lifespan=lifespan)
    app.state.parts = parts
    app.include_router(router)
    add_problems(app)
    if Fault.LEAK in parts.faults:
        app.add_middleware(Hoarder)
    return app


class Hoarder:
    """The fault ``leak``: keeps 64 kB of every request for ever."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._kept.append(bytes(64 * 1024))
        await self._app(scope, receive, send)
