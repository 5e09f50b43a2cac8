"""API resources and cache entries of a scenario: created over HTTP and in Redis, removed the same way."""

import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from toolkit.errors import EnvironmentFailed, InputError, MissingExtra, UsageError
from toolkit.scenarios.files import Entry as CacheEntry
from toolkit.scenarios.files import Resource
from toolkit.scenarios.ledger import Cached, Entry, Posted
from toolkit.scenarios.places import cache_place

TIMEOUT = 10.0
"""Seconds that a request may take."""
PATH = re.compile(r"/(?![/\\])[^#\x00-\x1f]*")
"""One slash; what follows two is a host, and what follows # is not sent."""
GONE = {404, 410}

Note = Callable[[Entry], None]
Answers = dict[str, list[dict[str, Any]]]


def post_resources(
    url: str, resources: tuple[Resource, ...], environ: Mapping[str, str], note: Note
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Create resources in order and yield each one's name and what the API answered.

    Args:
        url: of the API.
        resources: what to create.
        environ: where ``${VARIABLE}`` in headers comes from.
        note: called with what removes a resource, as soon as it is there.

    Raises:
        UsageError: a path would leave the API, or a name in it stands for nothing.
        InputError: the API refuses one; shows its answer.
        EnvironmentFailed: it does not answer.
    """
    answers: Answers = {}
    with _client(url) as client:
        for resource in resources:
            _below_the_api(resource.delete or "/", resource.name)  # before there is something to delete
            headers = with_variables(resource.headers, environ)
            for number in range(1, resource.count + 1):
                names = {"n": number, **{name: found[-1] for name, found in answers.items()}}
                path = _below_the_api(fill(resource.post, names, _quoted), resource.name)
                answer = _ask(client, "POST", path, headers=headers, body=fill_in(resource.body, names))
                if not answer.is_success:
                    raise InputError(
                        f"api.{resource.name}: POST {path} answered {answer.status_code}: {answer.text[:500]}"
                    )
                found = _document(answer)
                if resource.delete:
                    gone = fill(resource.delete, {**names, **found}, _quoted)
                    note(Posted(name=resource.name, delete=gone, headers=resource.headers))
                answers.setdefault(resource.name, []).append(found)
                yield resource.name, found


def delete_resource(url: str, posted: Posted, environ: Mapping[str, str]) -> None:
    """Remove a resource; one that is gone already is fine.

    Raises:
        UsageError: the path would leave the API.
        InputError: the API refuses.
        EnvironmentFailed: it does not answer.
    """
    path = _below_the_api(posted.delete, posted.name)
    with _client(url) as client:
        headers = with_variables(posted.headers, environ)
        answer = _ask(client, "DELETE", path, headers=headers)
    if not answer.is_success and answer.status_code not in GONE:
        raise InputError(f"api.{posted.name}: DELETE {posted.delete} answered {answer.status_code}")


def _below_the_api(path: str, name: str) -> str:
    """Return a path of a scenario, if it is one: a whole URL would lead to a server that nobody allowed."""
    if not PATH.fullmatch(path) or {".", ".."} & set(re.split(r"[/\\?]", path)):
        raise UsageError(
            f"api.{name}: {path!r} is no path below the API", hint="it begins with one slash: /books/{id}"
        )
    return path


def set_entries(url: str, entries: tuple[CacheEntry, ...], note: Note) -> Iterator[str]:
    """Write cache entries and yield their keys; one that is there already is not overwritten.

    Raises:
        InputError: a key is taken.
        EnvironmentFailed: the cache does not answer.
    """
    with _redis(url) as client:
        for entry in entries:
            for number in range(1, entry.count + 1):
                key = fill(entry.key, {"n": number})
                value = entry.value if isinstance(entry.value, str) else json.dumps(entry.value)
                if not client.set(key, fill(value, {"n": number}), ex=entry.seconds, nx=True):
                    raise InputError(f"cache: the key {key!r} is there already; it is not overwritten")
                note(Cached(key=key))  # only now: a key of somebody else must never be in the ledger
                yield key


def delete_entry(url: str, cached: Cached) -> None:
    """Remove one cache entry.

    Raises:
        EnvironmentFailed: the cache does not answer.
    """
    with _redis(url) as client:
        client.delete(cached.key)


def with_variables(headers: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Replace ``${VARIABLE}`` in headers.

    Raises:
        UsageError: a variable is not set.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise UsageError(f"a header of the scenario needs the variable {found[1]}, which is not set")
        return environ[found[1]]

    return {name: re.sub(r"\$\{(\w+)\}", value, text) for name, text in headers.items()}


NAMED = re.compile(r"\{([A-Za-z_][\w.]*)\}")


def fill(text: str, names: Mapping[str, Any], written: Callable[[Any], str] = str) -> str:
    """Replace ``{n}`` and ``{book.id}`` by what they stand for; other braces stay.

    Args:
        text: with names in braces.
        names: what they stand for.
        written: how a value is written there.

    Raises:
        UsageError: a name stands for nothing.
    """
    return NAMED.sub(lambda found: written(_named(found[1], names)), text)


def _quoted(value: Any) -> str:
    """Write a value as one part of a path: no value may make another path of it.

    Raises:
        UsageError: it is empty or dots, and the path would be that of all resources.
    """
    text = urllib.parse.quote(str(value), safe="")
    if text in {"", ".", ".."}:
        raise UsageError(f"scenario: {value!r} cannot be a part of a path of the API")
    return text


def fill_in(document: Any, names: Mapping[str, Any]) -> Any:
    """Replace names in all texts of a document. A text that is nothing but a name becomes its value."""
    if isinstance(document, dict):
        return {key: fill_in(value, names) for key, value in document.items()}
    if isinstance(document, list):
        return [fill_in(value, names) for value in document]
    if not isinstance(document, str):
        return document
    alone = NAMED.fullmatch(document)
    return _named(alone[1], names) if alone else fill(document, names)


def _named(path: str, names: Mapping[str, Any]) -> Any:
    at: Any = names
    for part in path.split("."):
        if not isinstance(at, Mapping) or part not in at:
            raise UsageError(f"scenario: {{{path}}} stands for nothing; known: {', '.join(names)}")
        at = at[part]
    return at


def _client(url: str) -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("an API resource of a scenario", extra="http", package="httpx") from error
    return httpx.Client(base_url=url, timeout=TIMEOUT)


def _ask(client: Any, method: str, path: str, *, headers: dict[str, str], body: Any = None) -> Any:
    import httpx

    try:
        return client.request(method, path, headers=headers, json=body)
    except httpx.HTTPError as error:
        shown = str(client.base_url.copy_with(userinfo=b"")).rstrip("/")
        raise EnvironmentFailed(f"{method} {shown}{path}: {type(error).__name__}: {error}") from error


def _document(answer: Any) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"items": found}


@contextmanager
def _redis(url: str) -> Iterator[Any]:
    try:
        import redis
    except ImportError as error:
        raise MissingExtra("a cache entry of a scenario", extra="redis", package="redis") from error
    try:
        with redis.Redis.from_url(url) as client:
            yield client
    except redis.RedisError as error:
        raise EnvironmentFailed(f"the cache at {cache_place(url)} does not answer: {error}") from error
