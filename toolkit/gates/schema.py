"""The JSON schema of ``quality-gates-report.json`` (draft 2020-12), made from the types that are written."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from toolkit.gates.verdicts import Report

FILE = Path(__file__).with_name("quality-gates-report.schema.json")
"""The schema as it is shipped; a test keeps it equal to :func:`schema`."""


def schema() -> dict[str, Any]:
    """Return the schema. Every key is there in every report, and no other."""
    made = msgspec.json.schema(Report)
    for definition in made["$defs"].values():
        if definition.get("type") == "object":
            definition["required"] = list(definition["properties"])
            definition["additionalProperties"] = False
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "quality-gates-report.json",
        **made,
    }


def schema_text() -> str:
    """Return the schema as it is written to the file."""
    return json.dumps(schema(), indent=2) + "\n"
