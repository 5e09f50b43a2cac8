"""``invoke tests.*`` on a project with real pollution, recorded with and without workers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import invoke_in

pytestmark = pytest.mark.usefixtures("unmeasured")

SUITE = """
import pytest
state = {"dirty": False, "ready": False}
@pytest.mark.parametrize("i", range(12))
def test_innocent(i): pass
def test_polluter(): state["dirty"] = True
@pytest.mark.parametrize("i", range(5))
def test_more(i): pass
def test_victim(): assert not state["dirty"]
def test_helper(): state["ready"] = True
def test_brittle(): assert state["ready"]
def test_broken(): assert 0
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the others cost 0.6 s a run
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist -p toolkit")
    (tmp_path / "pyproject.toml").write_text('[tool.toolkit]\n[project]\nname = "p"\n')
    (tmp_path / "test_it.py").write_text(SUITE)
    return tmp_path


def run_pytest(project: Path, *arguments: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    assert subprocess.run(command, cwd=project, check=False, capture_output=True).returncode in {0, 1}


def invoke(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return invoke_in(project, *words, environ=os.environ)


def bisect(project: Path, test: str) -> Any:
    result = invoke(project, "tests.bisect", test, "--json")
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
def test_the_polluter_is_found_in_the_order_of_an_xdist_worker(project: Path) -> None:
    run_pytest(project, "-n", "1")
    found = bisect(project, "test_it.py::test_victim")
    assert found["kind"] == "polluter"
    assert found["worker"] == "gw0"
    assert found["tests"] == ["test_it.py::test_polluter"]
    shown = subprocess.run(
        found["command"].replace("python", sys.executable, 1).split(),
        cwd=project,
        check=False,
        capture_output=True,
    )
    assert shown.returncode == 1, "the printed command shows it"
    assert b"1 failed, 1 passed" in shown.stdout


@pytest.mark.slow
def test_broken_tests_and_helpers_are_told_apart(project: Path) -> None:
    run_pytest(project)
    assert bisect(project, "test_it.py::test_broken")["kind"] == "alone"
    run_pytest(project, "test_it.py::test_brittle")
    first = json.loads(invoke(project, "history.runs", "--json").stdout)[-1]["run"]
    result = invoke(project, "tests.bisect", "test_it.py::test_brittle", "--run", first)
    assert result.returncode == 0, result.stderr
    assert "passes only after:\n  test_it.py::test_helper" in result.stdout


@pytest.mark.slow
def test_replay_repeats_the_order_of_a_worker(project: Path) -> None:
    run_pytest(project, "-n", "2", "--order=random:3")
    runs = sorted((project / ".toolkit" / "runs").iterdir())
    journal = [json.loads(line) for line in (runs[-1] / "gw1.jsonl").read_text().splitlines()]
    order = [line["test"] for line in journal if line["kind"] == "attempt"]
    dry = invoke(project, "tests.replay", runs[-1].name, "gw1", "--dry-run")
    assert dry.stdout.splitlines()[-len(order) :] == order
    done = invoke(project, "tests.replay", runs[-1].name, "gw1")
    again = max((project / ".toolkit" / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert again != runs[-1]
    lines = [json.loads(line) for line in (again / "controller.jsonl").read_text().splitlines()]
    assert [line["test"] for line in lines if line["kind"] == "attempt"] == order
    assert done.returncode in {0, 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tests.replay", "latest", "gw7"], "its workers: main"),
        (["tests.bisect", "test_it.py::test_innocent[1]"], "did not fail in any recorded run"),
        (["tests.bisect", "test_it.py::test_broken", "--run", "never"], "no run 'never' in the history"),
        (["tests.replay", "never", "gw0"], "no run 'never'"),
    ],
)
def test_mistakes_are_named(project: Path, words: list[str], message: str) -> None:
    run_pytest(project, "-k", "innocent")
    result = invoke(project, *words)
    assert result.returncode == 2
    assert message in result.stderr + result.stdout
