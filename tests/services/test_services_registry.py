"""From names to services in order; from the environment to runtimes, with a reason for each choice."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.config import Config
from toolkit.config.services import Service
from toolkit.errors import ConfigError, MissingExtra, RuntimeUnavailable, ServiceNotReady, UsageError
from toolkit.leases.store import LeaseStore
from toolkit.services import embedded, probes
from toolkit.services.detection import Engine, choose
from toolkit.services.environment import redacted
from toolkit.services.provisioning import running
from toolkit.services.registry import find_set, stages, wanted_services, with_needs
from toolkit.services.runtime import Wanted
from toolkit.services.waiting import NotYet, wait_until

Configure = Callable[..., Config]

API = {"kind": "http", "command": ["serve"], "needs": ["database", "cache"]}


def test_needs_come_first_and_names_may_be_mixed(configure: Configure) -> None:
    config = configure(services={"api": API}, environments={"small": {"services": ["cache"]}})
    assert with_needs(config, ["api"]) == ["database", "cache", "api"]
    assert find_set(config, []) == ("default", find_set(config, ["database", "cache"])[1])
    assert find_set(config, ["small", "database"])[1].services == ("cache", "database")
    assert find_set(config, ["small"])[0] == "small"
    with pytest.raises(UsageError, match=r"unknown environment or service 'smal' .did you mean 'small'"):
        find_set(config, ["smal"])


def test_copies_have_variables_of_their_own_and_limits_of_the_set(configure: Configure) -> None:
    config = configure(environments={"e": {"services": ["cache"], "instances": 2, "memory": "1g"}})
    rows = wanted_services(config, config.environments["e"])
    assert [(row.variable, row.instance, row.service.memory) for row in rows] == [
        ("REDIS_URL", 1, "1g"),
        ("REDIS_URL_2", 2, "1g"),
    ]


@given(needs=st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=7))
def test_stages_respect_every_need(needs: list[list[int]]) -> None:
    """Each service starts exactly once, and later than all that it needs."""
    rows = [
        Wanted(
            name=f"s{number}",
            service=Service(kind="nats", needs=tuple(f"s{need}" for need in earlier if need < number)),
            variable="X",
            why="",
        )
        for number, earlier in enumerate(needs)
    ]
    groups = stages(rows)
    place = {each.name: number for number, group in enumerate(groups) for each in group}
    assert sum(map(len, groups)) == len(rows)
    for row in rows:
        assert all(place[need] < place[row.name] for need in row.service.needs)


def wanted(service: Service, **more: Any) -> Wanted:
    return Wanted(name="x", service=service, variable=service.url_variable("x"), why="", **more)


def engine(usable: bool) -> Callable[[], Engine]:
    return lambda: Engine(usable, "engine 1 answers" if usable else "no container engine answers")


REDIS = Service(kind="redis")


def test_the_order_is_external_compose_embedded_and_says_why() -> None:
    given_url = {"REDIS_URL": "redis://h"}
    assert choose(wanted(REDIS), "auto", given_url, engine(True)).why == "REDIS_URL is set"
    assert choose(wanted(REDIS), "auto", {}, engine(True)).runtime == "compose"
    fallback = choose(wanted(REDIS), "auto", {}, engine(False))
    assert fallback.runtime == "embedded"
    assert fallback.why.startswith("no container engine answers; redis from")


def test_an_explicit_choice_is_kept_or_refused() -> None:
    assert choose(wanted(REDIS), "embedded", {"REDIS_URL": "redis://h"}, engine(True)).runtime == "embedded"
    fixed = wanted(Service(kind="redis", runtime="embedded"))
    assert choose(fixed, "auto", {}, engine(True)).why == "asked for"
    with pytest.raises(RuntimeUnavailable, match="compose was asked for, but no container engine answers"):
        choose(wanted(REDIS), "compose", {}, engine(False))
    command = wanted(Service(kind="http", command=("serve",)))
    assert choose(command, "compose", {}, engine(True)).runtime == "embedded"
    with pytest.raises(RuntimeUnavailable, match="3 copies behind a load balancer need containers"):
        choose(wanted(REDIS, replicas=3), "embedded", {}, engine(True))


def test_when_nothing_can_provide_it_everything_tried_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find", lambda _: None)
    with pytest.raises(RuntimeUnavailable, match=r"REDIS_URL is not set; no container.*no redis server"):
        choose(wanted(REDIS), "auto", {}, engine(False))


def test_a_missing_binary_is_named(configure: Configure, store: LeaseStore) -> None:
    config = configure(services={"cache": {"binary": "/no/such/redis"}})
    with (
        pytest.raises(RuntimeUnavailable, match="/no/such/redis: no such program"),
        running(config, ["cache"], runtime="embedded", store=store),
    ):
        pass


def test_external_servers_are_asked_and_left_alone(configure: Configure, store: LeaseStore) -> None:
    """The URL in the environment is used as it is; nothing is created."""
    with running(configure(), ["cache"], runtime="embedded", store=store) as ours:
        environ = {**os.environ, "REDIS_URL": ours.urls["REDIS_URL"]}
        before = len(list(store.leases()))
        with running(configure(), ["cache"], environ=environ, store=store) as theirs:
            assert theirs.urls == ours.urls
            assert theirs.endpoints[0].runtime == "external"
            assert len(list(store.leases())) == before + 1  # the record of the environment
    assert list(store.leases()) == []


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("mysql://h/x", ConfigError, "scheme 'mysql' is not that of a redis server; expected redis"),
        ("redis://h:port/0", ConfigError, "not a URL"),
        (
            "redis://:geheim@127.0.0.1:9/0",
            ServiceNotReady,
            r"REDIS_URL=redis://:\*\*\*@127.0.0.1:9/0.*not ready",
        ),
    ],
)
def test_a_bad_url_is_named_without_its_password(
    configure: Configure, store: LeaseStore, url: str, error: type[Exception], message: str
) -> None:
    config = configure(services={"cache": {"timeout": 0.2}})
    with (
        pytest.raises(error, match=message) as caught,
        running(config, ["cache"], environ={"REDIS_URL": url, "PATH": os.environ["PATH"]}, store=store),
    ):
        pass
    assert "geheim" not in str(caught.value)


def test_a_url_that_is_demanded_and_missing(configure: Configure, store: LeaseStore) -> None:
    with (
        pytest.raises(RuntimeUnavailable, match="REDIS_URL is not set"),
        running(configure(), ["cache"], runtime="external", store=store),
    ):
        pass


def test_waiting_tells_what_how_long_and_the_last_state() -> None:
    def never() -> None:
        raise NotYet("still starting")

    with pytest.raises(
        ServiceNotReady, match=r"the thing: not ready after 0\.\d s; last state: still starting"
    ) as error:
        wait_until(never, timeout=0.05, what="the thing", hint="try this")
    assert error.value.hint == "try this"
    with pytest.raises(ServiceNotReady, match="the thing: it died"):
        wait_until(never, timeout=9, what="the thing", ended=lambda: "it died")


@pytest.mark.parametrize(
    ("kind", "answer", "state"),
    [
        ("redis", b"-WRONGPASS no\r\n", "WRONGPASS"),
        ("redis", b"", "closed"),
        ("nats", b"HELLO\r\n", "HELLO"),
        ("rabbitmq", b"AMQP\x00\x00\x09\x01", "refused"),
        ("rabbitmq", b"", "closed"),
        ("http", b"SMTP ready\r\n", "BadStatusLine"),
    ],
)
def test_a_port_that_is_open_is_not_yet_a_server(kind: Any, answer: bytes, state: str) -> None:
    """Whatever else listens there is not taken for the service."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                if kind != "nats":  # there the server speaks first
                    connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        url = f"{kind}://u:p@127.0.0.1:{port}/x"
        with pytest.raises((NotYet, OSError), match=state):
            probes.probe_of(kind, url)()
        thread.join()


def test_postgres_needs_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="psycopg"):
        probes.ask_postgres("postgresql://h/x")


@given(st.text(alphabet="abc:/?#", max_size=5), st.text(alphabet="abc123", min_size=4))
def test_no_password_of_a_url_survives(user: str, password: str) -> None:
    user = user.replace(":", "").replace("/", "")
    assert f":{password}@" not in redacted(f"see redis://{user}:{password}@h/0 and more")


def test_the_shipped_files_are_pinned_and_bound_to_loopback() -> None:
    """No unpinned image, no version key, no port outside 127.0.0.1."""
    import re

    folder = Path(__file__).parents[2] / "compose"
    files = sorted(folder.glob("*.yml"))
    assert [file.name for file in files] == ["cluster-stack.yml", "message-queue.yml", "test-stack.yml"]
    for file in files:
        text = file.read_text()
        assert not re.search(r"^version:", text, re.MULTILINE)
        for image in re.findall(r"image: (\S+)", text):
            assert re.fullmatch(r"\$\{[A-Z_]+:-[a-z]+:\d+\.\d+(\.\d+)?[\w.-]*\}", image), image
        ports = re.findall(r"- \{ target: .*", text)
        assert ports
        assert all("host_ip: 127.0.0.1" in port for port in ports)


def test_a_program_is_started_as_it_is_called(
    configure: Configure, store: LeaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distributions install one program under several names by links; it does what its name says."""
    real = embedded.find(REDIS)
    assert real is not None
    many = tmp_path / "redis-many"
    many.write_text(
        '#!/bin/sh\n[ "${0##*/}" = redis-server ] || { echo "called ${0##*/}"; exit 1; }\n'
        f'exec {real[1].path} "$@"\n'
    )
    many.chmod(0o755)
    (tmp_path / "redis-server").symlink_to(many)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with running(configure(), ["cache"], runtime="embedded", store=store) as found:
        assert found.endpoints[0].runtime == "embedded"
