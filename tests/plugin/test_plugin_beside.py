"""Ours works beside the plugins that people have: each really installed, one at a time."""

import contextlib
import functools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.records import RunRecord, pytest_counts

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,  # what it shows does not depend on the Python
]

Run = Callable[..., pytest.RunResult]
Record = Callable[[], RunRecord]


@pytest.fixture
def run(run: Run) -> Run:
    """Run pytest in a process of its own: other plugins set signals, seeds and tracers."""
    return functools.partial(run, apart=True)


SECOND_TIME = """
import pathlib, pytest
def second_time(name):
    file = pathlib.Path(f"{name}.seen")
    seen = file.exists()
    file.touch()
    return seen
"""


def tries(run: RunRecord, name: str) -> list[str]:
    case = next(case for case in run.cases if case.test.endswith(name))
    return [attempt.outcome.value for attempt in case.attempts]


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_rerunfailures_repeats_and_we_record_each_try(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    """With --reruns it decides; a marker with retries= is ours, any other flaky marker is its own."""
    pytester.makepyfile(
        SECOND_TIME
        + """
def test_late(): assert second_time("late")
def test_never(): assert 0
def test_passes(): pass
"""
    )
    result = run(workers, "--reruns=1", "--retries=5", beside=("rerunfailures",))
    result.assert_outcomes(passed=2, failed=1)
    found = record()
    assert tries(found, "test_late") == ["failed", "passed"]
    assert tries(found, "test_never") == ["failed", "failed"]
    assert tries(found, "test_passes") == ["passed"]
    assert [attempt.number for attempt in found.cases[0].attempts] == [1, 2]


def test_markers_of_rerunfailures_and_ours_live_side_by_side(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.flaky(reruns=1)
        def test_theirs(): assert 0
        @pytest.mark.flaky(retries=2)
        def test_ours(): assert 0
        """
    )
    run(beside=("rerunfailures",)).assert_outcomes(failed=2)
    assert len(tries(record(), "test_theirs")) == 2
    assert len(tries(record(), "test_ours")) == 3


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_each_try_has_its_own_time_limit(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, method: str
) -> None:
    """pytest-timeout sets one alarm for the whole protocol; a second try must not run without one."""
    pytester.makepyfile(
        SECOND_TIME
        + """
import time
@pytest.mark.timeout(1)
def test_slow_together():
    time.sleep(0.6)
    assert second_time("together")
@pytest.mark.timeout(0.3)
def test_hangs():
    if not second_time("fails"): assert 0
    time.sleep(30)
"""
    )
    result = run("--retries=1", f"--timeout-method={method}", beside=("timeout",))
    found = record()
    assert tries(found, "test_slow_together") == ["failed", "passed"]
    if method == "signal":
        result.assert_outcomes(passed=1, failed=1)
        assert tries(found, "test_hangs") == ["failed", "failed"]
        assert "Timeout" in found.cases[1].attempts[1].failures[0].message
    else:  # it ends the process, as it must: the test is named
        assert tries(found, "test_hangs") == ["failed", "crashed"]


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_asynchronous_tests_are_recorded_and_tried_again(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, plugin: str
) -> None:
    mark = "pytest.mark.asyncio" if plugin == "asyncio" else "pytest.mark.anyio"
    fixture = "import pytest_asyncio\n@pytest_asyncio.fixture" if plugin == "asyncio" else "@pytest.fixture"
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n" if plugin == "asyncio" else "[pytest]\n"
    )
    pytester.makepyfile(
        SECOND_TIME
        + f"""
import asyncio
@pytest.fixture
def anyio_backend(): return "asyncio"
{fixture}
async def value():
    await asyncio.sleep(0)
    yield 1
class TestAsync:
    @{mark}
    async def test_late(self, value):
        await asyncio.sleep(0.01)
        assert value == 1 and second_time("late")
@{mark}
async def test_passes(value): await asyncio.sleep(0)
"""
    )
    result = run("--retries=1", "-W", "error", beside=(plugin,))
    result.assert_outcomes(passed=2)
    assert tries(record(), "test_late") == ["failed", "passed"]
    assert (record().cases[0].attempts[0].call) >= 0.01


def test_randomly_decides_the_order_and_we_write_it_down(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('x', range(20))\ndef test_a(x): pass")
    run("-p", "randomly", "-p", "no:xdist", "--randomly-seed=1", beside=("randomly",)).assert_outcomes(
        passed=20
    )
    found = record()
    assert [case.test for case in found.cases] != sorted(case.test for case in found.cases)
    assert [case.attempts[0].order for case in found.cases] == list(range(20))
    assert pytest_counts(found)["passed"] == 20


def measured_lines(data: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(data)) as connection:
        return {Path(name).name for (name,) in connection.execute("select path from file")}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_cov_measures_workers_and_retried_tests(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    pytester.makepyfile(
        code="def double(x):\n    return 2 * x\n",
        test_code=SECOND_TIME
        + "from code_ import double\n".replace("code_", "code")
        + "def test_late():\n    assert double(2) == 4 and second_time('l')\n",
    )
    (active / "code.py").rename(active / "doubling.py")
    test = active / "test_code.py"
    test.write_text(test.read_text(encoding="utf-8").replace("from code import", "from doubling import"))
    run(
        workers, "--retries=1", "--cov=doubling", "--cov-report=json:cov.json", beside=("pytest_cov",)
    ).assert_outcomes(passed=1)
    report = json.loads((active / "cov.json").read_text(encoding="utf-8"))
    assert report["totals"]["percent_covered"] == 100
    assert tries(record(), "test_late") == ["failed", "passed"]


def test_coverage_of_workers_survives_their_end(
    pytester: pytest.Pytester, run: Run, active: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain coverage with its subprocess patch: each worker has written its data when its session ends.

    The worker is killed right after that, as a controller does that loses patience.
    """
    (active / "covered.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    (active / ".coveragerc").write_text(
        "[run]\nparallel = true\nsource = .\npatch = subprocess\n", encoding="utf-8"
    )
    pytester.makeconftest(
        """
        import os, pytest
        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure(config):
            if hasattr(config, "workerinput"):
                os.kill(os.getpid(), 9)
        """
    )
    pytester.makepyfile(
        """
        import covered, pytest
        @pytest.mark.parametrize("x", range(4))
        def test_a(x): assert covered.double(x) == 2 * x
        """
    )
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # of a measurement around this test
    monkeypatch.setenv("COVERAGE_PROCESS_START", str(active / ".coveragerc"))
    run("-n2").assert_outcomes(passed=4)
    data = list(active.glob(".coverage.*"))
    assert len(data) >= 2
    assert sum("covered.py" in measured_lines(file) for file in data) >= 2


def test_benchmarks_are_plain_tests_until_they_are_asked_for(
    pytester: pytest.Pytester, run: Run, active: Path
) -> None:
    """Measuring takes seconds for each; the preset leaves that to those who ask."""
    pytester.makepyfile("def test_a(benchmark): assert benchmark(lambda: 1) == 1")
    quick = run(beside=("benchmark",))
    quick.assert_outcomes(passed=1)
    quick.stdout.no_fnmatch_line("*Name (time in*")
    asked = run("--benchmark-only", "--benchmark-max-time=0.01", beside=("benchmark",))
    asked.stdout.fnmatch_lines(["*Name (time in*"])
