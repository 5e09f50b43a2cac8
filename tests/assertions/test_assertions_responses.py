"""Answers against schemas and the API's own document: every mismatch with its place."""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pydantic
import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse

from toolkit.assertions.responses import assert_documented, assert_response, body_of
from toolkit.errors import MissingExtra

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "integer"}, "items": {"type": "array", "items": {"type": "string"}}},
}


class Order(msgspec.Struct):
    id: int
    items: list[str] = []


class OrderModel(pydantic.BaseModel):
    id: int
    items: list[str] = []


def answer(body: str, status: int = 200, **headers: str) -> httpx.Response:
    request = httpx.Request("GET", "http://shop/orders/1")
    return httpx.Response(status, text=body, request=request, headers=headers)


def test_a_fitting_answer_is_returned_decoded() -> None:
    """A schema gives plain values, a type or model an instance."""
    good = answer('{"id": 1, "items": ["a"]}')
    assert assert_response(good, schema=SCHEMA) == {"id": 1, "items": ["a"]}
    assert assert_response(good, schema=Order) == Order(1, ["a"])
    assert assert_response(good, schema=OrderModel) == OrderModel(id=1, items=["a"])
    assert assert_response(answer("plain"), status=range(200, 300)) == "plain"
    assert assert_response(answer("[1]"), headers={"content-type": ""}) == [1]


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (SCHEMA, r"\$\.items\[0\]: 7 is not"),
        (Order, r"Expected `str`.*\$\.items\[0\]"),
        (OrderModel, r"\$\['items'\]\[0\]: Input"),
    ],
)
def test_each_mismatch_has_its_place(schema: Any, place: str) -> None:
    with pytest.raises(AssertionError, match=place) as caught:
        assert_response(answer('{"id": 1, "items": [7]}'), schema=schema)
    assert str(caught.value).startswith("GET http://shop/orders/1:\n")
    assert str(caught.value).endswith('received: 200 {"id": 1, "items": [7]}')


def test_status_and_headers_are_told_together() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_response(
            answer("", 500, etag="b"), status=[200, 201], headers={"etag": "a", "x-id": ""}, schema=SCHEMA
        )
    text = str(caught.value)
    assert "expected status 200 or 201, received 500" in text
    assert "header etag: expected 'a', received 'b'" in text
    assert "header x-id: missing" in text
    assert "(no body)" in text


def test_a_body_that_is_no_json_and_a_long_one() -> None:
    with pytest.raises(AssertionError, match="the body is not JSON") as caught:
        assert_response(answer("<html>" * 1000), schema=SCHEMA)
    assert "(6000 characters)" in str(caught.value)
    with pytest.raises(AssertionError, match="… more"):
        assert_response(answer(msgspec.json.encode([1] * 50).decode()), schema={"items": {"type": "string"}})
    with pytest.raises(AssertionError, match="the response:"):
        assert_response(SimpleNamespace(status_code=404, data=b"", headers={}))


def test_formats_are_checked() -> None:
    schema = {"type": "string", "format": "ipv4"}
    assert assert_response(answer('"127.0.0.1"'), schema=schema) == "127.0.0.1"
    with pytest.raises(AssertionError, match="not a 'ipv4'"):
        assert_response(answer('"nowhere"'), schema=schema)


def test_other_things_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="expected a response"):
        body_of("text")
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingExtra, match="jsonschema"):
        assert_response(answer("1"), schema={})


class Lie(JSONResponse):
    def render(self, content: Any) -> bytes:
        return b'{"id": "seven"}'


class Client:
    """Asks the application in this process."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def get(self, path: str, method: str = "GET") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.request(method, path)

        return asyncio.run(ask())


@pytest.fixture
def client() -> Client:
    """An API whose document is true in some places and not in others."""
    app = FastAPI()

    @app.get("/orders/{number}", responses={404: {"description": "none"}})
    def order(number: int) -> OrderModel:
        return OrderModel(id=number)

    @app.get("/latest/lie", response_class=Lie)
    def lie() -> Any:
        return {}

    @app.get("/undocumented", include_in_schema=False)
    def undocumented() -> int:
        return 1

    return Client(app)


def test_an_answer_is_what_the_document_says(client: Client) -> None:
    """Templates of paths, references to components, declared errors."""
    document = client.app.openapi()
    assert assert_documented(client.get("/orders/7"), document) == {"id": 7, "items": []}
    assert assert_documented(client.get("/orders/x"), document)["detail"]
    del document["paths"]["/orders/{number}"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    assert assert_documented(client.get("/orders/7"), document)["id"] == 7
    document["paths"]["/orders/{number}"]["get"]["responses"] = {"2XX": {}}
    assert assert_documented(client.get("/orders/7"), document)["id"] == 7


def test_what_the_document_does_not_say_is_told(client: Client) -> None:
    document = client.app.openapi()
    with pytest.raises(AssertionError, match="no path /undocumented"):
        assert_documented(client.get("/undocumented"), document)
    with pytest.raises(AssertionError, match=r"no DELETE of /orders/\{number\}"):
        assert_documented(client.get("/orders/7", "DELETE"), document)
    responses = document["paths"]["/orders/{number}"]["get"]["responses"]
    del responses["200"]
    with pytest.raises(AssertionError, match="status 200 is not documented, only"):
        assert_documented(client.get("/orders/7"), document)
    responses["default"] = {"content": {"text/html": {}}}
    with pytest.raises(AssertionError, match="application/json is not documented, only text/html"):
        assert_documented(client.get("/orders/7"), document)


def test_a_body_that_breaks_the_document_is_told(client: Client) -> None:
    document = client.app.openapi()
    paths = document["paths"]["/orders/{number}"]["get"]["responses"]["200"]["content"]["application/json"]
    paths["schema"] = {"$ref": "#/components/schemas/Other"}
    document["components"]["schemas"]["Other"] = {"required": ["total"]}
    with pytest.raises(AssertionError, match="'total' is a required property"):
        assert_documented(client.get("/orders/7"), document)
    responses = document["paths"]["/latest/lie"]["get"]["responses"]
    responses["200"]["content"] = {
        "application/json": {"schema": {"$ref": "#/components/schemas/OrderModel"}}
    }
    with pytest.raises(AssertionError, match=r"\$\.id: 'seven' is not of type 'integer'"):
        assert_documented(client.get("/latest/lie"), document)
