"""Logical databases of a Redis server that dead test workers had claimed: found by their key, then emptied.

The key and the proof of life are those of the plugin: a worker writes a name into the database that it takes,
and bears it as the name of its connection. Whoever has no such connection any more is dead.
"""

import urllib.parse
from typing import Any

from toolkit.errors import EnvironmentFailed, MissingExtra

OWNER_KEY = "toolkit:owner"
LAST_RESORT = 16
EMPTY = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('FLUSHDB')
return 1
"""
"""Only if the dead owner is still the one that was seen: nobody has taken it meanwhile."""


def clear_dead_claims(url: str, *, dry_run: bool = False) -> int:
    """Empty the databases of dead workers; all others stay as they are.

    Args:
        url: of the server.
        dry_run: only count them.

    Returns:
        how many databases were emptied, or would be.

    Raises:
        EnvironmentFailed: the server does not answer.
        MissingExtra: the package redis is not installed.
    """
    try:
        import redis
    except ImportError as error:
        raise MissingExtra("clearing the cache", extra="redis", package="redis") from error
    try:
        with redis.Redis.from_url(url) as client:
            living = {row["name"] for row in client.client_list()}
            count = _databases(client, redis)
        return sum(_clear(redis, _numbered(url, number), living, dry_run) for number in range(count))
    except redis.RedisError as error:
        raise EnvironmentFailed(f"the cache does not answer: {error}") from error


def _clear(redis: Any, url: str, living: set[str], dry_run: bool) -> bool:
    with redis.Redis.from_url(url) as client:
        owner = client.get(OWNER_KEY)
        if owner is None or owner.decode() in living:
            return False
        return True if dry_run else bool(client.eval(EMPTY, 1, OWNER_KEY, owner))


def _databases(client: Any, redis: Any) -> int:
    try:
        return int(client.config_get("databases")["databases"])
    except (redis.ResponseError, KeyError):  # managed servers forbid CONFIG
        return LAST_RESORT


def _numbered(url: str, number: int) -> str:
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(path=f"/{number}"))
