"""An answer of an API against what was promised: status, headers, and a schema or the API's own document.

Works with the responses of httpx, Starlette's and FastAPI's test client, requests, Django and Flask.
"""

import re
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from toolkit.errors import MissingExtra

CUT = 1000
"""Characters of a body that a message shows."""
SHOWN = 10


def assert_response(
    response: Any,
    *,
    status: int | Collection[int] = 200,
    schema: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Claim the status of a response, headers, and that its JSON body fits a schema; return the body.

    Args:
        response: of any of the usual clients.
        status: the code, or those of which one is right.
        schema: a JSON Schema (a dict), a Pydantic model, or any type that msgspec can decode; None: anything,
            JSON or not.
        headers: name → value that must be there; an empty value: any.

    Returns:
        The decoded body; with a model or type, an instance of it; a body that is not JSON as text.

    Raises:
        AssertionError: every mismatch with its place in the body, and what was received.
        MissingExtra: a JSON Schema needs the package jsonschema.
    """
    __tracebackhide__ = True
    body = body_of(response)
    problems = [*_status_problems(response, status), *_header_problems(response, headers or {})]
    value: Any = None
    if schema is None:
        value = _json_or_text(body)
    elif not problems:
        value, mismatches = _fitted(body, schema)
        problems += mismatches
    if problems:
        raise AssertionError(_told(response, body, problems))
    return value


def assert_documented(response: Any, document: Mapping[str, Any]) -> Any:
    """Claim that a response is one that the API's OpenAPI document (3.1) promises; return the decoded body.

    Args:
        response: made by httpx, Starlette's test client or requests: it must know its request.
        document: the document, as served at ``/openapi.json``.

    Raises:
        AssertionError: path, method, status or media type are not documented, or the body does not fit.
    """
    __tracebackhide__ = True
    body = body_of(response)
    place, problem = _documented_place(response, document)
    if problem:
        raise AssertionError(_told(response, body, [problem]))
    if not place:
        return _json_or_text(body)
    value, mismatches = _decoded(body)
    mismatches = mismatches or list(_schema_problems(value, {"$ref": f"openapi:#{place}"}, document))
    if mismatches:
        raise AssertionError(_told(response, body, mismatches))
    return value


def body_of(response: Any) -> bytes:
    """Return the bytes of a response's body, whichever library made it."""
    for name in ("content", "data", "body"):
        value = getattr(response, name, None)
        if isinstance(value, bytes):
            return value
    raise TypeError(f"{response!r}: expected a response with a body in `content`, `data` or `body`")


def _status_problems(response: Any, status: int | Collection[int]) -> list[str]:
    allowed = [status] if isinstance(status, int) else list(status)
    if response.status_code in allowed:
        return []
    wanted = " or ".join(map(str, allowed))
    return [f"expected status {wanted}, received {response.status_code}"]


def _header_problems(response: Any, headers: Mapping[str, str]) -> Iterator[str]:
    for name, wanted in headers.items():
        found = response.headers.get(name)
        if found is None:
            yield f"header {name}: missing"
        elif wanted and found != wanted:
            yield f"header {name}: expected {wanted!r}, received {found!r}"


def _json_or_text(body: bytes) -> Any:
    value, problems = _decoded(body)
    return body.decode(errors="replace") if problems else value


def _decoded(body: bytes) -> tuple[Any, list[str]]:
    try:
        return msgspec.json.decode(body), []
    except msgspec.DecodeError as error:
        return None, [f"the body is not JSON: {error}"]


def _fitted(body: bytes, schema: Any) -> tuple[Any, list[str]]:
    """Return the value of a body under a schema, and what does not fit."""
    if isinstance(schema, Mapping):
        value, problems = _decoded(body)
        return value, problems or list(_schema_problems(value, schema, {}))
    if hasattr(schema, "model_validate_json"):
        return _by_pydantic(body, schema)
    try:
        return msgspec.json.decode(body, type=schema), []
    except msgspec.DecodeError as error:  # ValidationError is one
        return None, [str(error)]


def _by_pydantic(body: bytes, model: Any) -> tuple[Any, list[str]]:
    from pydantic import ValidationError

    try:
        return model.model_validate_json(body), []
    except ValidationError as error:
        return None, [
            f"${''.join(f'[{part!r}]' for part in each['loc'])}: {each['msg']}, received {each['input']!r}"[
                :CUT
            ]
            for each in error.errors()[:SHOWN]
        ]


def _schema_problems(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not fit a JSON Schema (draft 2020-12), deepest place first told."""
    try:
        import jsonschema
        import referencing
        import referencing.jsonschema as known
    except ImportError as error:
        raise MissingExtra("a JSON Schema", extra="http", package="jsonschema") from error
    resource = referencing.Resource.from_contents(dict(document), default_specification=known.DRAFT202012)
    registry: Any = referencing.Registry().with_resource("openapi:", resource)
    kind: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    validator = kind(schema, registry=registry, format_checker=kind.FORMAT_CHECKER)
    for number, mismatch in enumerate(validator.iter_errors(value)):
        if number == SHOWN:
            yield "… more"
            return
        yield f"{mismatch.json_path}: {mismatch.message}"[:CUT]


def _documented_place(response: Any, document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the JSON pointer of the schema that a response must fit (or none), or what is undocumented."""
    path = urllib.parse.urlsplit(str(response.request.url)).path
    method = str(response.request.method).lower()
    template = _template(path, document.get("paths") or {})
    if template is None:
        return "", f"the document has no path {path}"
    operation = document["paths"][template].get(method)
    if operation is None:
        return "", f"the document has no {method.upper()} of {template}"
    pointer = f"/paths/{_escaped(template)}/{method}/responses"
    return _schema_place(response, operation.get("responses") or {}, pointer, template)


def _template(path: str, paths: Mapping[str, Any]) -> str | None:
    if path in paths:  # concrete paths come before templates: OpenAPI 3.1, Paths Object
        return path
    for template in paths:
        pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            return template
    return None


def _schema_place(
    response: Any, responses: Mapping[str, Any], pointer: str, template: str
) -> tuple[str, str]:
    code = str(response.status_code)
    for key in (code, f"{code[0]}XX", "default"):
        if key in responses:
            break
    else:
        return "", f"{template}: status {code} is not documented, only {', '.join(responses)}"
    content = responses[key].get("content") or {}
    media = str(response.headers.get("content-type", "")).partition(";")[0].strip()
    if not content:
        return "", ""
    if media not in content:
        return "", f"{template}: {media or 'no media type'} is not documented, only {', '.join(content)}"
    if "schema" not in content[media] or not (media == "application/json" or media.endswith("+json")):
        return "", ""
    return f"{pointer}/{key}/content/{_escaped(media)}/schema", ""


def _escaped(part: str) -> str:
    """Escape one part of a JSON pointer in a fragment (RFC 6901, sections 3 and 6)."""
    return urllib.parse.quote(part.replace("~", "~0").replace("/", "~1"), safe="~")


def _told(response: Any, body: bytes, problems: list[str]) -> str:
    lines = [_heading(response), *(f"  {line}" for line in problems)]
    text = body.decode(errors="replace")
    shown = text if len(text) <= CUT else f"{text[:CUT]}… ({len(text)} characters)"
    return "\n".join([*lines, f"  received: {response.status_code} {shown or '(no body)'}"])


def _heading(response: Any) -> str:
    request = getattr(response, "request", None)
    method, url = getattr(request, "method", None), getattr(request, "url", None)
    return f"{method} {url}:" if method and url else "the response:"
