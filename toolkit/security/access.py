"""Who may do what: every route with every identity, and that nothing is open that should not be."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

METHODS = ("get", "put", "post", "delete", "patch")
REFUSED = (401, 403)
Statuses = int | Collection[int]


class Route(msgspec.Struct, frozen=True):
    """One method of one path."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def assert_access(
    client: Any,
    identities: Mapping[str, Mapping[str, str]],
    expected: Mapping[str, Mapping[str, Statuses]],
    *,
    json: Any = None,
) -> None:
    """Claim what each identity gets for each route: all are asked, all deviations are told.

    Args:
        client: of httpx or requests, or a test client: it has ``request(method, url, headers=…)``.
        identities: name → headers that prove it; ``{"anonymous": {}}`` proves nothing.
        expected: ``"GET /orders"`` → name → status, or those of which one is right.
        json: body for methods that have one.

    Raises:
        AssertionError: a table of what is otherwise.
        ValueError: a name in ``expected`` is no identity.
    """
    __tracebackhide__ = True
    wrong = []
    for route, wanted in expected.items():
        method, _, path = route.partition(" ")
        for name, statuses in wanted.items():
            if name not in identities:
                raise ValueError(f"{route}: {name!r} is none of {', '.join(identities)}")
            allowed = (statuses,) if isinstance(statuses, int) else tuple(statuses)
            code = _ask(client, method, path, identities[name], json)
            if code not in allowed:
                wrong.append(f"  {route} as {name}: {code}, expected {' or '.join(map(str, allowed))}")
    if wrong:
        raise AssertionError("\n".join([f"{len(wrong)} answers are otherwise:", *wrong]))


def _ask(client: Any, method: str, path: str, headers: Mapping[str, str], json: Any) -> int:
    body = {"json": json} if json is not None and method.lower() not in {"get", "head", "delete"} else {}
    return int(client.request(method.upper(), path, headers=dict(headers), **body).status_code)


def routes_of(document: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Iterator[Route]:
    """Yield every route of an OpenAPI document, with ``{parameters}`` of paths filled in (1 unless named)."""
    for path, operations in (document.get("paths") or {}).items():
        for method in METHODS:
            if method in operations:
                yield Route(method, _filled(path, values or {}))


def _filled(path: str, values: Mapping[str, Any]) -> str:
    parts = []
    for part in path.split("/"):
        name = part[1:-1] if part.startswith("{") and part.endswith("}") else ""
        parts.append(str(values.get(name, 1)) if name else part)
    return "/".join(parts)


def assert_closed(
    client: Any,
    document: Mapping[str, Any],
    *,
    public: Collection[str],
    values: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    refused: Collection[int] = REFUSED,
) -> None:
    """Claim that every route of the API's document refuses who proves nothing, but those that are public.

    A route that is new is closed or has to be named: it cannot be forgotten.

    Args:
        client: as for :func:`assert_access`.
        document: the API's OpenAPI document.
        public: routes such as ``"GET /books"``, with parameters as in the document.
        values: for parameters of paths.
        headers: of who is asking; None: nothing is proven.
        refused: statuses that refuse.

    Raises:
        AssertionError: which routes are open, and which names in ``public`` are no routes.
    """
    __tracebackhide__ = True
    templates = {
        str(Route(method, path)): Route(method, _filled(path, values or {}))
        for path, operations in (document.get("paths") or {}).items()
        for method in METHODS
        if method in operations
    }
    wrong = [f"  {name}: is public, but no route" for name in public if name not in templates]
    for name, route in templates.items():
        if name not in public:
            code = _ask(client, route.method, route.path, headers or {}, {})
            if code not in refused:
                wrong.append(f"  {name}: {code}, expected {' or '.join(map(str, refused))}")
    if wrong:
        raise AssertionError("\n".join(["open although not public:", *wrong]))
