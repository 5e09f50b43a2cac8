"""``invoke services.*`` as a script uses it: what is printed where, with which exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.commands import invoke_in
from toolkit.leases.store import LeaseStore
from toolkit.services import provisioning

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

Invoke = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def invoke(own_world: Path) -> Iterator[Invoke]:
    """Run ``invoke`` in a project without Docker, in this terminal."""
    (own_world / "tasks.py").write_text("from toolkit.tasks import ns\n")
    (own_world / "pyproject.toml").write_text(
        '[tool.toolkit.services.database]\nruntime = "embedded"\n'
        '[tool.toolkit.services.cache]\nruntime = "embedded"\n'
        '[tool.toolkit.services.bad]\nkind = "http"\ncommand = ["sh", "-c", "echo here; exit 3"]\n'
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return invoke_in(own_world, *words, environ={**os.environ, "COLUMNS": "200"})

    yield run
    run("services.down")  # of a test that failed before its own: the session that owns it lives on


def test_a_session_of_work(invoke: Invoke, store: LeaseStore, capfd: pytest.CaptureFixture[str]) -> None:
    """Up, look, use, restart, reuse, down: URLs on standard output, progress beside it, all gone after."""
    up = invoke("services.up", "database", "cache", "--json")
    assert up.returncode == 0, up.stderr
    told = json.loads(up.stdout)
    assert set(told["urls"]) == {"DATABASE_URL", "REDIS_URL"}
    assert [row["runtime"] for row in told["services"]] == ["embedded", "embedded"]
    assert "ready on 127.0.0.1" in up.stderr
    passwords = [url.split("@")[0].rsplit(":", 1)[1] for url in told["urls"].values()]
    assert not any(password in up.stderr for password in passwords)

    url = invoke("services.url", "database").stdout.strip()
    assert url == told["urls"]["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS x")

    status = invoke("services.status", "--json")
    rows = json.loads(status.stdout)["services"]
    assert [(row["service"], row["state"]) for row in rows] == [("database", "ready"), ("cache", "ready")]
    assert not any(password in status.stdout for password in passwords)
    assert "ready" in invoke("services.status").stdout

    assert invoke("services.wait").stdout == "database: ready\ncache: ready\n"
    assert invoke("services.restart", "database").stdout == "database: ready\n"
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT x FROM kept").fetchone() == (7,)
    assert "Ready to accept connections" in invoke("services.logs", "cache").stdout
    assert (
        invoke("services.exec", "database", "--command", "sh -c 'echo $PGPORT $DATABASE_URL'").returncode == 0
    )
    assert capfd.readouterr().out.split()[1] == url

    again = invoke("services.up", "database", "cache", "--reuse")
    assert again.stdout.splitlines()[0] == f"DATABASE_URL={url}"
    swept = json.loads(invoke("services.sweep", "--json").stdout)["released"]
    assert [row for row in swept if row["project"] == told["project"]] == []

    preview = json.loads(invoke("services.down", "--dry-run", "--json").stdout)
    assert [row["id"] for row in preview["down"]] == [told["id"]]
    assert invoke("services.down").stdout == f"took down database+cache ({told['id']})\n"
    assert json.loads(invoke("services.status", "--json").stdout) == {"services": []}
    assert invoke("services.down").stdout == "nothing is up\n"
    assert list(store.leases()) == []


@pytest.mark.slow
def test_what_is_kept_survives_sweeps_and_dead_terminals(invoke: Invoke, store: LeaseStore) -> None:
    """``--keep`` is for good; without it the environment goes with the terminal that it was started in."""
    kept = json.loads(invoke("services.up", "cache", "--keep", "--json").stdout)
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'invoke', 'services.up', 'cache'])"
    )
    project = Path(kept["project"])
    subprocess.run(
        [sys.executable, "-c", script], cwd=project, check=True, start_new_session=True, capture_output=True
    )
    assert len(json.loads(invoke("services.status", "--json").stdout)["services"]) == 2
    swept = json.loads(invoke("services.sweep", "--json").stdout)
    released, left = (
        [row for row in swept[what] if row["project"] == str(project)] for what in ("released", "kept")
    )  # beside what others have, and leave
    assert {row["kind"] for row in released} == {"process", "folder", "environment"}, swept
    assert {row["why"].partition(" by ")[0] for row in left} == {"kept on purpose"}, swept
    (row,) = json.loads(invoke("services.status", "--json").stdout)["services"]
    assert (row["id"], row["state"], row["owner_state"]) == (kept["id"], "ready", "kept")
    assert invoke("services.down", kept["id"]).returncode == 0
    assert list(store.leases()) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["services.up", "databse"],
            2,
            "unknown environment or service 'databse' (did you mean 'database'?)",
        ),
        (["services.up", "--runtime", "dokcer"], 2, "--runtime: unknown runtime 'dokcer'"),
        (["services.up", "cache", "--runtime", "external"], 4, "REDIS_URL is not set"),
        (["services.up", "bad"], 4, "exit code 3"),
        (["services.url", "cache"], 2, "bring it up: invoke services.up cache"),
        (["services.down", "nothing"], 2, "no environment 'nothing' is up"),
        (["services.wait"], 2, "nothing is up"),
    ],
)
def test_mistakes_have_a_message_and_a_code(
    invoke: Invoke, store: LeaseStore, words: list[str], code: int, message: str
) -> None:
    done = invoke(*words)
    assert message in done.stderr
    assert done.returncode == code
    assert done.stdout == ""
    assert list(store.leases()) == []


def test_what_a_process_uses_is_spared_unless_named(
    invoke: Invoke, store: LeaseStore, own_world: Path
) -> None:
    """``services.down`` without names leaves the servers of a running test session alone."""
    from toolkit.config import load_config

    with provisioning.running(load_config(own_world), ["cache"], store=store) as found:
        assert f"left cache ({found.id}): in use by process {os.getpid()}" in invoke("services.down").stdout
        assert provisioning.answers(found)
        assert "took down" in invoke("services.down", found.id).stdout
        assert not provisioning.answers(found)
