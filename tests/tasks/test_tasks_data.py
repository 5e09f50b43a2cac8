"""``invoke data.*`` on a real server: load, preview, validate, clean; other servers are refused."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.config import parse_config
from toolkit.databases.server import connect
from toolkit.leases.owners import new_owner
from toolkit.leases.store import LeaseStore
from toolkit.scenarios.files import Scenario
from toolkit.scenarios.loading import Data, Targets
from toolkit.services.provisioning import running
from toolkit.tasks import data

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

SCHEMA = "CREATE TABLE books (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL)"
SCENARIOS = {
    "shelf.yml": "tables: {books: 4}\ncache: [{key: 'tasks:{n}', value: 1, count: 2}]",
    "other.yaml": "seed: 3\ntables: {books: {rows: 2, values: {title: Emma}}}",
    "broken.yml": "tables: {bokks: 4}",
}


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("data-tasks")
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
    environ |= {"TOOLKIT_STATE_HOME": str(folder / "state"), "TOOLKIT_CACHE_HOME": str(folder / "cache")}
    config = parse_config({"tool": {"toolkit": {}}}, root=folder, environ={})
    with (
        LeaseStore(folder / "state") as store,
        running(config, ["database", "cache"], runtime="embedded", environ=environ, store=store) as found,
    ):
        with connect(found.urls["DATABASE_URL"]) as connection:
            connection.execute(SCHEMA)
        yield found.urls


@pytest.fixture
def project(tmp_path: Path, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("API_URL", "TOOLKIT_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name, url in urls.items():
        monkeypatch.setenv(name, url)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n[tool.toolkit]\n", encoding="utf-8")
    folder = tmp_path / "tests" / "data" / "scenarios"
    folder.mkdir(parents=True)
    for name, text in SCENARIOS.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ask(project: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a task in this process and return what it printed, JSON as values."""

    def run(task: Any, *words: Any, **options: Any) -> Any:
        capsys.readouterr()
        task.body(Context(), *words, **options)
        printed = capsys.readouterr().out
        return json.loads(printed) if options.get("json") else printed

    return run


def books(urls: dict[str, str]) -> int:
    with connect(urls["DATABASE_URL"]) as connection:
        return int(connection.execute("SELECT count(*) FROM books").fetchone()[0])


@pytest.mark.slow
def test_data_is_loaded_and_cleaned(ask: Any, urls: dict[str, str]) -> None:
    """What is loaded stays until it is cleaned; dry runs change nothing; two loads are told apart."""
    plan = ask(data.load, "shelf", [], dry_run=True, json=True)
    assert plan["made"] == {"books": 4, "cache tasks:{n}": 2}
    assert "would make 4 books" in ask(data.load, "shelf", [], dry_run=True)
    assert books(urls) == 0
    shelf = ask(data.load, "shelf", ["books=7"], seed=2, json=True)
    assert (shelf["seed"], shelf["made"], books(urls)) == (2, {"books": 7, "cache": 2}, 7)
    other = ask(data.load, "other", [])
    assert "made 2 books" in other
    number = other.split()[-1]
    assert f"would remove other ({number})" in ask(data.clean, [number], dry_run=True)
    assert ask(data.clean, ["other"], json=True)["removed"][0]["removed"] == 2
    assert books(urls) == 7
    assert f"removed shelf ({shelf['id']})" in ask(data.clean, [])
    assert books(urls) == 0
    assert "nothing is loaded" in ask(data.clean, [])


def test_data_of_a_living_test_is_left_alone_unless_named(
    ask: Any, urls: dict[str, str], project: Path
) -> None:
    targets = Targets(database=urls["DATABASE_URL"])
    used = Data(targets, project / ".toolkit" / "data", owner=new_owner("process"))
    loaded = used.load(Scenario(tables={"books": 1}), "used")
    assert f"kept used ({loaded.id}): in use by process {os.getpid()}" in ask(data.clean, [])
    assert f"kept used ({loaded.id}): in use" in ask(data.clean, ["used"])  # other loads may be meant
    assert f"kept used ({loaded.id}): in use" in ask(data.clean, ["used"], forget=True)
    assert books(urls) == 1
    assert ask(data.clean, [loaded.id], json=True)["kept"] == []
    assert books(urls) == 0


def test_what_is_just_being_loaded_is_left_alone(
    ask: Any, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its rows are committed, and before the last step; it stays afterwards until it is cleaned."""
    told: list[str] = []
    keep = Data.keep

    def kept(self: Data) -> None:
        told.append(ask(data.clean, []))
        keep(self)

    monkeypatch.setattr(Data, "keep", kept)
    ask(data.load, "other", [])
    assert "in use by process" in told[0]
    assert books(urls) == 2
    assert "removed other" in ask(data.clean, [])


def test_ledgers_of_servers_that_are_gone_are_forgotten_when_named(
    ask: Any, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    """Nothing is connected to; nothing is forgotten by accident."""
    number = ask(data.load, "other", [], json=True)["id"]
    with pytest.raises(Exit, match="name what is to be forgotten") as ended:
        ask(data.clean, [], forget=True)
    assert ended.value.code == 2
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/test")
        assert f"would forget other ({number})" in ask(data.clean, [number], forget=True, dry_run=True)
        assert ask(data.clean, ["other"], forget=True, json=True)["removed"][0]["forgotten"] is True
    assert list((project / ".toolkit" / "data").iterdir()) == []
    with connect(urls["DATABASE_URL"]) as connection:
        assert connection.execute("DELETE FROM books").rowcount == 2


def test_a_cache_that_does_not_answer_is_said_and_the_ledger_stays(
    ask: Any, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hidden-password@127.0.0.1:9")
    with pytest.raises(Exit, match=r"the cache at 127.0.0.1:9/0 does not answer") as ended:
        ask(data.load, "shelf", [])
    assert ended.value.code == 4
    monkeypatch.setenv("REDIS_URL", urls["REDIS_URL"])
    ask(data.load, "shelf", [])
    monkeypatch.setenv("REDIS_URL", "redis://:hidden-password@127.0.0.1:9")
    with pytest.raises(Exit, match="not everything"):
        ask(data.clean, [])
    assert f"its cache entries are in {urls['REDIS_URL'].rpartition('@')[2]}" in capsys.readouterr().out
    monkeypatch.setenv("REDIS_URL", urls["REDIS_URL"])
    assert "removed shelf" in ask(data.clean, [])
    assert books(urls) == 0


def test_preview_shows_rows_and_changes_nothing(ask: Any, urls: dict[str, str]) -> None:
    """The same each time."""
    shown = ask(data.preview, "other", [], json=True)
    assert shown == {"books": [{"id": 1, "title": "Emma"}, {"id": 2, "title": "Emma"}]}
    assert ask(data.preview, "other", ["books=1"]).startswith("books: 1 rows\n  {")
    assert books(urls) == 0


def test_validate_names_what_cannot_be_used(
    ask: Any, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(data.validate, ["shelf", "other"]) == "shelf: fine\nother: fine\n"
    with pytest.raises(Exit) as ended:
        ask(data.validate, [], json=True)
    assert ended.value.code == 3
    found = {row["scenario"]: row for row in json.loads(capsys.readouterr().out)["scenarios"]}
    assert [found[name]["valid"] for name in ("shelf", "other", "broken")] == [True, True, False]
    assert "'bokks'" in found["broken"]["why"]
    assert "books" in found["broken"]["why"]


@pytest.mark.parametrize(
    ("task", "words"),
    [(data.load, ("shelf", [])), (data.preview, ("shelf", [])), (data.validate, (["shelf"],))],
)
def test_servers_that_are_no_test_servers_are_refused(
    ask: Any, task: Any, words: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hidden@db.example.com/live")
    with pytest.raises(Exit, match="is not known to be a test server") as ended:
        ask(task, *words)
    assert ended.value.code == 4
    assert "hidden" not in str(ended.value)


def test_a_cache_that_is_no_test_server_is_refused_too(
    ask: Any, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://cache.example.com")
    with pytest.raises(Exit, match=r"cache\.example\.com:6379 is not known to be a test server"):
        ask(data.load, "shelf", [])
    assert books(urls) == 0


def test_what_is_elsewhere_is_kept_and_ends_with_4(
    ask: Any, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(data.load, "other", [])
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/test")
        with pytest.raises(Exit, match="not everything could be removed") as ended:
            ask(data.clean, [])
    assert ended.value.code == 4
    assert "kept other" in capsys.readouterr().out
    ask(data.clean, [])
    assert books(urls) == 0


@pytest.mark.parametrize(
    ("name", "rows", "message"), [("shelv", [], "shelf"), ("shelf", ["books"], "expected TABLE=COUNT")]
)
def test_wrong_words_are_usage_errors(ask: Any, name: str, rows: list[str], message: str) -> None:
    with pytest.raises(Exit, match=message) as ended:
        ask(data.load, name, rows)
    assert ended.value.code == 2
