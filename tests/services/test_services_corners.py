"""Corners of the services: programs in odd places, engines that answer oddly, interrupts in other threads."""

import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from toolkit.config import Config
from toolkit.config.services import Service
from toolkit.errors import EnvironmentFailed, MissingExtra, OwnershipError, RuntimeUnavailable, UsageError
from toolkit.leases.owners import Verdict, new_owner
from toolkit.leases.store import LeaseStore
from toolkit.services import compose, engine, folders, inspection, limits
from toolkit.services import environment as records
from toolkit.services.environment import Endpoint, Environment, with_urls
from toolkit.services.interrupts import uninterrupted
from toolkit.services.servers import rabbitmq
from toolkit.services.servers.launch import find_program

Configure = Callable[..., Config]


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_programs_are_found_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configured one, PATH, the newest of the usual folders, a wheel."""
    service = Service(kind="redis")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a_wheel").mkdir()
    (tmp_path / "a_wheel" / "__init__.py").touch()
    wheels, usual = {"a_wheel": "bin/serve", "no_wheel_x": "bin/serve"}, (f"{tmp_path}/lib/*/bin",)

    def found() -> tuple[str, str] | None:
        one = find_program(service, "serve", wheels=wheels, folders=usual)
        return None if one is None else (str(one.path.relative_to(tmp_path)), one.source)

    assert found() is None
    program(tmp_path / "a_wheel" / "bin" / "serve")
    assert found() == ("a_wheel/bin/serve", "the wheel of a-wheel")
    for version in ("9", "15"):
        program(tmp_path / "lib" / version / "bin" / "serve")
    assert found() == ("lib/15/bin/serve", str(tmp_path / "lib" / "15" / "bin"))
    program(tmp_path / "path" / "serve")
    assert found() == ("path/serve", "PATH")
    service = Service(kind="redis", binary=str(program(tmp_path / "mine")))
    assert found() == ("mine", "binary")
    with pytest.raises(RuntimeUnavailable, match="no such program"):
        find_program(Service(kind="redis", binary="no-such-x"), "serve", wheels={})


def test_rabbitmq_needs_ports_below_those_of_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(random, "sample", lambda *_: [port])
        with pytest.raises(EnvironmentFailed, match="no free port between"):
            rabbitmq._ports(1)


def test_another_rabbitmq_can_be_named(tmp_path: Path) -> None:
    mine = program(tmp_path / "rabbitmq-server")
    found = rabbitmq.find(Service(kind="rabbitmq", binary=str(mine)))
    assert found is not None
    assert found.path == mine


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        ("Pulling x", r"can a, b be pulled\?"),
        ("pull access denied", r"can a, b be pulled\?"),
        ("no space left on device", "docker system df"),
        ("something else", "invoke services.status"),
    ],
)
def test_what_compose_says_leads_to_advice(problem: str, advice: str) -> None:
    model = {"services": {"x": {"image": "b"}, "y": {"image": "a"}, "z": {"build": "."}}}
    assert re.search(advice, compose._advice(problem, model))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"Status": "running"}, ""),
        ("running", ""),
        ({"Status": "running", "Health": {"Status": "unhealthy"}}, "its container is unhealthy"),
        ({"Status": "exited", "ExitCode": 3}, "its container exited with code 3"),
        (
            {"Status": "dead", "ExitCode": 137, "OOMKilled": True},
            "its container exited with code 137 (out of memory)",
        ),
    ],
)
def test_why_a_container_will_not_become_ready(state: object, told: str) -> None:
    assert compose._state(SimpleNamespace(attrs={"State": state})) == told


def test_a_watch_without_an_engine_says_so(tmp_path: Path) -> None:
    watch = compose.Watch(f"unix://{tmp_path}/none", "lease")
    assert watch.ended("x") is None
    assert "its log cannot be read: the container engine at" in watch.last_lines("x")
    with watch:
        while not watch.ended(""):
            time.sleep(0.01)
    assert "the container engine at" in (watch.ended("") or "")


def test_the_client_library_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(MissingExtra, match="docker"):
        engine.docker()
    program(tmp_path / "docker")
    found = engine.find_engine({"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert not found.usable
    assert "pip install" in found.why or "docker" in found.why


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"currentContext": "default"}'])
def test_a_docker_configuration_of_any_shape_is_survived(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    host = engine.engine_host({"DOCKER_CONFIG": str(tmp_path), "PATH": ""})
    assert host.startswith(("unix:", "npipe:"))


def test_a_command_that_hangs_or_is_missing_says_nothing() -> None:
    assert engine._asked(["no-such-program-x"], {}) == ""
    assert engine._asked(["false"], {"PATH": "/usr/bin:/bin"}) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
def test_a_socket_of_another_server_is_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer() -> None:
            asked, _ = listening.accept()
            with asked:
                asked.recv(100)
                asked.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="not as a container engine"):
            engine.ping(f"unix://{path}")
        thread.join()
    engine.ping("tcp://127.0.0.1:1")  # left to the library


def test_removals_that_are_refused_are_told() -> None:
    library = engine.docker()

    def refuse(error: Exception) -> Callable[[], None]:
        def remove() -> None:
            raise error

        return remove

    assert engine._tried(lambda: None) == ""
    assert engine._tried(refuse(library.errors.NotFound("gone"))) == ""
    assert engine._tried(refuse(library.errors.APIError("busy", explanation="in use"))) == "in use"


def test_an_owner_that_cannot_be_read_keeps_its_things() -> None:
    dead = Verdict("dead", "it is gone")
    assert engine._verdict("nonsense", lambda _: dead).state == "unknown"
    owner = msgspec.json.encode(new_owner("session")).decode()
    assert engine._verdict(owner, lambda _: dead) == dead


def test_interrupts_reach_the_main_thread_alone() -> None:
    done = []

    def block() -> None:
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert done == [True]


def test_folders_of_any_kind(tmp_path: Path, store: LeaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders._free(tmp_path / "none") == 0
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OwnershipError, match="is a link"):
        folders._refuse_foreign(tmp_path / "link")
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match="cannot be made"):
        folders.leased_folder(store, store.owner(), "x", tmp_path / "file")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert folders.cache_home({}).parts[-3:-1] == ("Library", "Caches")
    monkeypatch.setattr(sys, "platform", "win32")
    assert folders.cache_home({"LOCALAPPDATA": "/x"}) == Path("/x/nox-invoke-toolkit/cache")


def test_limits_of_processes_that_are_gone_and_of_other_platforms(  # toolkit: ignore[TS101] nothing is raised
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    limits.limit(ended.pid, memory="1g", cpus=1.0)
    monkeypatch.setattr(sys, "platform", "darwin")
    limits.limit(0, memory="1g", cpus=1.0)


def test_what_is_up_is_named_when_something_else_is_asked_for(store: LeaseStore, tmp_path: Path) -> None:
    end = Endpoint(service="cache", kind="redis", runtime="external", url="redis://h", variable="REDIS_URL")
    made = Environment(id="a1", name="small", project="p", made=1.0, endpoints=(end,), complete=True)
    records.save(store, made)
    (records.folder_of(store) / "damaged.json").write_text("{")
    assert inspection.owner_of(store, made) == ("nobody", "none")
    assert inspection.find_endpoint(store, "p", "cache")[1] == end
    with pytest.raises(UsageError, match=r"no environment 'b' is up in p; up: small \(a1\)"):
        inspection.find_environments(store, "p", ["b"])
    with pytest.raises(UsageError, match="'database' is not up in p; up: cache"):
        inspection.find_endpoint(store, "p", "database")
    with pytest.raises(UsageError, match="up: none"):
        inspection.find_environments(store, "other", ["b"])
    assert with_urls({"A": "1"}, made) == {"A": "1", "REDIS_URL": "redis://h"}
    assert made.endpoint("cache", 2) is None
