"""``shared_resource`` in real runs: made once, seen by all workers, removed by the last."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

CONFTEST = """
import json, os, time
from pathlib import Path
import pytest

LOG = Path({log!r})

def note(what, value):
    with LOG.open("a") as stream:
        stream.write(json.dumps([what, value, os.environ.get("PYTEST_XDIST_WORKER", "main")]) + "\\n")

def make():
    time.sleep(0.1)
    note("made", os.getpid())
    return {{"by": os.getpid()}}

def remove(value):
    note("removed", value["by"])
    {remove}

@pytest.fixture(scope="session")
def index(shared_resource):
    return shared_resource("index", make, remove)
"""


Run = Callable[..., tuple[pytest.RunResult, list[list[str]]]]


@pytest.fixture
def go(pytester: pytest.Pytester, active: Path, run: Callable[..., pytest.RunResult]) -> Run:
    """Run the project, whose resource notes what is done with it."""

    def start(*words: str, remove: str = "") -> tuple[pytest.RunResult, list[list[str]]]:
        log = active / "log"
        pytester.makeconftest(CONFTEST.format(log=str(log), remove=remove))
        result = run("--no-record", *words, apart=True)  # what is shared is owned by processes
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return result, [json.loads(line) for line in lines]

    return start


def test_once_per_run_also_when_workers_end_early_or_are_killed(
    pytester: pytest.Pytester, active: Path, go: Run
) -> None:
    """Three workers: one asks at once and is ready, one asks late, one is killed while it holds it."""
    pytester.makepyfile(
        """
        import os, signal, time
        from pathlib import Path
        from toolkit.leases.owners import process_start

        def wait_for(found):
            end = time.monotonic() + 60
            while not found():
                assert time.monotonic() < end
                time.sleep(0.01)

        EARLY, KILLED = Path("early"), Path("killed")

        def test_early(index):
            EARLY.touch()

        def test_killed(index):
            wait_for(EARLY.exists)
            KILLED.with_suffix(".new").write_text(str(os.getpid()))
            KILLED.with_suffix(".new").rename(KILLED)
            os.kill(os.getpid(), signal.SIGKILL)

        def test_late(request):
            wait_for(KILLED.exists)
            before = int(KILLED.read_text())
            wait_for(lambda: process_start(before) is None)
            assert request.getfixturevalue("index")["by"]
        """
    )
    result, log = go("-n", "3", "--dist", "load")
    result.assert_outcomes(passed=2, failed=1)
    assert [line[0] for line in log] == ["made", "removed"]
    assert log[0][1] == log[1][1]
    assert list((active / ".toolkit" / "shared").iterdir()) == []


def test_without_workers_and_in_a_process_of_its_own(pytester: pytest.Pytester, go: Run) -> None:
    """An isolated test shares what the process has that started it; the failure of a removal is an error."""
    pytester.makepyfile(
        """
        import os, pytest

        def test_here(index):
            assert index["by"] == os.getpid()

        @pytest.mark.isolated
        def test_elsewhere(index):
            assert index["by"] == os.getppid()

        def test_not_json(shared_resource):
            shared_resource("bad", lambda: object())
        """
    )
    result, log = go(remove="raise RuntimeError('stuck')")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: stuck*", "*its value goes to other processes as JSON*"])
    assert [line[0] for line in log] == ["made", "removed"]


def test_what_a_worker_could_not_remove_fails_the_run(pytester: pytest.Pytester, go: Run) -> None:
    pytester.makepyfile("def test_a(index): pass")
    result, log = go("-n", "1", remove="raise RuntimeError('stuck')")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*gw0: shared resources could not be removed: RuntimeError: stuck*"])
    assert [line[0] for line in log] == ["made", "removed"]


def test_a_project_that_cannot_be_written_to_runs_all_the_same(
    pytester: pytest.Pytester, active: Path, go: Run
) -> None:
    active.joinpath(".toolkit").write_text("in the way", encoding="utf-8")
    pytester.makepyfile("def test_a(): pass")
    result, _ = go("-n", "1")
    result.assert_outcomes(passed=1)
