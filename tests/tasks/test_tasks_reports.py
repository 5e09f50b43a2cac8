"""``invoke reports.*`` as scripts call it: words, files, exit codes."""

import json
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from invoke.program import Program

from toolkit.tasks import ns

GOOD = "<testsuite><testcase name='a'/><testcase name='b'><failure>no</failure></testcase></testsuite>"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text("from toolkit.tasks import ns\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\nversion = '1'\n[tool.toolkit]\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one-a.xml").write_text(GOOD)
    (tmp_path / "in" / "two b.xml").write_text(GOOD)
    return tmp_path


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Invoke = Callable[..., Done]


@pytest.fixture
def invoke(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Run one command line in this process."""
    monkeypatch.chdir(project)

    def run(*words: str) -> Done:
        capsys.readouterr()
        code: object = 0
        try:
            Program(namespace=ns).run(["invoke", *words])
        except SystemExit as exit_:
            code = exit_.code or 0
        told = capsys.readouterr()
        return Done(int(str(code)), told.out, told.err)

    return run


def test_files_follow_the_options(project: Path) -> None:
    """The interface that scripts rely on: ``--output DIR PATH…``, exit 0, three files."""
    words = ("reports.aggregate", "--output", "out", "in/one-a.xml", "in/two b.xml")
    command = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads((project / "out/summary.json").read_text())
    assert told["summary"]["tests"] == 4
    assert told["summary"]["failed"] == 2
    assert told["summary"]["success_rate"] == 0.5
    assert [file["path"] for file in told["files"]] == ["in/one-a.xml", "in/two b.xml"]
    assert {"path", "tests", "failed", "errors", "skipped"} <= set(told["files"][0])
    assert told["bad_files"] == []
    assert {path.name for path in (project / "out").iterdir()} == {
        "summary.json",
        "summary.md",
        "report.html",
    }
    assert done.stdout.startswith("FAIL 50.0 %: 4 tests")


def test_a_bad_file_gives_exit_code_3_and_the_rest_is_counted(project: Path, invoke: Invoke) -> None:
    (project / "in" / "bad.xml").write_text("<testsuite><testcase name='a'/>")
    done = invoke("reports.aggregate", "--output=out", "in", "--json")
    assert done.returncode == 3
    assert "bad.xml: line 1" in done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((project / "out/summary.json").read_text())
    assert told["summary"]["tests"] == 4
    assert [bad["path"] for bad in told["bad_files"]] == ["in/bad.xml"]


def test_a_gate_can_be_made_of_it(project: Path, invoke: Invoke) -> None:
    assert invoke("reports.aggregate", "--fail", "in").returncode == 1
    assert (project / "reports" / "summary.json").is_file(), "the folder of the config is the default"


def test_no_path_is_a_usage_error(invoke: Invoke) -> None:
    done = invoke("reports.aggregate")
    assert done.returncode == 2
    assert "no path given" in done.stderr


def test_what_was_written_is_shown(project: Path, invoke: Invoke) -> None:
    assert invoke("reports.summary").returncode == 3
    assert invoke("reports.open").returncode == 3
    invoke("reports.aggregate", "in")
    assert "FAIL 50.0%" in invoke("reports.summary").stdout
    assert invoke("reports.summary", "--markdown").stdout.startswith("# ")
    assert json.loads(invoke("reports.summary", "--json").stdout)["summary"]["tests"] == 4
    opened = invoke("reports.open", "--print-only")
    assert opened.stdout.strip() == (project / "reports/report.html").as_uri()
    (project / "in" / "bad.xml").write_text("")
    invoke("reports.aggregate", "in")
    assert "missing: in/bad.xml: not counted" in invoke("reports.summary").stdout
    (project / "reports/summary.json").write_text("{")
    assert invoke("reports.summary").returncode == 3


def test_reports_are_made_again_from_journals(project: Path, invoke: Invoke) -> None:
    """Every run of the newest build goes in; nothing recorded yet is an error."""
    assert invoke("reports.html").returncode == 3
    for run, build in (("20260101T000000-a", "b1"), ("20260102T000000-b", "b2"), ("20260102T000001-c", "b2")):
        folder = project / ".toolkit" / "runs" / run
        folder.mkdir(parents=True)
        lines = [
            {"kind": "run", "run": run, "started": 1.0, "build": build, "profile": run[-1]},
            {"kind": "attempt", "test": "t.py::a", "outcome": "passed"},
            {"kind": "finished", "finished": 2.0, "exit_code": 0},
        ]
        (folder / "controller.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = invoke("reports.html")
    assert done.returncode == 0, done.stderr
    told = json.loads((project / "reports/summary.json").read_text())
    assert [run["profile"] for run in told["runs"]] == ["b", "c"]
    assert "<testcase" in (project / "reports/junit.xml").read_text()
    done = invoke("reports.html", "--output", "one", "--json", "20260101T000000-a")
    assert [run["profile"] for run in json.loads(done.stdout)["runs"]] == ["a"]


def test_a_browser_that_does_not_answer_is_told(
    project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def refuse(address: str) -> bool:
        opened.append(address)
        return False

    monkeypatch.setattr(webbrowser, "open", refuse)
    invoke("reports.aggregate", "in")
    assert invoke("reports.open").returncode == 4
    assert opened == [(project / "reports/report.html").as_uri()]


def test_a_run_without_a_build_stands_alone(project: Path, invoke: Invoke) -> None:
    for run in ("20260101T000000-a", "20260102T000000-b"):
        folder = project / ".toolkit" / "runs" / run
        folder.mkdir(parents=True)
        (folder / "controller.jsonl").write_text(
            json.dumps({"kind": "run", "run": run, "started": 1.0}) + "\n"
        )
    assert invoke("reports.html").returncode == 0
    told = json.loads((project / "reports/summary.json").read_text())
    assert [run["run"] for run in told["runs"]] == ["20260102T000000-b"]
    assert told["complaints"] == ["20260102T000000-b: the run was interrupted"]
