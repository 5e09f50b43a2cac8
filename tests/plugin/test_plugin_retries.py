"""A failed test is tried again inside its worker: every try is recorded, and a late pass is called flaky."""

from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.records import RunRecord

Run = Callable[..., pytest.RunResult]
Record = Callable[[], RunRecord]

COUNTING = """
import pathlib, unittest, pytest
def times(name):
    file = pathlib.Path(f"{name}.count")
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number
"""


def tries(run: RunRecord, name: str) -> list[tuple[int, str]]:
    case = next(case for case in run.cases if case.test.endswith(name))
    return [(attempt.number, attempt.outcome.value) for attempt in case.attempts]


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_each_try_is_whole_and_fresh_and_wide_fixtures_stay(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    """New function fixtures and a new instance for each try; class, module and session are set up once."""
    pytester.makepyfile(
        test_fresh=COUNTING
        + """
@pytest.fixture(scope="session")
def session(): times("session")
@pytest.fixture(scope="module")
def module(session):
    times("module")
    yield
    times("module_end")
@pytest.fixture(scope="class")
def klass(module): times("class")
@pytest.fixture
def function(klass, tmp_path):
    times("function")
    yield tmp_path
    times("function_end")
class TestFresh:
    dirty = False
    def test_third_time(self, function):
        assert not self.dirty
        self.dirty = True
        print("in try", times("test"))
        assert times("call") == 3
        counts = {name: pathlib.Path(f"{name}.count").read_text() for name in
                  ("session", "module", "class", "function", "function_end")}
        assert counts == {"session": "1", "module": "1", "class": "1", "function": "3", "function_end": "2"}
        assert not pathlib.Path("module_end.count").exists()
"""
    )
    result = run("--retries=2", workers)
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*flaky: 1*", "flaky: test_fresh.py::TestFresh::test_third_time passed on try 3"]
    )
    found = record()
    assert tries(found, "test_third_time") == [(1, "failed"), (2, "failed"), (3, "passed")]
    assert found.cases[0].flaky
    first, second, _ = found.cases[0].attempts
    assert first.failures[0].sections["stdout"] == "in try 1\n"
    assert second.failures[0].sections["stdout"] == "in try 2\n", "the output of one try only"
    assert (active / "module_end.count").read_text(encoding="utf-8") == "1"


def test_set_up_and_tear_down_are_tried_again_and_failed_wide_fixtures_too(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """A module fixture that failed keeps its error for ever unless it is ended between tries."""
    pytester.makepyfile(
        COUNTING
        + """
@pytest.fixture(scope="module")
def server(): assert times("server") == 2, "did not start"
def test_setup(server): pass
@pytest.fixture
def fails_after():
    yield
    assert times("after") == 2
def test_teardown(fails_after): pass
def test_last(): pass
"""
    )
    run("--retries=1").assert_outcomes(passed=3)
    assert tries(record(), "test_setup") == [(1, "error"), (2, "passed")]
    assert tries(record(), "test_teardown") == [(1, "error"), (2, "passed")]


def test_a_test_that_never_passes_fails_with_all_its_tries_on_record(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """The exit code, the counts and --maxfail see one failure, not three."""
    pytester.makepyfile("def test_never(): assert 0\ndef test_other(): pass")
    result = run("--retries=2", "--maxfail=2")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["failed on each of 3 tries"])
    result.stdout.no_fnmatch_line("*flaky:*")
    assert tries(record(), "test_never") == [(1, "failed"), (2, "failed"), (3, "failed")]


def test_the_marker_says_how_often_and_wins_over_the_option(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.flaky(retries=3)
        def test_three(): assert 0
        @pytest.mark.flaky(retries=0)
        def test_none(): assert 0
        @pytest.mark.flaky
        def test_label(): assert 0
        @pytest.mark.xfail
        def test_expected(): assert 0
        def test_skipped(): pytest.skip()
        """
    )
    run("--retries=1").assert_outcomes(failed=3, xfailed=1, skipped=1)
    found = record()
    assert [len(case.attempts) for case in found.cases] == [4, 1, 2, 1, 1]


@pytest.mark.parametrize("value", ["'two'", "-1", "True"])
def test_a_marker_that_makes_no_sense_is_refused_before_any_test(
    pytester: pytest.Pytester, run: Run, active: Path, value: str
) -> None:
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.flaky(retries={value})\ndef test_a(): pytest.exit('it ran')"
    )
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*::test_a: flaky(retries={value}): expected a number of 0 or more*"])


def test_unittest_classes_are_tried_again(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """set-up and tear-down of each try; errors of one try do not leak into the next."""
    pytester.makepyfile(
        COUNTING
        + """
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls): assert times("class") == 1
    def setUp(self): self.number = times("setup")
    def tearDown(self):
        times("teardown")
        if self.number == 1: raise OSError("tear-down")
    def test_second_time(self): self.assertEqual(self.number, 2)
"""
    )
    run("--retries=1").assert_outcomes(passed=1)
    assert tries(record(), "test_second_time")[-1] == (2, "passed")
    assert (active / "teardown.count").read_text(encoding="utf-8") == "2"


def test_a_failed_subtest_is_not_tried_again_because_it_is_reported_already(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytest.importorskip("_pytest.subtests", reason="since pytest 9")
    pytester.makepyfile(
        """
        import unittest
        class Case(unittest.TestCase):
            def test_sub(self):
                with self.subTest(): self.fail()
        """
    )
    assert run("--retries=2").ret == pytest.ExitCode.TESTS_FAILED
    assert tries(record(), "test_sub") == [(1, "failed")]


def test_an_interruption_is_not_tried_again(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        COUNTING + "def test_stop(): times('stop'); pytest.exit('enough')\ndef test_next(): pass\n"
    )
    run("--retries=3")
    assert (active / "stop.count").read_text(encoding="utf-8") == "1"
    assert len(record().missing) == 2


def test_properties_of_an_earlier_try_are_forgotten(
    pytester: pytest.Pytester, run: Run, active: Path
) -> None:
    pytester.makepyfile(
        COUNTING + "def test_a(record_property): record_property('try', times('a')); assert times('b') == 2\n"
    )
    run("--retries=1", "--junitxml=out.xml").assert_outcomes(passed=1)
    xml = (active / "out.xml").read_text(encoding="utf-8")
    assert xml.count("<property ") == 1
    assert 'name="try" value="2"' in xml


def test_a_debugger_sees_the_first_failure(pytester: pytest.Pytester, run: Run, active: Path) -> None:
    """With --pdb, a failure is for a person to look at."""
    pytester.makepyfile(COUNTING + "def test_a(): times('a'); assert 0\n")
    pytester.makepyfile(
        quiet="class Quiet:\n    def reset(self): pass\n    def interaction(self, *a): pass\n"
    )
    run("--retries=2", "--pdb", "--pdbcls=quiet:Quiet")
    assert (active / "a.count").read_text(encoding="utf-8") == "1"


def test_a_try_that_kills_its_worker_is_one_of_the_tries(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        COUNTING
        + """
def test_dies():
    if times("dies") == 2:
        import os
        os._exit(1)
    assert times("more") == 2
"""
    )
    run("--retries=1", "-n1").assert_outcomes(passed=1)
    assert tries(record(), "test_dies") == [(1, "failed"), (2, "crashed"), (3, "passed")]


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_each_try_of_an_isolated_test_is_a_process_of_its_own(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    pytester.makepyfile(
        COUNTING
        + """
import os
@pytest.mark.isolated
def test_alone():
    pathlib.Path(f"{times('alone')}.pid").write_text(str(os.getpid()))
    assert times("second") == 2
def test_here(): pathlib.Path("here.pid").write_text(str(os.getpid()))
"""
    )
    result = run("--retries", "1", workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["flaky: *::test_alone passed on try 2"])
    assert tries(record(), "test_alone") == [(1, "failed"), (2, "passed")]
    pids = {file.read_text(encoding="utf-8") for file in active.glob("*.pid")}
    assert len(pids) == 3
