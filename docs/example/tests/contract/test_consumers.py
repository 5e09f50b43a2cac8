"""What the shop's consumers rely on, asked of the running shop. They write the files in ``consumers/``."""

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.contract, pytest.mark.real_api]

TYPES = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "object": dict,
    "string": str,
}
EXPECTATIONS = [
    pytest.param(expected, id=f"{file.stem}-{expected['request']['method']}-{expected['request']['path']}")
    for file in sorted(Path(__file__).with_name("consumers").glob("*.json"))
    for expected in json.loads(file.read_text(encoding="utf-8"))["expects"]
]


def values_at(document, path):
    """Return the values at ``quote.total`` or ``books[].id``; a missing one is an error."""
    values = [document]
    for part in path.split("."):
        name, many, _ = part.partition("[]")
        values = [value[name] for value in values]
        if many:
            values = [item for value in values for item in value]
    return values


@pytest.mark.parametrize("expected", EXPECTATIONS)
def test_the_shop_does_what_its_consumers_expect(real_api_client, live_admin, register, shelve, expected):
    shelve()  # so that lists are not empty
    request, response = expected["request"], expected["response"]
    who = {"customer": register, "owner": lambda: live_admin}.get(request.get("as"), dict)()
    answer = real_api_client.request(
        request["method"],
        request["path"],
        params=request.get("query"),
        json=request.get("body"),
        headers=who,
    )
    assert answer.status_code == response["status"], answer.text
    for path, kind in response["fields"].items():
        values = values_at(answer.json(), path)
        assert values or not path.endswith("[]")
        assert all(type(value) is TYPES[kind] for value in values), f"{path}: expected {kind}, got {values}"
