"""Every problem as ``application/problem+json`` (RFC 9457), without internals."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bookshop.api.parts import Forbidden, Unauthorised
from bookshop.api.schemas import Problem
from bookshop.domain.problems import (
    AlreadyExists,
    InvalidValue,
    KeyReused,
    NotFound,
    Refused,
    ShopProblem,
)
from bookshop.ports import Unavailable

LOG = logging.getLogger(__name__)

STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    AlreadyExists: 409,
    KeyReused: 422,
    InvalidValue: 422,
    Refused: 409,
    Unauthorised: 401,
    Forbidden: 403,
    Unavailable: 503,
}
"""The first class that fits decides."""

HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
TITLES = {Unauthorised: "who are you?", Forbidden: "not yours to do"}


def add_problems(app: FastAPI) -> None:
    """Register the handlers."""
    for kind in (ShopProblem, Unauthorised, Forbidden, Unavailable):
        app.add_exception_handler(kind, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """Make a problem response."""
    name = "-".join(title.lower().replace("?", "").split())
    body = Problem(type=f"urn:bookshop:{name}", title=title, status=status, detail=detail)
    return JSONResponse(
        body.model_dump(),
        status_code=status,
        headers=HEADERS.get(status),
        media_type="application/problem+json",
    )


def status_of(error: Exception) -> int:
    """Tell the status code of an expected error."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def _expected(request: Request, error: Exception) -> JSONResponse:
    del request
    title = TITLES.get(type(error), _words(type(error).__name__))
    return problem(status_of(error), title, str(error))


def _invalid(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, RequestValidationError)
    places = (".".join(map(str, item["loc"])) + ": " + item["msg"] for item in error.errors())
    return problem(422, "invalid value", "; ".join(places))


def _http(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail).lower(), "")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "internal error", "the shop made a mistake; it was written down")


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
