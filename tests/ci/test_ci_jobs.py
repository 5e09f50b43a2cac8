"""From Nox sessions to jobs: nothing is lost, nothing is doubled, what is wrong is named."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ci.conftest import Configure, own_session, profile_sessions
from toolkit.ci.jobs import chosen_sessions, make_jobs
from toolkit.ci.servers import servers_of, urls
from toolkit.config import Config, parse_config
from toolkit.errors import ConfigError, UsageError
from toolkit.noxfile import NoxSession

NOXFILE = """
import nox

@nox.session(python=["3.11", "3.12"])
def tests(session): ...

@nox.session
@nox.parametrize("django", ["4", "5"])
def matrix(session, django): ...

@nox.session(default=False)
def docs(session): ...
"""


def test_sessions_of_a_bare_nox_unless_some_are_named(tmp_path: Path, configure: Configure) -> None:
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    found = [row.session for row in chosen_sessions(configure(""))]
    assert found == ["tests-3.11", "tests-3.12", "matrix(django='4')", "matrix(django='5')"]
    found = [row.session for row in chosen_sessions(configure("ci.sessions=['docs','tests-3.12']"))]
    assert found == ["tests-3.12", "docs"]
    with pytest.raises(UsageError, match=r"unknown session 'dox' \(did you mean 'docs'\?\)"):
        chosen_sessions(configure("ci.sessions=['dox']"))
    with pytest.raises(UsageError, match=r"ci\.jobs: unknown session 'unit'"):
        chosen_sessions(configure("ci.jobs.unit.timeout=3"))
    (tmp_path / "noxfile.py").write_text("import nox\n@nox.session(default=False)\ndef a(session): ...\n")
    with pytest.raises(UsageError, match="a bare `nox` runs no session"):
        chosen_sessions(configure(""))


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.sampled_from([None, "3.11", "pypy3.11"])), min_size=1, unique=True
    )
)
def test_every_session_is_in_exactly_one_job(rows: list[tuple[str, str | None]]) -> None:
    sessions = [own_session(f"{name}-{python}" if python else name, name, python) for name, python in rows]
    jobs = make_jobs(Config(root=Path()), sessions)
    assert sorted(row.session for job in jobs for row in job.rows) == sorted(row.session for row in sessions)
    ids = [job.id for job in jobs]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) for name in ids)
    assert not {"plan", "report"} & set(ids)


def test_only_sessions_of_the_toolkit_are_profiles(configure: Configure) -> None:
    config = configure("ci.jobs.unit.shards=2")
    (made,) = make_jobs(config, profile_sessions(config, "unit-3.11", "unit-3.12"))
    assert made.profile
    assert [(row.session, row.python, row.shard) for row in made.rows] == [
        ("unit-3.11", "3.11", "1/2"),
        ("unit-3.11", "3.11", "2/2"),
        ("unit-3.12", "3.12", "1/2"),
        ("unit-3.12", "3.12", "2/2"),
    ]
    (own,) = make_jobs(configure(""), [own_session("unit")])
    assert not own.profile
    assert own.rows[0].python == "3.13"


def test_services_come_with_what_they_need(configure: Configure) -> None:
    config = configure(
        """
        services.api={kind="http",command=["serve"],needs=["database","cache"]}
        services.second={kind="postgres",variable="SECOND_URL",image="postgres:15",database="other"}
        services.own={kind="redis",command=["my-redis"],variable="OWN_URL"}
        services.broker={kind="nats"}
        environments.all={services=["api","second","own","broker","message_queue"]}
        environments.copies={services=["database"],instances=2}
        """
    )
    servers = servers_of(config, ("all", "api"))
    assert [server.name for server in servers] == ["second", "broker", "message-queue", "database", "cache"]
    assert urls(servers, "machine") == {
        "SECOND_URL": "postgresql://test:test@127.0.0.1:5432/other",
        "NATS_URL": "nats://127.0.0.1:4222",
        "AMQP_URL": "amqp://test:test@127.0.0.1:5672/test",
        "DATABASE_URL": "postgresql://test:test@127.0.0.1:5433/test",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
    }
    assert urls(servers, "network")["AMQP_URL"] == "amqp://test:test@message-queue:5672/test"
    assert servers[0].env["POSTGRES_INITDB_ARGS"] == "--no-sync"
    assert "max_connections=200" in servers[3].env["POSTGRES_INITDB_ARGS"]
    assert servers_of(config, ("copies",)) == ()


def test_one_server_for_one_variable(configure: Configure) -> None:
    config = configure('services.again={kind="redis"}')
    assert [server.name for server in servers_of(config, ("cache", "again"))] == ["cache"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('ci.jobs.unit.services=["databse"]', r"ci\.jobs\.unit\.services: .*did you mean 'database'"),
        ("ci.jobs.mine.shards=2", r"ci\.jobs\.mine\.shards: unknown profile 'mine'"),
        ("ci.jobs.unit.shards=0", r"ci\.jobs\.unit\.shards"),
        ('ci.actions."actions/checkout"="v4"', "expected a commit of 40 hex digits"),
        ('ci.target="soon"', r"ci\.target"),
        ('ci.python="python3"', r"ci\.python"),
    ],
)
def test_mistakes_are_named(configure: Configure, table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configure(table)


def test_a_profile_of_ones_own_is_known_by_its_description(tmp_path: Path) -> None:
    table = {"tool": {"toolkit": {"profiles": {"mine": {"markers": "x"}}}}}
    config = parse_config(table, root=tmp_path, environ={})
    text = "The profile 'mine' of [tool.toolkit.profiles]"
    (job,) = make_jobs(config, [NoxSession(session="mine", name="mine", description=text)])
    assert job.profile
