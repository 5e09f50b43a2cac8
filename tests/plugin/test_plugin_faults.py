"""Processes die, disks fill up, people press Ctrl-C: the record is readable and names what is missing."""

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolkit.journal import read_run
from toolkit.records import Outcome, RunRecord

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,  # what it shows does not depend on the Python
]

Run = Callable[..., pytest.RunResult]
Record = Callable[[], RunRecord]


@pytest.fixture
def run(run: Run) -> Run:
    """Run pytest in a process of its own: it dies."""
    return functools.partial(run, apart=True)


DEATHS = {
    "exit": ("os._exit(3)", "its process exited with code 3"),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL (out of memory?)"),
    "segfault": ("ctypes.string_at(0)", "killed by SIGSEGV"),
}

SLEEPY = """
import pathlib, time
def test_first(): pass
def test_sleeps():
    pathlib.Path("asleep").touch()
    time.sleep(60)
def test_last(): pass
"""


def outcome_of(run: RunRecord, name: str) -> Outcome:
    return next(case.outcome for case in run.cases if case.test.endswith(f"::{name}"))


@pytest.mark.parametrize("how", DEATHS)
def test_a_worker_that_dies_is_named_with_its_test_and_the_rest_goes_on(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, how: str
) -> None:
    """In the terminal, in the journal and in the record; all other tests have their result."""
    code, reason = DEATHS[how]
    pytester.makepyfile(
        test_dies=f"""
        import ctypes, os, signal, pytest
        @pytest.mark.parametrize("x", range(6))
        def test_lives(x): pass
        def test_dies():
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            {code}
        @pytest.mark.parametrize("x", range(6))
        def test_lives_too(x): pass
        """
    )
    result = run("-n2", "-p", "no:faulthandler")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"gw* died while it ran test_dies.py::test_dies: {reason}"])
    found = record()
    (lost,) = found.lost
    assert (lost.test, lost.reason) == ("test_dies.py::test_dies", reason)
    assert outcome_of(found, "test_dies") is Outcome.CRASHED
    assert [case.outcome for case in found.cases].count(Outcome.PASSED) == 12
    assert found.complete


def test_the_process_dies_without_workers(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """Nobody is left to say so: the journal alone names the test and what was never run."""
    pytester.makepyfile(
        test_dies="""
        import os, signal
        def test_first(): pass
        def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
        def test_last(): pass
        """
    )
    assert run().ret == -signal.SIGKILL
    found = record()
    assert outcome_of(found, "test_first") is Outcome.PASSED
    assert outcome_of(found, "test_dies") is Outcome.CRASHED
    assert found.missing == ("test_dies.py::test_last",)
    assert not found.complete
    run("-k", "first").assert_outcomes(passed=1, deselected=2)


@pytest.fixture
def sleeping(active: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start pytest on tests of which the second sleeps, and wait until it does."""
    (active / "test_sleepy.py").write_text(SLEEPY, encoding="utf-8")
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=active,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        deadline = time.monotonic() + 30
        while not (active / "asleep").exists():
            assert time.monotonic() < deadline, "the test did not begin within 30 s"
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        return process

    yield start
    for process in started:
        with process:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def newest(root: Path) -> RunRecord:
    return read_run(next((root / ".toolkit" / "runs").iterdir()))


def test_kill_of_the_controller_leaves_a_record_that_says_what_is_missing(
    sleeping: Callable[..., subprocess.Popen[str]], active: Path
) -> None:
    """The workers notice by themselves; the header, what was collected and the results so far are there."""
    process = sleeping("-n2")
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = newest(active)
    assert found.header.workers == 2
    assert (found.finished, found.exit_code) == (None, None)
    results = {case.test.partition("::")[2] for case in found.cases}
    named = results | {test.partition("::")[2] for test in found.missing}
    assert named == {"test_first", "test_sleeps", "test_last"}
    assert not found.complete


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_ctrl_c_leaves_the_interrupted_test_without_a_result(
    sleeping: Callable[..., subprocess.Popen[str]], active: Path, workers: str
) -> None:
    """It has neither failed nor crashed: it is missing, like those that were never begun."""
    process = sleeping(workers)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    found = newest(active)
    assert [case.test for case in found.cases] == ["test_sleepy.py::test_first"]
    assert found.missing == ("test_sleepy.py::test_sleeps", "test_sleepy.py::test_last")
    assert found.exit_code == 2
    assert found.lost == ()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB; needs the right to mount, as CI machines and containers with it have."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a tmpfs here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_full_disk_neither_fails_tests_nor_hides_what_is_lost(
    pytester: pytest.Pytester, run: Run, full_disk: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """What fits is readable; what does not is counted in the terminal and named by the record."""
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('x', range(400))\ndef test_a(x): pass")
    monkeypatch.setenv("TOOLKIT_RUN_DIR", str(full_disk / "run"))
    result = run("-q", workers)
    result.stdout.fnmatch_lines(["toolkit: * lines could not be written to *", "*400 passed*"])
    found = read_run(full_disk / "run")
    assert found.cases
    assert all(case.outcome is Outcome.PASSED for case in found.cases), "full is not crashed"
    assert len(found.cases) + len(found.missing) == 400
    assert not found.complete
    monkeypatch.setenv("TOOLKIT_RUN_DIR", str(pytester.path / "elsewhere"))
    assert run("-q", workers).ret == 0
    assert read_run(pytester.path / "elsewhere").complete
