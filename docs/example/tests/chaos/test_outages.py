"""The shop while its servers hang or die: clear answers, and well again by itself."""

import httpx
import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.real_api]


@pytest.fixture
def steady(chaos, real_api_client):
    """The shop is well when it says that it is ready."""
    chaos.steady("the shop is ready", lambda: real_api_client.get("/ready").status_code == 200)
    return chaos


@pytest.mark.parametrize("action", ["kill", "restart", "stop"])
def test_a_database_that_goes_away_is_found_again(steady, real_api_client, action):
    with steady.fault(action, "database"):
        pass
    assert real_api_client.get("/books").status_code == 200


def test_without_a_database_the_shop_says_so(steady, real_api_client):
    with steady.fault("stop", "database"):
        assert real_api_client.get("/health").status_code == 200  # the shop itself is alive
        assert real_api_client.get("/ready").status_code == 503


def test_without_a_cache_the_shop_goes_on(steady, real_api_client, shelve):
    book = shelve(title="While the cache is away")
    with steady.fault("kill", "cache"):
        answer = real_api_client.get("/books", params={"q": book["title"]})
        assert answer.status_code == 200
        assert answer.json()["books"]


def test_a_bad_day(steady, real_api_client):
    """From tests/data/chaos/bad_day.toml; whatever is answered meanwhile is an answer of the shop."""
    with steady.scenario("bad_day"):
        for _ in range(5):
            try:
                assert real_api_client.get("/books", timeout=1).status_code in {200, 503}
            except httpx.TimeoutException:
                continue
