"""``invoke tests.debug`` and its neighbours: what they type for you, and what they tell, on real runs."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.config import load_config
from toolkit.errors import EnvironmentFailed
from toolkit.records import Attempt, NodeId, Outcome
from toolkit.tasks import debugging
from toolkit.tasks.collecting import project_python
from toolkit.tasks.debugging import timed

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

SUITE = """
import logging, pathlib, time
def test_good():
    secret = 42
    logging.getLogger("shop").debug("counting to %d", secret)
    time.sleep(0.2)
def test_bad():
    local_word = "visible"
    assert local_word == "other"
def test_third_time():
    file = pathlib.Path("tries")
    file.write_text((file.read_text() if file.exists() else "") + "x")
    assert len(file.read_text()) != 3
def test_left_out():
    import pytest
    pytest.skip("not here")
"""
Run = Callable[..., tuple[int, str, str]]
GOOD, BAD = "test_it.py::test_good", "test_it.py::test_bad"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the others cost 0.6 s a run
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist -p toolkit -p no:cacheprovider")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n[tool.toolkit]\n', encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(invoke: Run, *words: str) -> list[str]:
    code, out, err = invoke(*words, "--dry-run")
    assert code == 0, err
    return shlex.split(out)


def test_debug_shows_all_there_is_and_keeps_the_exit_code(project: Path, invoke: Run) -> None:
    command = typed(invoke, "tests.debug", BAD)
    assert command[:3] == [sys.executable, "-m", "pytest"]
    assert command[-1] == BAD
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "local_word = 'visible'" in done.stdout
    assert invoke("tests.debug", GOOD)[0] == 0
    assert invoke("tests.debug", BAD)[0] == 1


FOREGROUND = """
import os, sys
from pathlib import Path
from toolkit.tasks.foreground import run_foreground
sys.exit(run_foreground([sys.executable, "-c", sys.argv[1]], Path.cwd(), os.environ))
"""
CLEANING = """
import sys, time
try:
    print("up", flush=True)
    while True:
        time.sleep(0.1)  # a signal just before it is noticed after it
except KeyboardInterrupt:
    time.sleep(0.7)  # longer than subprocess.run waits
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups to be interrupted")
def test_what_runs_in_the_foreground_has_its_time_after_ctrl_c() -> None:
    """The terminal interrupts both processes; the outer one leaves it to the inner one."""
    command = [sys.executable, "-c", FOREGROUND, CLEANING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == b"up\n"
        os.killpg(outer.pid, signal.SIGINT)
        assert outer.wait(timeout=60) == 7


def test_debug_prints_logs_as_they_come(project: Path, invoke: Run) -> None:
    command = typed(invoke, "tests.debug", GOOD)
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert "counting to 42" in done.stdout


def test_debug_stops_where_it_is_told_to(project: Path, invoke: Run) -> None:
    command = typed(
        invoke, "tests.debug", BAD, "--pdb", "--trace", "--arguments", "-k 'a b'", "--python", "py"
    )
    assert command[0] == "py"
    assert command[-5:] == ["--pdb", "--trace", BAD, "-k", "a b"]


def test_workers_are_as_many_as_said(project: Path, invoke: Run) -> None:
    assert typed(invoke, "tests.workers", "3", "a", "b")[-4:] == ["-n", "3", "a", "b"]
    assert typed(invoke, "tests.workers", "0")[-2:] == ["-n", "0"]
    assert invoke("tests.workers", "many")[0] == 2


def test_the_python_is_that_of_the_newest_environment(project: Path, invoke: Run) -> None:
    assert project_python(load_config(project)) == sys.executable
    python = project / ".nox" / "unit-3-12" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert project_python(load_config(project)) == str(python)
    assert typed(invoke, "tests.workers", "1")[0] == str(python)


def test_timing_runs_what_is_named_and_tells_computing_from_waiting(project: Path, invoke: Run) -> None:
    code, out, err = invoke("tests.timing", GOOD, BAD, "--json")
    assert code == 0, err
    told: dict[str, Any] = json.loads(out)
    good = next(row for row in told["tests"] if row["name"] == GOOD)
    assert good["call"] >= 0.2
    assert good["total"] - good["cpu"] >= 0.1
    assert told["total"]["tests"] == 2
    assert [row["name"] for row in told["files"]] == ["test_it.py"]
    code, out, _ = invoke("tests.timing")
    assert code == 2, "what was run for a look is not in the history"


def test_timing_of_a_recorded_run_is_a_table(project: Path, invoke: Run) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "test_it.py"]
    subprocess.run(command, cwd=project, capture_output=True, check=False)
    code, out, _ = invoke("tests.timing", "--limit", "2")
    assert code == 0
    assert "Files" in out
    assert GOOD in out
    assert "all" in out


def test_timing_of_nothing_says_what_pytest_said(project: Path, invoke: Run) -> None:
    code, _, err = invoke("tests.timing", "nowhere.py")
    assert code == 4
    assert "nowhere.py" in err


def test_a_sum_without_processor_time_does_not_pretend_to_know_it() -> None:
    def attempt(cpu: float | None) -> Attempt:
        return Attempt(test=NodeId("a"), outcome=Outcome.PASSED, duration=2.0, call=2.0, cpu=cpu)

    assert timed("x", [attempt(0.5), attempt(None)]).waiting is None
    assert timed("x", [attempt(0.5), attempt(0.5)]).waiting == 3.0
    assert timed("x", [attempt(2.5)]).waiting == 0.0


def test_repeat_ends_with_the_first_failure_and_shows_it(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("tests.repeat", "test_it.py::test_third_time", "--times", "9")
    assert code == 1
    assert "test_it.py::test_third_time failed at try 3" in out
    assert "assert 3 != 3" in out
    assert invoke("tests.repeat", GOOD, "--times", "0")[0] == 2


def test_repeat_tells_how_often_it_passed(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("tests.repeat", GOOD, "--times", "2", "--json")
    told = json.loads(out)
    assert (code, told["tries"], told["passed"], told["failed"]) == (0, 2, 2, 0)
    assert 0.2 <= told["shortest"] <= told["longest"]


def test_what_is_skipped_cannot_be_judged() -> None:
    skipped = Attempt(test=NodeId("a"), outcome=Outcome.SKIPPED, reason="not here")
    with pytest.raises(EnvironmentFailed, match="a was skipped: not here"):
        debugging._repeated(NodeId("a"), [skipped])


def test_repeat_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    good = Attempt(test=NodeId("a"), outcome=Outcome.PASSED, duration=0.25)
    debugging._tell(debugging._repeated(NodeId("a"), [good, good]))
    assert capsys.readouterr().out == "a passed 2 times (0.250 to 0.250 s)\n"


def test_a_profile_names_the_slow_function_and_keeps_a_page(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("tests.profile", GOOD)
    assert code == 0
    assert str(project / "reports" / "profile.html") in out
    assert "test_good" in (project / "reports" / "profile.html").read_text(encoding="utf-8")


def test_without_the_profiler_it_is_said_how_to_get_it(project: Path, invoke: Run) -> None:
    python = project / "python"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    code, _, err = invoke("tests.profile", GOOD, "--python", str(python))
    assert code == 2
    assert "nox-invoke-toolkit[profiling]" in err


def test_a_run_that_wrote_no_profile_is_no_profile(project: Path, invoke: Run) -> None:
    python = project / "python"
    python.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    python.chmod(0o755)
    code, _, err = invoke("tests.profile", GOOD, "--python", str(python))
    assert (code, "no profile was written" in err) == (4, True)
    assert "pyinstrument" in typed(invoke, "tests.profile", GOOD, "--python", str(python))
