"""Whatever process is killed: what was recorded is kept, it is said what is missing, the next run works."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sessions.nox_project import Project

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX"),
]

SUICIDE = """
import os, signal

def test_before(): pass

def test_last_words():
    os.kill(os.getpid(), signal.SIGKILL)

def test_after(): pass
"""

WAITING = """
import pathlib, time

def test_before(): pass

def test_waits():
    pathlib.Path("waiting").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.05)

def test_after(): pass
"""


def eventually(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def test_pytest_is_killed(project: Project) -> None:
    project.write("tests/test_sums.py", SUICIDE)
    done = project.nox("-s", "unit", "--", "--order=declared")
    assert done.returncode == 1
    assert "unit: killed by signal 9" in done.stdout
    assert "the run was interrupted" in done.stdout
    assert "no result of tests/test_sums.py::test_after" in done.stdout
    assert "test_last_words" in done.stdout.partition("killed by signal 9")[2], "the culprit is named"
    (run,) = project.kept_runs()
    assert (run.passed, run.crashed, run.missing) == (1, 1, 1)
    assert run.finished is None
    project.write("tests/test_sums.py", "def test_fine(): pass\n")
    assert project.nox("-s", "unit").returncode == 0


def test_a_worker_is_killed(project: Project) -> None:
    """It is named with the test it ran; the other tests run elsewhere."""
    project.write("tests/test_sums.py", SUICIDE)
    done = project.nox("-s", "unit", "--", "-n", "2")
    assert done.returncode == 1
    told = done.stdout.partition("ran: python -m pytest")[2]
    assert "test_last_words" in told
    (run,) = project.kept_runs()
    assert (run.passed, run.crashed, run.missing) == (2, 1, 0)


@pytest.mark.parametrize("orphan_ends", [True, False])
def test_nox_is_killed(project: Project, orphan_ends: bool) -> None:
    """Its pytest may end by itself or be killed, too: the next command takes up what there is."""
    project.write("tests/test_sums.py", WAITING)
    first = project.start("-s", "unit", "--", "--order=declared")
    eventually((project.root / "waiting").exists, "the test to begin")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    if orphan_ends:
        (project.root / "go").touch()
        runs = project.root / ".toolkit" / "runs"
        eventually(
            lambda: any('"finished"' in path.read_text("utf-8") for path in runs.rglob("controller.jsonl")),
            "pytest to end",
        )
    else:
        os.killpg(first.pid, signal.SIGKILL)
        (project.root / "go").touch()
    second = project.nox("-s", "unit")
    assert second.returncode == 0, second.stdout
    if orphan_ends:
        assert "1 earlier runs are in the history now" in second.stdout
    else:
        assert "was interrupted with 2 of 3 tests recorded" in second.stdout
    assert sorted(run.passed for run in project.kept_runs()) == ([3, 3] if orphan_ends else [1, 3])


def test_a_run_that_still_goes_on_is_left_alone(project: Project) -> None:
    """Two commands at once: the second neither imports nor reports half of the first."""
    project.write("tests/test_sums.py", WAITING)
    first = project.start("-s", "unit")
    eventually((project.root / "waiting").exists, "the test to begin")
    second = project.nox("-s", "unit", "--", "-k", "test_before")
    assert second.returncode == 0, second.stdout
    assert "earlier run" not in second.stdout
    assert [run.tests for run in project.kept_runs()] == [1]
    (project.root / "go").touch()
    assert first.wait(60) == 0
    assert sorted(run.tests for run in project.kept_runs()) == [1, 3]


def test_control_c_ends_the_tests_and_keeps_the_record(project: Project) -> None:
    project.write("tests/test_sums.py", WAITING)
    first = project.start("-s", "unit", "--", "--order=declared")
    eventually((project.root / "waiting").exists, "the test to begin")
    os.killpg(first.pid, signal.SIGINT)
    assert first.wait(60) == 130
    (run,) = project.kept_runs()
    assert run.passed == 1
    assert run.exit_code == 2
    assert (project.root / "reports" / "report.html").is_file()


def test_a_torn_journal_is_told(project: Project) -> None:
    """A line cut by a full disk or a crash is named, never dropped in silence."""
    project.nox("-s", "unit")
    (folder,) = Path(project.root / ".toolkit" / "runs").iterdir()
    torn = folder.with_name("20200101T000000-abcdef")
    folder.rename(torn)
    lines = (torn / "controller.jsonl").read_bytes()
    renamed = lines.replace(folder.name.encode(), torn.name.encode())
    (torn / "controller.jsonl").write_bytes(renamed[:-20])
    done = project.nox("-s", "unit")
    assert "an earlier run, 20200101T000000-abcdef (unit), was interrupted" in done.stdout
