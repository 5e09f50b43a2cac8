"""Which server, and what of it, a URL means: names that go into ledgers and messages, without passwords."""

import urllib.parse

from toolkit.databases.server import database_of, place_of

PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}


def with_port(url: str) -> str:
    """Return a URL with the port of its scheme written out."""
    parts = urllib.parse.urlsplit(url)
    if parts.port or parts.scheme not in PORTS:
        return url
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{parts.netloc}:{PORTS[parts.scheme]}"))


def database_place(url: str) -> str:
    """Return ``host:port/database`` of a PostgreSQL URL."""
    return f"{place_of(url)}/{database_of(url)}" if url else ""


def api_place(url: str) -> str:
    """Return ``host:port/path`` of the URL of an API."""
    return f"{place_of(with_port(url))}{urllib.parse.urlsplit(url).path.rstrip('/')}" if url else ""


def cache_place(url: str) -> str:
    """Return ``host:port/number`` of a Redis URL, read as its driver reads it."""
    if not url:
        return ""
    parts = urllib.parse.urlsplit(url)
    number = dict(urllib.parse.parse_qsl(parts.query)).get("db", "")
    if parts.scheme == "unix":
        return f"{parts.path}/{number or 0}"
    return f"{place_of(with_port(url))}/{number or parts.path.strip('/') or 0}"
