"""Fixtures for tests on real servers: isolated per worker and per test, rolled back, cleaned, explained."""

from pathlib import Path

import pytest

from toolkit.databases.server import Server

pytestmark = pytest.mark.usefixtures("alone")

PROJECT = """
[tool.toolkit.databases]
migrations = "migrations"
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a schema, and no servers."""
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "PYTEST_XDIST_WORKER", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyprojecttoml(PROJECT)
    pytester.mkdir("migrations")
    (pytester.path / "migrations" / "1.sql").write_text(
        "CREATE TABLE book (id int PRIMARY KEY, title text)", encoding="utf-8"
    )
    return pytester.path


@pytest.fixture
def urls(project: Path, real_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Real servers for the project, in each runtime; their URLs are in the environment."""
    for name, url in real_urls.items():
        monkeypatch.setenv(name, url)
    return real_urls


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--no-record", *words)


def test_every_test_and_worker_has_its_own_database(pytester: pytest.Pytester, urls: dict[str, str]) -> None:
    """Two workers, one schema: what one test writes no other sees, committed or not."""
    pytester.makepyfile(
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.parametrize("number", range(4))
        def test_session(db_session, number):
            assert db_session.scalar(text("SELECT count(*) FROM book")) == 0
            db_session.execute(text("INSERT INTO book VALUES (1, 'a')"))
            db_session.commit()
            db_session.execute(text("INSERT INTO book VALUES (2, 'b')"))
            db_session.rollback()
            assert db_session.scalar(text("SELECT count(*) FROM book")) == 1

        @pytest.mark.parametrize("number", range(4))
        def test_isolated(isolated_db, number):
            import psycopg
            with psycopg.connect(isolated_db.url) as connection:
                connection.execute("INSERT INTO book VALUES (1, 'a')")

        def test_async(async_db_session):
            import asyncio
            async def body():
                async with async_db_session as session:
                    await session.execute(text("INSERT INTO book VALUES (1, 'a')"))
                    await session.commit()
                    return await session.scalar(text("SELECT count(*) FROM book"))
            assert asyncio.run(body()) == 1

        def test_nothing_is_left(db_session):
            assert db_session.scalar(text("SELECT count(*) FROM book")) == 0
        """
    )
    run(pytester, "-n", "2").assert_outcomes(passed=10)


def test_databases_go_and_that_of_a_failed_test_stays(
    pytester: pytest.Pytester, urls: dict[str, str]
) -> None:
    """The failure names the database; everything else is dropped when the run ends."""
    pytester.makepyfile(
        """
        def test_bad(isolated_db):
            assert isolated_db.name == "x"

        def test_good(isolated_db):
            pass
        """
    )
    with Server(urls["DATABASE_URL"]) as server:
        before = {database.name for database in server.databases()}
        result = run(pytester)
        result.assert_outcomes(failed=1, passed=1)
        result.stdout.fnmatch_lines(["*kept while the server is up as tk_kept_*: invoke db.shell tk_kept_*"])
        new = {database.name for database in server.databases()} - before
    assert [name for name in new if name.startswith("tk_clone")] == []
    assert len([name for name in new if name.startswith("tk_kept_")]) == 1
    assert str(urls["DATABASE_URL"]) not in result.stdout.str()


def test_each_worker_has_its_own_cache(pytester: pytest.Pytester, urls: dict[str, str]) -> None:
    """Workers do not see each other's keys, tests start empty, and others' keys survive."""
    import redis

    with redis.Redis.from_url(urls["REDIS_URL"]) as outside:
        outside.set("testimony", "stays")
        with redis.Redis.from_url(urls["REDIS_URL"].rstrip("/0") + "/2") as foreign:
            foreign.set("foreign", "stays")
        pytester.makepyfile(
            """
            import pytest, time

            @pytest.mark.parametrize("number", range(8))
            def test_keys(cache_client, number, worker):
                assert cache_client.keys("[^t]*") == []
                cache_client.set("key", worker.id)
                time.sleep(0.02)
                assert cache_client.get("key") == worker.id.encode()

            def test_memory(mock_cache):
                mock_cache.set("a", 1)
                assert mock_cache.get("a") == b"1"
            """
        )
        run(pytester, "-n", "2").assert_outcomes(passed=9)
        assert outside.get("testimony") == b"stays"
        with redis.Redis.from_url(urls["REDIS_URL"].rstrip("/0") + "/2") as foreign:
            assert foreign.get("foreign") == b"stays"


def test_a_missing_server_is_one_clear_error(pytester: pytest.Pytester, project: Path) -> None:
    """Both ways to get one are named, and nothing is skipped."""
    pytester.makepyfile("def test_a(db_session): pass\ndef test_b(cache_client): pass")
    result = run(pytester)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*this test needs a PostgreSQL server, and DATABASE_URL is not set.",
            "*services.up database --keep*",
        ]
    )


def test_a_server_that_is_no_test_server_is_not_touched(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hidden@db.example.com/live")
    pytester.makepyfile("def test_a(isolated_db): pass")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*db.example.com:5432 is not known to be a test server*"])
    assert "hidden" not in result.stdout.str()


def test_the_web_fixtures_serve(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application in this process, a mocked neighbour, and a plain client."""
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    pytester.makeconftest(
        """
        import pytest
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        @pytest.fixture
        def asgi_app():
            return Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])
        """
    )
    pytester.makepyfile(
        """
        import httpx, pytest

        def test_inside(api_client):
            assert api_client.get("/").text == "hello"

        def test_mocked(mock_http, http_client):
            mock_http.get("https://neighbour.example/").respond(json={"a": 1})
            assert http_client.get("https://neighbour.example/").json() == {"a": 1}

        def test_real(real_api_client):
            with pytest.raises(httpx.ConnectError):
                real_api_client.get("/")
        """
    )
    run(pytester).assert_outcomes(passed=3)
