"""Round trips: what is sent through a real server comes back, and whatever else comes is told."""

import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore
from toolkit.services import round_trips
from toolkit.services.environment import Environment
from toolkit.services.probes import expect
from toolkit.services.provisioning import running
from toolkit.services.round_trips import round_trip_of
from toolkit.services.waiting import NotYet


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """PostgreSQL, Redis and NATS as processes."""
    folder = tmp_path_factory.mktemp("round_trips")
    config = parse_config(
        {"tool": {"toolkit": {"services": {"nats": {"kind": "nats"}}}}}, root=folder, environ={}
    )
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environ["TOOLKIT_STATE_HOME"] = str(folder / "state")
    names = ["database", "cache", "nats"]
    with (
        LeaseStore(folder / "state") as store,
        running(config, names, runtime="embedded", environ=environ, store=store) as made,
    ):
        yield made


@pytest.mark.parametrize("service", ["database", "cache", "nats"])
def test_what_is_sent_comes_back(servers: Environment, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what comes back is compared: a word that was not sent is refused."""
    endpoint = servers.endpoint(service)
    assert endpoint is not None
    trip = round_trip_of(endpoint.kind, endpoint.url)
    trip()
    words = iter(["one", *(["one"] * 9)])
    monkeypatch.setattr(round_trips, "_new", lambda: next(words))
    trip()
    monkeypatch.setattr(round_trips, "_same", lambda got, _: expect(b"", got + b"!"))
    with pytest.raises(NotYet):
        trip()


def test_nothing_stays_on_the_server(servers: Environment) -> None:
    """No table, no key."""
    import psycopg
    import redis

    for service in ("database", "cache"):
        endpoint = servers.endpoint(service)
        assert endpoint is not None
        round_trip_of(endpoint.kind, endpoint.url)()
    with psycopg.connect(servers.urls["DATABASE_URL"]) as connection:
        tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'toolkit_round_trip'"
        assert connection.execute(tables).fetchone() == (0,)
    with redis.Redis.from_url(servers.urls["REDIS_URL"]) as client:
        assert client.keys("toolkit-*") == []


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that says one thing and closes; yields host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(request.param)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize(
    ("answering", "kind"),
    [
        (b"-ERR full\r\n", "redis"),
        (b"+OK\r\n$3\r\nno!\r\n", "redis"),
        (b"INFO {}\r\n-ERR 'slow consumer'\r\n", "nats"),
        (b"", "nats"),
        (b"", "rabbitmq"),
        (b"\x08\x00\x00\x00\x00\x00\x00\xce", "rabbitmq"),  # a heartbeat, and no more
        (b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x32\xce", "rabbitmq"),  # connection.close
        (b"\x03\x00\x00\x00\x00\x00\x02hi\xce", "rabbitmq"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "http"),
    ],
    indirect=["answering"],
)
def test_an_answer_that_is_none_is_told(answering: str, kind: str) -> None:
    """Never an exception of another kind, however short or wrong what came is."""
    with pytest.raises((NotYet, OSError)):
        round_trip_of(kind, f"{kind}://{answering}/x")()  # type: ignore[arg-type]


@pytest.mark.parametrize("answering", [b"HTTP/1.1 204 No Content\r\n\r\n"], indirect=True)
def test_an_api_is_asked_for_the_page_that_says_it_is_ready(  # toolkit: ignore[TS101] nothing is raised
    answering: str,
) -> None:
    round_trip_of("other", f"http://{answering}", health="/ready")()


def test_of_an_unknown_kind_a_connection_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        round_trip_of("other", url)()
    assert urlsplit(url).port
    with pytest.raises(OSError, match="refused"):
        round_trip_of("other", url)()
