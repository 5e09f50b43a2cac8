"""The fixture ``chaos`` and ``invoke chaos.*``: in projects of users, with what is recorded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.journal import read_run
from toolkit.reports.writing import write_reports
from toolkit.services import provisioning

World = Any
Invoke = Callable[..., tuple[int, str, str]]

SCENARIO = """
description = "the cache is away for a moment"
[[faults]]
action = "pause"
service = "cache"
lasts = 0.1
"""


@pytest.fixture
def project(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project whose servers are up, with one scenario."""
    root: Path = world.root
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(world.folder / "state"))
    monkeypatch.chdir(root)
    (root / "pyproject.toml").write_text("[tool.toolkit]\nsource = []\n", encoding="utf-8")
    folder = root / "tests" / "data" / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "away.toml").write_text(SCENARIO, encoding="utf-8")
    (folder / "cut.toml").write_text('[[faults]]\naction = "cut"\nservice = "cache"\n', encoding="utf-8")
    return root


def test_tests_break_servers_and_the_record_has_the_recovery(
    world: World, project: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times of recovery are measures of the attempt; misuse is told without a traceback of ours."""
    for name, url in world.environment.urls.items():
        monkeypatch.setenv(name, url)
    monkeypatch.delenv("TOOLKIT_RUN_DIR", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (project / "test_it.py").write_text(
        "import os, redis\n"
        "def test_away(chaos):\n"
        "    client = redis.Redis.from_url(os.environ['REDIS_URL'])\n"
        "    chaos.steady('the cache answers', client.ping)\n"
        "    with chaos.fault('restart', 'cache', within=60):\n"
        "        pass\n"
        "    with chaos.scenario('away'):\n"
        "        pass\n"
        "    assert [each.action for each in chaos.recoveries] == ['restart', 'pause']\n"
        "    client.close()\n"
        "def test_way(chaos):\n"
        "    assert '127.0.0.1' in chaos.url('cache')\n"
        "    with chaos.fault('latency', 'cache', seconds=0.01):\n"
        "        pass\n"
        "def test_wrong(chaos):\n"
        "    with chaos.fault('explode', 'cache'):\n"
        "        pass\n"
        "def test_nothing_of_the_name(chaos):\n"
        "    with chaos.scenario('awy'):\n"
        "        pass\n",
        encoding="utf-8",
    )
    result = pytester.runpytest_subprocess(
        "-p", "toolkit", "-p", "no:cacheprovider", f"--rootdir={project}", project / "test_it.py"
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*explode of cache: Invalid enum value 'explode'*", "*awy*away*"])
    runs = project / ".toolkit" / "runs"
    record = read_run(max(runs.iterdir(), key=lambda folder: folder.stat().st_mtime_ns))
    measures = record.cases[0].attempts[0].measures
    assert set(measures) == {
        f"chaos.{action}.cache.{what}_s"
        for action in ("restart", "pause")
        for what in ("answered", "recovered")
    }
    assert all(0 <= value < 60 for value in measures.values())
    told = write_reports([record], project / "reports").recoveries
    first = [row for row in told if row.test == record.cases[0].test]
    assert {(row.action, row.service, row.answered) for row in first} == {
        (action, "cache", measures[f"chaos.{action}.cache.answered_s"]) for action in ("restart", "pause")
    }
    assert "## Recovery from faults" in (project / "reports" / "summary.md").read_text(encoding="utf-8")
    assert world.faults() == []


def test_invoke_plays_a_scenario_on_what_is_up(world: World, project: Path, invoke: Invoke) -> None:
    code, out, err = invoke("chaos.run", "away")
    assert code == 0, err
    assert "pause" in out
    assert "0 s: pause of cache" in err
    code, out, _ = invoke("chaos.run", "away", "--json")
    assert [row["action"] for row in json.loads(out)["recoveries"]] == ["pause"]
    assert world.faults() == []


def test_invoke_tells_before_it_does(world: World, project: Path, invoke: Invoke) -> None:
    code, out, _ = invoke("chaos.run", "away", "--dry-run", "--json")
    assert code == 0
    assert [step["what"] for step in json.loads(out)["steps"]] == ["begin", "undo"]
    assert "0.1 s" in invoke("chaos.run", "away", "--dry-run")[1]
    assert "the cache is away" in invoke("chaos.list")[1]
    listed = json.loads(invoke("chaos.list", "--json")[1])
    assert set(listed["scenarios"]) == {"away", "cut"}
    assert "slow_close" in listed["actions"]


def test_invoke_refuses_what_only_tests_can_do(world: World, project: Path, invoke: Invoke) -> None:
    code, _, err = invoke("chaos.run", "cut")
    assert code == 2
    assert "goes through a proxy" in err
    assert invoke("chaos.run", "nothing")[0] == 2


def test_invoke_fails_when_it_does_not_recover(
    world: World, project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.tasks.chaos._works", lambda _: False)
    code, _, err = invoke("chaos.run", "away")
    assert code == 4
    assert "steady before the scenario" in err
    assert provisioning.answers(world.environment)
