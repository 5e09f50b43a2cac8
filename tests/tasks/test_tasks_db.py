"""`invoke db.*` on a real server: make, list, reset, clean up; nothing of others is touched."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import invoke_in

Invoke = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "migrations").mkdir()
    (folder / "migrations" / "1.sql").write_text("CREATE TABLE book (id int)", encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        "[project]\nname = 'shop'\n[tool.toolkit.databases]\nmigrations = 'migrations'\n", encoding="utf-8"
    )
    return folder


@pytest.fixture
def bare_invoke(project: Path) -> Invoke:
    """Run a task in the project, without a server."""
    own = {"TOOLKIT_STATE_HOME": str(project / "state"), "TOOLKIT_CACHE_HOME": str(project / "cache")}
    environ = {**{key: value for key, value in os.environ.items() if not key.endswith("_URL")}, **own}

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return invoke_in(project, *words, environ={**environ, **variables})

    return run


@pytest.fixture
def invoke(bare_invoke: Invoke, real_urls: dict[str, str]) -> Invoke:
    """Run a task in the project, with DATABASE_URL as a CI would give it, on a server of each runtime."""
    return lambda *words, **variables: bare_invoke(*words, **{**real_urls, **variables})


def test_a_database_lives_from_create_to_drop(invoke: Invoke) -> None:
    """It has the schema, a second create is refused, reset and drop take ours only."""
    made = invoke("db.create", "mine", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["url"].endswith("/mine")
    again = invoke("db.create", "mine")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    listed = json.loads(invoke("db.list", "--json").stdout)
    kinds = {row["name"]: row["kind"] for row in listed}
    assert kinds["mine"] == "named"
    assert kinds["postgres"] is None
    assert invoke("db.reset", "mine").returncode == 0
    assert "would be dropped" in invoke("db.drop", "mine", "--dry-run").stdout
    refused = invoke("db.drop", "postgres")
    assert (refused.returncode, "not touched" in refused.stderr) == (4, True)
    assert invoke("db.drop", "mine").returncode == 0
    assert invoke("db.drop", "mine").returncode == 2


def test_cleanup_prints_what_scripts_rely_on(invoke: Invoke) -> None:
    """`--json` is {"dropped": […], "kept": [{"name", "why"}]}; templates go only when asked."""
    assert invoke("db.template").returncode == 0
    done = json.loads(invoke("db.cleanup", "--json", "--dry-run").stdout)
    assert isinstance(done["dropped"], list)
    assert {"name", "why"} == set(done["kept"][0])
    assert any("template" in row["why"] for row in done["kept"])
    assert "dropped tk_template_" in invoke("db.cleanup", "--templates").stdout


def test_shards_are_numbered_and_used_again(invoke: Invoke) -> None:
    made = invoke("db.shards", "3", "--base", "shop", "--json")
    assert made.returncode == 0, made.stderr
    first = json.loads(made.stdout)
    assert [row["name"] for row in first] == ["shop_shard_1", "shop_shard_2", "shop_shard_3"]
    assert invoke("db.shards", "many").returncode == 2
    assert "3 shards, 0 of them new" in invoke("db.shards", "3", "--base", "shop").stdout


def test_the_url_of_a_database_can_be_asked(invoke: Invoke) -> None:
    assert invoke("db.url").stdout.strip().endswith("/test")
    assert invoke("db.url", "other").stdout.strip().endswith("/other")
    assert invoke("db.url", "a", "b").returncode == 2


def test_a_remote_server_is_refused(bare_invoke: Invoke) -> None:
    """Nothing connects to a server that nobody called a test server; its password is not printed."""
    done = bare_invoke("db.cleanup", "--url", "postgresql://u:hidden@db.example.com/test")
    assert done.returncode == 4
    assert "db.example.com:5432 is not known to be a test server" in done.stderr
    assert "hidden" not in done.stdout + done.stderr


def test_without_a_server_the_ways_to_get_one_are_named(bare_invoke: Invoke, project: Path) -> None:
    done = bare_invoke("db.list", DATABASE_URL="", TOOLKIT_STATE_HOME=str(project / "none"))
    assert done.returncode == 2
    assert "--url" in done.stderr
    assert "services.up" in done.stderr
