"""``invoke pipeline.*`` with real Nox sessions: what people read, scripts rely on, and a kill leaves."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from tests.pipeline.conftest import planned
from toolkit.leases.owners import process_start
from toolkit.pipeline.plan import PipelinePlan, PlannedStage
from toolkit.pipeline.state import new_state
from toolkit.tasks.pipeline_view import HEARTBEAT, Lines, Picture, watching

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

Run = Callable[..., tuple[int, str, str]]
only_nox = pytest.mark.usefixtures("unmeasured")  # the processes here are Nox, without sessions of ours

STAGES = """
[tool.toolkit.pipeline]
grace = 20
stages = [
  { name = "fast", sessions = ["unit", "static"] },
  { name = "smoke", sessions = ["smoke"], needs_url = true },
  { name = "gates", sessions = ["gates"], optional = true },
]
"""
NOXFILE = """
import nox, pathlib

@nox.session(venv_backend="none")
def unit(session): session.log("unit ran")

@nox.session(venv_backend="none")
def static(session):
    pathlib.Path("static.pid").write_text(str(__import__("os").getpid()))
    if pathlib.Path("wait").exists():
        session.run("python", "-c", "import time; time.sleep(60)", external=True)
    if pathlib.Path("broken").exists():
        session.error("static is broken")

@nox.session(venv_backend="none")
def smoke(session): session.log(session.env.get("API_URL") or __import__("os").environ["API_URL"])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three sessions that need no environment."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text(STAGES)
    (root / "noxfile.py").write_text(NOXFILE)
    (root / ".gitignore").write_text("*.pid\nwait\nbroken\n")
    (root / "tasks.py").write_text("from toolkit.tasks import ns\n")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TOOLKIT_NOTIFY", raising=False)
    return root


@only_nox
def test_a_pipeline_that_passes(project: Path, invoke: Run) -> None:
    code, out, err = invoke("pipeline.run", "--url", "http://127.0.0.1:1")
    assert code == 0, out + err
    assert "fast: unit begins" in out
    assert "smoke: smoke passed after" in out
    assert "http://127.0.0.1:1" in next(project.glob(".toolkit/pipelines/*/smoke-smoke-1.log")).read_text()
    code, out, _ = invoke("pipeline.show", "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["tries"]) == (0, "passed", 1)
    assert [stage["status"] for stage in told["stages"]] == ["passed", "passed", "left out"]
    assert told["stages"][0]["steps"][0]["sessions"] == {"unit": "success"}
    code, out, _ = invoke("pipeline.resume")
    assert code == 0
    assert "has passed: nothing to resume" in out


@only_nox
@pytest.mark.slow
def test_a_pipeline_that_fails_is_resumed(
    project: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_NOTIFY", "nonsense")
    (project / "broken").touch()
    code, out, err = invoke("pipeline.run", "--json")
    assert code == 1
    assert json.loads(out)["stages"][0]["reason"] == "static: exit code 1: static failed"
    assert "static is broken" in err
    assert "not told: 1: Apprise does not understand the address" in err
    (project / "broken").unlink()
    code, out, _ = invoke("pipeline.resume", "--dry-run")
    assert code == 0
    assert "pending" in out
    (project / "new.py").touch()
    code, out, err = invoke("pipeline.resume")
    assert code == 2
    assert "the code has changed since pipeline" in err
    assert "new.py" in err
    code, out, _ = invoke("pipeline.resume", "--anyway")
    assert code == 0
    assert "static begins" in out
    assert "unit begins" not in out
    assert "in 2 tries" in invoke("pipeline.show")[1]


def test_a_dry_run_names_commands_and_leaves_nothing(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("pipeline.run", "--dry-run")
    assert code == 0
    assert "--session static" in out
    assert "2. smoke, then stop if it fails (left out: no URL of a deployment is given)" in out
    assert "not in the noxfile: gates" in out
    code, out, _ = invoke("pipeline.run", "--dry-run", "--json", "--stage", "gates", "--stage", "fast")
    assert [stage["name"] for stage in json.loads(out)["stages"]] == ["fast", "gates"]
    _, out, _ = invoke("pipeline.run", "--dry-run", "--json", "--url", "https://me:s3cret@example.org/x")
    assert json.loads(out)["url"] == "https://me:***@example.org/x"
    assert not (project / ".toolkit").exists()


def test_a_session_that_is_not_declared_is_named_before_anything_starts(project: Path, invoke: Run) -> None:
    text = (project / "pyproject.toml").read_text().replace('"static"', '"statik"')
    (project / "pyproject.toml").write_text(text)
    code, _, err = invoke("pipeline.run")
    assert code == 2
    assert "stage 'fast': unknown session 'statik' (did you mean 'static'?)" in err
    assert not (project / ".toolkit").exists()


def start(project: Path) -> subprocess.Popen[str]:
    """Start a pipeline whose session ``static`` waits, and wait until it does."""
    (project / "wait").touch()
    running = subprocess.Popen(
        [sys.executable, "-m", "invoke", "pipeline.run"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not _unit_passed(project):
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return running


def _unit_passed(project: Path) -> bool:
    states = [json.loads(path.read_text()) for path in project.glob(".toolkit/pipelines/*/state.json")]
    return (project / "static.pid").exists() and [
        step["status"] for state in states for step in state["stages"][0]["steps"]
    ] == ["passed", "running"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_sigterm_leaves_no_process_behind(project: Path, invoke: Run) -> None:
    running = start(project)
    running.send_signal(signal.SIGTERM)
    out = running.communicate(timeout=60)[0]
    assert running.returncode == 143, out
    assert "pipeline.resume takes up pipeline" in out
    assert process_start(int((project / "static.pid").read_text())) is None
    assert json.loads(invoke("pipeline.show", "--json")[1])["verdict"] == "interrupted"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_pipeline_is_resumed_where_it_was(project: Path, invoke: Run) -> None:
    running = start(project)
    running.kill()
    running.communicate()
    left = int((project / "static.pid").read_text())
    code, out, _ = invoke("pipeline.show")
    assert code == 0
    assert "interrupted after" in out
    (project / "wait").unlink()
    assert json.loads(invoke("pipeline.resume", "--dry-run", "--json")[1])["verdict"] == "interrupted"
    code, out, err = invoke("pipeline.resume")
    assert code == 0, out + err
    assert process_start(left) is None, "what the killed pipeline left runs no more"
    assert "static passed" in out
    assert "unit begins" not in out


@only_nox
def test_good_news_is_told_only_to_who_wants_it(
    project: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without Apprise it is said that nobody was told; the verdict stays."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setenv("TOOLKIT_NOTIFY", "json://127.0.0.1:9")
    code, out, err = invoke("pipeline.run", "--stage", "fast")
    assert code == 0, out + err
    assert "nobody was told: a notification needs the package 'apprise'" in err
    with (project / "pyproject.toml").open("a") as stream:
        stream.write('[tool.toolkit.notifications]\non = "failure"\n')
    code, out, err = invoke("pipeline.run", "--stage", "fast", "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "passed")
    assert "nobody was told" not in err
    assert json.loads(invoke("pipeline.resume", "--json")[1])["verdict"] == "passed"
    assert json.loads(invoke("pipeline.resume", "--json", "--dry-run")[1])["tries"] == 1


@only_nox
def test_a_pipeline_that_cannot_go_on_is_told_too(
    project: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.errors import EnvironmentFailed
    from toolkit.tasks import pipeline as door

    def fail(*_: object) -> None:
        raise EnvironmentFailed("no process can be started")

    monkeypatch.setattr(door, "carry_out", fail)
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setenv("TOOLKIT_NOTIFY", "json://127.0.0.1:9")
    code, _, err = invoke("pipeline.run", "--stage", "fast")
    assert code == 4
    assert "nobody was told: a notification needs" in err
    assert "no process can be started" in err


def test_only_one_pipeline_at_a_time(project: Path, invoke: Run) -> None:
    from toolkit.config import load_config
    from toolkit.pipeline.state import alone

    with alone(load_config(project)):
        code, _, err = invoke("pipeline.resume")
    assert code == 2
    assert "a pipeline of this project is running" in err


class Terminal(io.TextIOWrapper):
    """A file that says it is a terminal."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("wb"), encoding="utf-8")

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_table_and_a_long_pipe_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    plan = PipelinePlan(stages=(planned("a b"), PlannedStage(name="c", left_out="no URL")))
    state = new_state("id", plan, 0.0)
    step = state.stages[0].steps[0]
    step.status, step.seconds, step.reason, step.log = "failed", 2.0, "exit code 1", str(tmp_path / "log")
    (tmp_path / "log").write_text("the last words\n")
    with (tmp_path / "screen").open("w") as stream:
        console = Console(file=stream, force_terminal=True, width=120)
        with Live(console=console, auto_refresh=False) as live:
            picture = Picture(live, state)
            picture.began(state.stages[0], step)
            picture.look(())
            picture.ended(state.stages[0], step)
        lines = Lines(console)
        lines.look(())
        lines._spoke -= HEARTBEAT
        lines.look(())
        with watching(state, stream) as watcher:
            assert isinstance(watcher, Lines), "a file is no terminal"
    with Terminal(tmp_path / "terminal") as terminal, watching(state, terminal) as watcher:
        assert isinstance(watcher, Picture)
        watcher.look(())
        watcher.look(())
    assert "pipeline id" in (tmp_path / "terminal").read_text()
    screen = (tmp_path / "screen").read_text()
    for words in ("the last words", "exit code 1", "left out", "pending", "still running"):
        assert words in screen
