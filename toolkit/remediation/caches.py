"""Logical databases of a Redis server that dead test workers had claimed: found by their key, then emptied.

The fixtures of the plugin claim by the same key: a worker writes a name into the database that it takes, and
bears it as the name of its connection. Whoever has no such connection any more is dead.
"""

import urllib.parse
from typing import Any

from toolkit.errors import EnvironmentFailed, MissingExtra

OWNER_KEY = "toolkit:owner"
"""In each database that a worker has claimed: the name of the worker's connection."""
LAST_RESORT = 16
"""Databases of a server that does not tell how many it has."""
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
            count = databases(client, redis)
        return sum(_clear(redis, numbered(url, number), dry_run) for number in range(count))
    except redis.RedisError as error:
        raise EnvironmentFailed(f"the cache does not answer: {error}") from error


def _clear(redis: Any, url: str, dry_run: bool) -> bool:
    with redis.Redis.from_url(url) as client:
        # First the owner, then who lives: a worker that claims in between was not read as the owner.
        owner = client.get(OWNER_KEY)
        if owner is None or any(row["name"] == owner.decode() for row in client.client_list()):
            return False
        return True if dry_run else bool(client.eval(EMPTY, 1, OWNER_KEY, owner))


def databases(client: Any, redis: Any) -> int:
    """Return how many logical databases a server has."""
    try:
        return int(client.config_get("databases")["databases"])
    except (redis.ResponseError, KeyError):  # managed servers forbid CONFIG
        return LAST_RESORT


def numbered(url: str, number: int) -> str:
    """Return the URL of one logical database."""
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(path=f"/{number}"))
