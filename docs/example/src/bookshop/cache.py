"""Answers kept in Redis, or nowhere."""

import logging

import redis

LOG = logging.getLogger(__name__)


class NoCache:
    """Implements :class:`bookshop.ports.Cache` by forgetting at once: a shop without Redis works, slower."""

    def key(self, name: str) -> str:
        return name

    def get(self, key: str) -> bytes | None:
        del key
        return None

    def set(self, key: str, value: bytes, *, seconds: int) -> None:
        del key, value, seconds

    def forget_all(self) -> None:
        return

    def alive(self) -> bool:
        return True


class RedisCache:
    """Implements :class:`bookshop.ports.Cache` on Redis.

    Keys carry a generation number; forgetting everything is counting it up. Old answers are no longer found
    and leave by their time to live, so nobody searches or deletes keys on a shared server. While Redis does
    not answer, nothing is found and nothing kept: the shop becomes slower, not wrong.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    @property
    def _counter(self) -> str:
        return f"{self._prefix}:generation"

    def key(self, name: str) -> str:
        try:
            generation = self._client.get(self._counter) or b"0"
        except redis.RedisError as error:
            LOG.warning("cache: no generation: %s", type(error).__name__)
            return ""
        return f"{self._prefix}:{int(generation)}:{name}"

    def get(self, key: str) -> bytes | None:
        if not key:
            return None
        try:
            return self._client.get(key)  # type: ignore[return-value]  # synchronous client
        except redis.RedisError as error:
            LOG.warning("cache: not read: %s", type(error).__name__)
            return None

    def set(self, key: str, value: bytes, *, seconds: int) -> None:
        if not key:
            return
        try:
            self._client.set(key, value, ex=seconds)
        except redis.RedisError as error:
            LOG.warning("cache: not written: %s", type(error).__name__)

    def forget_all(self) -> None:
        try:
            self._client.incr(self._counter)
        except redis.RedisError as error:
            LOG.warning("cache: not emptied, old answers live up to a minute: %s", type(error).__name__)

    def alive(self) -> bool:
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False


def open_cache(url: str, prefix: str) -> NoCache | RedisCache:
    """Return the cache at a URL; no URL, no cache."""
    if not url:
        return NoCache()
    client = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
    return RedisCache(client, prefix)
