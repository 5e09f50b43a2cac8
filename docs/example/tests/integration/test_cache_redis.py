"""The cache on Redis: what is kept is found, what is forgotten is not, and its absence only costs time."""

import pytest
import redis

from bookshop.browsing import SEARCH_SECONDS, change_book, search_books
from bookshop.cache import RedisCache, open_cache
from bookshop.domain.search import parse_search

pytestmark = pytest.mark.integration


@pytest.mark.smoke
def test_what_is_kept_is_found(cache):
    cache.set(cache.key("answer"), b"42", seconds=60)
    assert cache.get(cache.key("answer")) == b"42"


def test_what_is_forgotten_is_not_found_by_anybody(cache, cache_client, prefix):
    other = RedisCache(cache_client, prefix)
    cache.set(cache.key("answer"), b"42", seconds=60)
    other.forget_all()
    assert cache.get(cache.key("answer")) is None


def test_other_shops_on_the_same_server_keep_theirs(cache, cache_client, prefix):
    other = RedisCache(cache_client, f"{prefix}:other")
    other.set(other.key("answer"), b"43", seconds=60)
    cache.forget_all()
    assert other.get(other.key("answer")) == b"43"


def test_everything_that_is_kept_ends_by_itself(cache, cache_client, store, make_book, prefix):
    make_book()
    search_books(store, cache, parse_search("emma"))
    (key,) = cache_client.scan_iter(f"{prefix}:*:search:*")
    assert 0 < cache_client.ttl(key) <= SEARCH_SECONDS


@pytest.mark.real_db
def test_a_change_is_seen_through_the_cache(cache, store, make_book):
    book = make_book(price_cents=1000)
    before = search_books(store, cache, parse_search("emma"))
    assert search_books(store, cache, parse_search("emma")) == before == [book]
    change_book(store, cache, book.id, price_cents=2000)
    assert [found.price_cents for found in search_books(store, cache, parse_search("emma"))] == [2000]


def test_a_server_that_is_away_is_like_an_empty_one(store, make_book, caplog):
    book = make_book()
    cache = open_cache("redis://127.0.0.1:9/0", "bookshop")
    assert not cache.alive()
    assert search_books(store, cache, parse_search("emma")) == [book]
    cache.forget_all()
    assert "cache: not emptied" in caplog.text


def test_a_wrong_password_is_noticed_before_the_shop_opens(cache_database):
    client = redis.Redis.from_url(cache_database.url, password="wrong", username="nobody")
    assert not RedisCache(client, "bookshop").alive()
    client.close()
