"""Unsafe answers of a real application are found, safe ones are not; access is checked route by route."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from toolkit.errors import UsageError
from toolkit.security.access import Route, assert_access, assert_closed, routes_of
from toolkit.security.answers import LEAKS, assert_safe
from toolkit.security.payloads import PAYLOADS, payloads, short

Expected = dict[str, dict[str, int | tuple[int, ...]]]
PASSWD = "root:x:0:0:root:/root:/bin/bash"
MESSAGE = 'psycopg.errors.SyntaxError: syntax error at or near "OR"'


class Client:
    """Asks the application in this process."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.request(method, url, **options)

        return asyncio.run(ask())

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)


@pytest.fixture(scope="module")
def client() -> Client:
    """An application with one hole of each kind, and safe doors beside them."""
    app = FastAPI()

    @app.get("/safe")
    def safe(q: str = "") -> dict[str, str]:
        return {"echo": q}

    @app.get("/page", response_class=HTMLResponse)
    def page(q: str) -> str:
        return f"<p>{q}</p>"

    @app.get("/computed", response_class=PlainTextResponse)
    def computed(q: str) -> str:
        return "9359" if "7*1337" in q else "no"

    @app.get("/file", response_class=PlainTextResponse)
    def file() -> str:
        return PASSWD

    @app.get("/error")
    def error() -> PlainTextResponse:
        return PlainTextResponse(MESSAGE, 500, headers={"X-Powered-By": "FastAPI"})

    @app.get("/orders/{number}")
    def order(number: int, request: Request) -> int:
        authorization = request.headers.get("authorization", "")
        if authorization != "Bearer customer":
            raise HTTPException(403 if authorization else 401)
        return number

    @app.post("/orders/{number}")
    def change(number: int, request: Request) -> int:
        return number

    return Client(app)


def problems(response: Any, payload: str = "", **options: Any) -> str:
    with pytest.raises(AssertionError, match="not a safe answer") as caught:
        assert_safe(response, payload, **options)
    return str(caught.value)


@pytest.mark.parametrize("payload", payloads("sql", "xss", "template", "path"), ids=short)
def test_an_echo_as_json_is_safe(client: Client, payload: str) -> None:
    assert_safe(client.get("/safe", params={"q": payload}), payload)


def test_each_hole_is_found_and_named(client: Client) -> None:
    told = problems(client.get("/error"))
    assert "status 500: the server failed" in told
    assert "it shows an error of the database: 'psycopg.'" in told
    assert "x-powered-by" in told
    assert "a file of the system: 'root:x:0:0:'" in problems(client.get("/file"))
    markup = "<script>alert(1)</script>"
    assert "comes back as markup" in problems(client.get("/page", params={"q": markup}), markup)
    assert "was computed" in problems(client.get("/computed", params={"q": "{{7*1337}}"}), "{{7*1337}}")
    assert "it shows a secret: s3cr" in problems(client.get("/safe?q=s3cret"), secrets=["s3cret"])
    assert "status 200, expected 400 or 404" in problems(client.get("/safe"), status={404, 400})


def test_a_wait_and_a_header_that_were_injected_are_found() -> None:
    slow = SimpleNamespace(status_code=200, content=b"", headers={}, elapsed=dt.timedelta(seconds=2.5))
    assert "answered after 2.5 s" in problems(slow)
    assert_safe(slow, within=None)
    taken = SimpleNamespace(status_code=200, content=b"", headers={"Set-Cookie": "taken=1"})
    assert "became a header" in problems(taken, "x\r\nSet-Cookie: taken=1")
    assert "…" in problems(SimpleNamespace(status_code=500, content=b"x" * 2000, headers={}))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('Traceback (most recent call last):\n  File "/app/x.py", line 3', "a traceback of Python"),
        ("at com.shop.Order.find(Order.java:42)", "a stack trace"),
        ("ORA-00933: SQL command not properly ended", "an error of the database"),
        ("failed: SELECT id, name FROM customers", "SQL"),
        ("/usr/lib/python3/site-packages/x", "a path of the program"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("postgresql://shop:word@db/shop", "a URL with a password"),
        ("Werkzeug Debugger", "the page of a debugger"),
        (PASSWD, "a file of the system"),
    ],
)
def test_every_kind_of_leak_is_known(text: str, what: str) -> None:
    answer = SimpleNamespace(status_code=200, content=text.encode(), headers={})
    assert f"it shows {what}" in problems(answer)
    assert what in LEAKS


@hypothesis_settings(max_examples=50)
@given(
    some.dictionaries(
        some.from_regex(r"[a-z]{1,8}", fullmatch=True), some.integers() | some.text("abc ,.", max_size=20)
    )
)
def test_plain_data_is_no_leak(data: Mapping[str, object]) -> None:
    """Books, names and numbers are not taken for internals."""
    assert_safe(httpx.Response(200, json=data))


def test_payloads_are_by_class_with_a_source() -> None:
    assert set(payloads("sql")) < set(payloads())
    assert all(each.source and len(set(each.texts)) == len(each.texts) for each in PAYLOADS.values())
    with pytest.raises(UsageError, match="sql"):
        payloads("sqll")
    names = [short(text) for text in payloads()]
    assert all(name.isprintable() and name and len(name) <= 26 for name in names)


def test_access_is_checked_for_every_identity(client: Client) -> None:
    identities = {
        "anonymous": {},
        "customer": {"Authorization": "Bearer customer"},
        "other": {"Authorization": "x"},
    }
    good: Expected = {
        "GET /orders/1": {"anonymous": 401, "customer": 200, "other": (401, 403)},
        "POST /orders/1": {"other": 200},
    }
    assert_access(client, identities, good, json={})
    bad: Expected = {"GET /orders/1": {"anonymous": 200, "customer": 404}}
    with pytest.raises(AssertionError) as caught:
        assert_access(client, identities, bad)
    assert str(caught.value) == (
        "2 answers are otherwise:\n"
        "  GET /orders/1 as anonymous: 401, expected 200\n"
        "  GET /orders/1 as customer: 200, expected 404"
    )
    with pytest.raises(ValueError, match="'nobody' is none of anonymous"):
        assert_access(client, identities, {"GET /": {"nobody": 200}})


def test_a_route_that_nobody_closed_is_found(client: Client) -> None:
    """Those that are public are named; a name that is no route is a mistake, too."""
    document = client.app.openapi()
    public = ["GET /safe", "GET /page", "GET /computed", "GET /file", "GET /error"]
    with pytest.raises(AssertionError) as caught:
        assert_closed(client, document, public=[*public, "GET /gone"], values={"number": 7})
    assert str(caught.value) == (
        "open although not public:\n  GET /gone: is public, but no route\n"
        "  POST /orders/{number}: 200, expected 401 or 403"
    )
    assert_closed(client, document, public=[*public, "POST /orders/{number}"])
    assert Route("get", "/orders/7") in set(routes_of(document, {"number": 7}))
    assert str(Route("get", "/x")) == "GET /x"
