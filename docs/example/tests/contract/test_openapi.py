"""The interface does not change by accident: what clients see is compared with a file that is under review.

To change it on purpose: ``BOOKSHOP_UPDATE_CONTRACTS=1 nox -s contract``, and look at the difference.
"""

import json
import os
from pathlib import Path

import pytest

from bookshop.api.app import create_app
from bookshop.api.parts import Parts

pytestmark = pytest.mark.contract

SNAPSHOT = Path(__file__).with_name("openapi.json")


def described(schema):
    """Reduce a schema to what clients depend on: names, types, what is required, limits."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(sorted(str(described(option)) for option in schema["anyOf"]))
    if schema.get("type") == "array":
        return [described(schema.get("items", {}))]
    kept = ("type", "format", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern")
    return {name: schema[name] for name in kept if name in schema}


def bodies(content):
    return {kind: described(media["schema"]) for kind, media in sorted(content.items()) if "schema" in media}


def interface(document):
    """Reduce an OpenAPI document to what does not depend on the version of the framework."""
    operations = {
        f"{method.upper()} {path}": {
            "parameters": {
                each["name"]: {
                    "in": each["in"],
                    "required": each["required"],
                    **described_dict(each["schema"]),
                }
                for each in operation.get("parameters", [])
            },
            "request": bodies(operation.get("requestBody", {}).get("content", {})),
            "responses": {
                code: bodies(response.get("content", {}))
                for code, response in sorted(operation["responses"].items())
            },
            "secured": bool(operation.get("security")),
        }
        for path, item in sorted(document["paths"].items())
        for method, operation in sorted(item.items())
    }
    schemas = {
        name: {
            "required": sorted(schema.get("required", [])),
            "fields": {field: described(inner) for field, inner in schema.get("properties", {}).items()},
            **({"enum": schema["enum"]} if "enum" in schema else {}),
        }
        for name, schema in sorted(document["components"]["schemas"].items())
        if not name.startswith(("HTTPValidation", "ValidationError"))  # the framework's own
    }
    return {"operations": operations, "schemas": schemas}


def described_dict(schema):
    found = described(schema)
    return found if isinstance(found, dict) else {"type": found}


def test_the_interface_is_the_one_that_was_agreed():
    app = create_app(Parts(store=None, cache=None, clock=None))
    now = json.loads(json.dumps(interface(app.openapi())))
    if os.environ.get("BOOKSHOP_UPDATE_CONTRACTS"):
        SNAPSHOT.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert now == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_running_shop_serves_this_interface(real_api_client):
    served = json.loads(json.dumps(interface(real_api_client.get("/openapi.json").json())))
    assert served == json.loads(SNAPSHOT.read_text(encoding="utf-8"))
