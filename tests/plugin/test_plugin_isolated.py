"""Isolated tests: a process each, one merged result, whatever they do to their process."""

import json

import pytest

from toolkit.journal import read_run
from toolkit.records import Outcome

pytestmark = pytest.mark.usefixtures("alone")

SUITE = """
import os, signal, sys, time, pytest
ME = os.getpid()

@pytest.fixture(scope="module")
def shared():
    yield os.getpid()

def test_before(shared): assert shared == os.getpid()

@pytest.mark.isolated
@pytest.mark.parametrize("i", range(2))
def test_alone(shared, i):
    assert os.getpid() != int(os.environ["MAIN"]) and shared == os.getpid()
    sys.modules["polluted"] = i

@pytest.mark.isolated
def test_fails():
    print("said before")
    assert 1 == 2

@pytest.mark.isolated
def test_skips(): pytest.skip("not now")

@pytest.mark.isolated
def test_dies(): os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.isolated
def test_exits(): os._exit(7)

def test_after(shared): assert "polluted" not in sys.modules
"""

CONFTEST = """
import os
def pytest_configure(config):
    os.environ.setdefault("MAIN", str(os.getpid()))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("PYTEST_XDIST_WORKER", "TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "MAIN"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyprojecttoml("[tool.toolkit]\n")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=SUITE)
    return pytester


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]])
def test_each_runs_in_its_own_process_and_all_results_are_merged(
    project: pytest.Pytester, arguments: list[str]
) -> None:
    options = ["-p", "no:cacheprovider", "-p", "no:randomly", "--junitxml=out.xml", "-k", "test"]
    result = project.runpytest_subprocess(*options, *arguments, timeout=120)
    result.assert_outcomes(passed=4, failed=3, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "*test_dies: its process was killed by SIGKILL*",
            "*test_exits: its process ended with exit code 7*",
            "*assert 1 == 2*",
            "*said before*",
        ]
    )
    assert 'tests="8"' in (project.path / "out.xml").read_text()
    (folder,) = (project.path / ".toolkit" / "runs").iterdir()
    record = read_run(folder)
    assert len(record.cases) == 8
    assert record.complete
    outcomes = {case.test.rpartition("::")[2]: case.outcome for case in record.cases}
    assert outcomes["test_dies"] == outcomes["test_fails"] == Outcome.FAILED
    assert outcomes["test_skips"] == Outcome.SKIPPED
    assert not record.lost, "no worker died with the test"


def test_options_that_choose_do_not_confuse_the_process(project: pytest.Pytester) -> None:
    (project.path / "list.txt").write_text("test_it.py::test_alone[1]\n")
    options = ["-p", "no:cacheprovider", "--run-list", "list.txt", "--order=random", "-m", "isolated"]
    project.runpytest_subprocess(*options, timeout=60).assert_outcomes(passed=1, deselected=7)


def test_a_shared_fixture_before_and_in_another_module_is_torn_down(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_a="""
        import json, os, pytest
        @pytest.fixture(scope="module")
        def noisy():
            yield
            with open("torn.txt", "a") as stream: stream.write("a\\n")
        def test_user(noisy): pass
        @pytest.mark.isolated
        def test_isolated(): pass
        """,
        test_b="def test_next(): assert open('torn.txt').read() == 'a\\n'",
    )
    options = ["-p", "no:cacheprovider", "-p", "no:randomly", "test_a.py", "test_b.py"]
    project.runpytest_subprocess(*options, timeout=60).assert_outcomes(passed=3)
    assert json.dumps((project.path / "torn.txt").read_text()) == '"a\\n"'


@pytest.mark.slow
def test_a_timeout_ends_the_process_and_the_run_goes_on(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import time, pytest
        @pytest.mark.isolated
        def test_hangs(): time.sleep(60)
        def test_fine(): pass
        """
    )
    result = project.runpytest_subprocess("-p", "timeout", "--timeout=8", timeout=90)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*[Tt]imeout*"])
