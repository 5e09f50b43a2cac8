"""``invoke load.*`` and the fixture ``load``: names, addresses, exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.load.scenarios import LoadScenario
from toolkit.load.verdicts import ActionFigures, LoadResult
from toolkit.tasks import load as tasks

Invoke = Callable[..., tuple[int, str, str]]

SCENARIO = 'rate = 20\n[[actions]]\nname = "show"\npath = "/"\n'
FIGURES = ActionFigures(name="show", requests=5, mean_ms=1, p50_ms=1, p95_ms=1, p99_ms=1, max_ms=1)
RESULT = LoadResult(
    wanted_rate=20, sent_rate=20, throughput=20, error_rate=0.1, all=FIGURES, actions=(FIGURES,),
    errors={"show: status 500": 2}, late_p99_ms=0.1, client_share=0.1, processes=1,
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tests" / "data" / "load"
    folder.mkdir(parents=True)
    (folder / "browse.toml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("API_URL", raising=False)
    return tmp_path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LoadScenario, str]]:
    """What would have been sent; each load ends with RESULT."""
    calls: list[tuple[LoadScenario, str]] = []

    def run(scenario: LoadScenario, url: str, **_: Any) -> LoadResult:
        calls.append((scenario, url))
        saturated = "too busy" if scenario.rate == 30 else ""
        failed = ("p99_ms: 1.0, expected at most 0.5",) if scenario.rate == 40 else ()
        return msgspec.structs.replace(RESULT, saturated=saturated, failed=failed)

    monkeypatch.setattr(tasks, "run_load", run)
    return calls


def test_the_exit_code_is_the_verdict(project: Path, invoke: Invoke, sent: list[Any]) -> None:
    """0 passed, 1 failed, 4 no verdict; the figures are in the reports either way."""
    code, out, _ = invoke("load.run", "browse", "--url", "http://x")
    assert code == 0
    assert "passed: 20.0 of 20 per second" in out
    assert "show: status 500" in out
    code, _, err = invoke("load.run", "browse", "--url", "http://x", "--rate", "30")
    assert (code, "refused" in err, "too busy" in err) == (4, True, True)
    code, out, err = invoke("load.run", "browse", "--url", "http://x", "--rate", "40", "--json")
    assert (code, json.loads(out)["verdict"]) == (1, "failed")
    written = json.loads((project / "reports" / "load" / "browse.json").read_bytes())
    assert (written["verdict"], written["altered"]) == ("failed", ["rate"])
    assert [scenario.rate for scenario, _ in sent] == [20, 30, 40]


def test_the_address_is_given_or_found(
    project: Path, invoke: Invoke, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = invoke("load.run", "browse")
    assert code == 2
    assert "services.up" in err
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    assert invoke("load.run", "browse")[0] == 0
    assert sent[-1][1] == "http://127.0.0.1:9"
    code, out, _ = invoke("load.run", "browse", "--dry-run", "--duration", "7")
    assert json.loads(out)["scenario"]["duration"] == 7
    assert len(sent) == 1


def test_scenarios_are_listed(project: Path, invoke: Invoke) -> None:
    assert "browse" in invoke("load.list")[1]
    assert json.loads(invoke("load.list", "--json")[1])["browse"]["rate"] == 20
    assert invoke("load.run", "nothing")[0] == 2


def test_the_limit_is_found_and_told(
    project: Path, invoke: Invoke, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By short steps from the scenario's rate on: 20 holds, 40 does not."""
    code, out, err = invoke("load.limit", "browse", "--url", "http://x", "--seconds", "0.5", "--json")
    found = json.loads(out)
    assert (code, found["held"], found["gave_in"]) == (0, pytest.approx(33.636, abs=0.01), "server")
    assert [scenario.duration for scenario, _ in sent] == [0.5] * 4
    assert "40 per second: failed" in err
    assert "nothing gave in" in invoke("load.limit", "browse", "--url", "http://x", "--most", "25")[1]
    assert invoke("load.limit", "browse", "--seconds", "0")[0] == 2


def test_a_worker_runs_the_same_scenario(
    project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tasks, "worker_command", lambda master: ["sh", "-c", f"test $TOOLKIT_LOAD_PROCESSES = {master}"]
    )
    assert invoke("load.worker", "browse", "3", "--of", "3")[0] == 0
    code, _, err = invoke("load.worker", "browse", "4", "--of", "3")
    assert (code, "locust ended with 1" in err) == (4, True)


def test_a_test_fails_with_what_does_not_hold(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    """And passes otherwise, with the figures in its record; the generator itself is replaced here."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("TOOLKIT_RUN_DIR", raising=False)
    encoded = msgspec.json.encode(RESULT).decode()
    (project / "conftest.py").write_text(
        "import msgspec, toolkit.load.running as r\n"
        "from toolkit.load.verdicts import LoadResult\n"
        f"RESULT = msgspec.json.decode({encoded!r}, type=LoadResult)\n"
        "def run(scenario, url):\n"
        "    return msgspec.structs.replace(RESULT, saturated='too busy' if url.endswith('busy') else '')\n"
        "r.run_load = run\n",
        encoding="utf-8",
    )
    (project / "test_it.py").write_text(
        "def test_good(load, request):\n"
        "    assert load('browse', url='http://x').throughput == 20\n"
        "    assert dict(request.node.user_properties)['load.browse.p99_s'] == 0.001\n"
        "def test_busy(load):\n"
        "    load('browse', url='http://busy')\n"
        "def test_without_a_server(load):\n"
        "    load('browse')\n",
        encoding="utf-8",
    )
    result = pytester.runpytest_subprocess("-p", "toolkit", f"--rootdir={project}", project / "test_it.py")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*load browse: refused:*too busy*", "*needs the running API server*"])
