"""Every attempt of every test is on record, and the record counts as pytest counts."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.records import CaseResult, Outcome, RunRecord, pytest_counts

pytestmark = pytest.mark.usefixtures("unmeasured")

Run = Callable[..., pytest.RunResult]
Record = Callable[[], RunRecord]
Counts = Callable[[pytest.RunResult], dict[str, int]]

OUTCOMES = """
import pytest, unittest, warnings

@pytest.fixture
def fails(): raise LookupError("set-up")
@pytest.fixture
def fails_after():
    yield
    raise LookupError("tear-down")

@pytest.mark.smoke
@pytest.mark.parametrize("x", [1, "a::b", "c@d", "e/f[g]"])
def test_passes(x): pass
def test_fails():
    print("to stdout")
    helper()
def helper():
    assert {"a": 1} == {"a": 2}, "numbers differ"
def test_setup_error(fails): pass
def test_teardown_error(fails_after): pass
def test_fails_and_teardown_error(fails_after): raise ValueError("call")
@pytest.mark.xfail(reason="known bug")
def test_xfails(): assert 0
@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.mark.xfail(run=False, reason="would hang")
def test_xfail_not_run(): pass
@pytest.mark.xfail
def test_xfail_in_setup(fails): pass
@pytest.mark.skip(reason="not here")
def test_skipped(): pass
def test_skips_itself(): pytest.skip("not now")
@pytest.fixture
def skips(): pytest.skip("no server")
def test_skipped_in_setup(skips): pass
@pytest.fixture
def skips_after():
    yield
    pytest.skip("late")
def test_skipped_in_teardown(skips_after): pass
class TestClass:
    @pytest.mark.parametrize("y", [1, 2])
    def test_method(self, y): assert y == 1
class Case(unittest.TestCase):
    def test_unit(self): self.fail("unit")
    def test_expected(self): pass
    @unittest.skip("unit skip")
    def test_unit_skip(self): pass
    @unittest.expectedFailure
    def test_unit_xfail(self): self.fail()
    @unittest.expectedFailure
    def test_unit_xpass(self): pass
    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number): self.assertNotEqual(number, 1)
class BrokenClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError("class")
    def test_one(self): pass
    def test_two(self): pass
@pytest.mark.smoke
@pytest.mark.slow
def test_deselected(): pass
"""


def write_project(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_outcomes=OUTCOMES,
        test_broken="import surely_not_installed",
        test_skips="import pytest; pytest.skip('other system', allow_module_level=True)",
        test_docs='def double(x):\n    """\n    >>> double(2)\n    5\n    """\n    return 2 * x\n',
    )
    (pytester.path / "docs.rst").write_text(">>> 1 + 1\n3\n", encoding="utf-8")


def case(run: RunRecord, name: str) -> CaseResult:
    return next(case for case in run.cases if case.test.endswith(f"::{name}"))


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_record_counts_as_pytest_prints(  # noqa: PLR0917 - fixtures
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, printed_counts: Counts, workers: str
) -> None:
    """One project with every outcome there is, with and without workers."""
    write_project(pytester)
    # xdist before pytest 9 prints the errors of doctests that cannot be imported once for each worker
    doctests = ["--doctest-glob=*.rst", *(["--doctest-modules"] if workers == "-n0" else [])]
    result = run(workers, "-m", "not slow", "--continue-on-collection-errors", "--tb=short", *doctests)
    found = record()
    expected = printed_counts(result)
    if workers == "-n2":  # xdist does not print how many were deselected
        expected["deselected"] = 1
    assert pytest_counts(found) == expected
    assert expected["failed"] > 5
    assert found.complete
    assert found.problems == ()
    assert found.exit_code == 1
    assert found.header.workers == int(workers[2:])
    assert len(found.cases) == len({case.test for case in found.cases}) == 29 + len(doctests)
    assert {a.worker for case in found.cases for a in case.attempts} <= (
        {"main"} if workers == "-n0" else {"gw0", "gw1"}
    )


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[RunRecord, Path]:
    """The project's record, made once."""
    import subprocess
    import sys

    from toolkit.journal import read_run

    root = tmp_path_factory.mktemp("outcomes")
    (root / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    (root / "test_outcomes.py").write_text(OUTCOMES, encoding="utf-8")
    (root / "test_broken.py").write_text("import surely_not_installed", encoding="utf-8")
    (root / "test_skips.py").write_text(
        "import pytest; pytest.skip('other system', allow_module_level=True)", encoding="utf-8"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOOLKIT_")}
    command = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "-p", "no:randomly"]
    subprocess.run(command, cwd=root, env=environ, check=False, capture_output=True)
    return read_run(next((root / ".toolkit" / "runs").iterdir())), root


def test_a_failure_says_what_where_and_with_which_output(outcomes: tuple[RunRecord, Path]) -> None:
    attempt = case(outcomes[0], "test_fails").attempts[0]
    (failure,) = attempt.failures
    assert failure.exception == "builtins.AssertionError"
    assert failure.message.startswith("numbers differ\nassert {'a': 1} == {'a': 2}")
    assert [(frame.path, frame.function) for frame in failure.frames] == [
        ("test_outcomes.py", "test_fails"),
        ("test_outcomes.py", "helper"),
    ]
    assert (
        failure.frames[-1].line
        == OUTCOMES.splitlines().index('    assert {"a": 1} == {"a": 2}, "numbers differ"') + 1
    )
    assert failure.sections == {"stdout": "to stdout\n"}
    assert "helper()" in failure.traceback
    assert failure.phase == "call"


@pytest.mark.parametrize(
    ("name", "outcome", "reason", "phases"),
    [
        ("test_setup_error", Outcome.ERROR, "", ["setup"]),
        ("test_teardown_error", Outcome.ERROR, "", ["teardown"]),
        ("test_fails_and_teardown_error", Outcome.FAILED, "", ["call", "teardown"]),
        ("test_xfails", Outcome.XFAILED, "known bug", []),
        ("test_xfail_not_run", Outcome.XFAILED, "[NOTRUN] would hang", []),
        ("test_xfail_in_setup", Outcome.XFAILED, "", []),
        ("test_xpasses", Outcome.XPASSED, "", []),
        ("test_xpasses_strictly", Outcome.FAILED, "", ["call"]),
        ("test_skipped", Outcome.SKIPPED, "not here", []),
        ("test_skips_itself", Outcome.SKIPPED, "not now", []),
        ("test_skipped_in_setup", Outcome.SKIPPED, "no server", []),
        ("test_skipped_in_teardown", Outcome.PASSED, "late", []),
        ("test_unit", Outcome.FAILED, "", ["call"]),
        ("test_unit_skip", Outcome.SKIPPED, "unit skip", []),
        ("test_subtests", Outcome.FAILED, "", ["call"]),
        ("test_one", Outcome.ERROR, "", ["setup"]),
    ],
)
def test_each_outcome_with_its_reason_and_phases(
    outcomes: tuple[RunRecord, Path], name: str, outcome: Outcome, reason: str, phases: list[str]
) -> None:
    attempt = case(outcomes[0], name).attempts[0]
    assert (attempt.outcome, attempt.reason) == (outcome, reason)
    assert [failure.phase for failure in attempt.failures] == phases


def test_a_file_that_cannot_be_imported_is_a_case_with_the_real_cause(
    outcomes: tuple[RunRecord, Path],
) -> None:
    found = next(case for case in outcomes[0].cases if case.test == "test_broken.py")
    (failure,) = found.attempts[0].failures
    assert found.outcome is Outcome.ERROR
    assert (failure.phase, failure.exception) == ("collect", "builtins.ModuleNotFoundError")
    assert failure.message == "No module named 'surely_not_installed'"
    assert failure.frames[-1].path == "test_broken.py"


def test_a_file_that_skips_itself_is_a_skipped_case(outcomes: tuple[RunRecord, Path]) -> None:
    found = next(case for case in outcomes[0].cases if case.test == "test_skips.py")
    assert (found.outcome, found.attempts[0].reason) == (Outcome.SKIPPED, "other system")


def test_an_attempt_knows_its_place_cost_order_and_markers(outcomes: tuple[RunRecord, Path]) -> None:
    first, second = (case(outcomes[0], f"test_passes[{x}]").attempts[0] for x in ("1", "a::b"))
    assert (first.file, first.line) == (
        "test_outcomes.py",
        OUTCOMES.splitlines().index("@pytest.mark.smoke") + 1,
    )
    assert first.markers == ("parametrize", "smoke")
    assert second.order == first.order + 1
    assert second.started >= first.started
    assert first.duration == pytest.approx(first.setup + first.call + first.teardown)
    assert first.cpu is not None
    assert 0 <= first.cpu < 5
    assert first.memory is None or first.memory > 1_000_000


def test_the_header_says_which_run_this_is_and_where(outcomes: tuple[RunRecord, Path]) -> None:
    run, root = outcomes
    assert run.header.root == str(root)
    assert run.header.project == root.name
    assert run.header.run == next((root / ".toolkit" / "runs").iterdir()).name
    assert "-q" in run.header.arguments
    assert run.header.commit == ""


def test_the_state_folder_is_invisible_to_version_control(outcomes: tuple[RunRecord, Path]) -> None:
    assert (outcomes[1] / ".toolkit" / ".gitignore").read_text(encoding="utf-8") == "*\n"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can set the peak back")
def test_the_failure_that_ends_a_run_is_on_record_before_others_report(
    pytester: pytest.Pytester, run: Run, record: Record
) -> None:
    """With ``-x``, what comes after it (a coverage report) may take long, or be killed."""
    pytester.makeconftest(
        """
        import os, pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtestloop():
            try:
                yield
            finally:
                os._exit(9)
        """
    )
    pytester.makepyfile("def test_bad(): assert 0, 'told'\ndef test_never_begun(): pass")
    assert run("-x", "--record", apart=True).ret == 9
    (case,) = record().cases
    assert [attempt.outcome for attempt in case.attempts] == [Outcome.FAILED]


def test_the_peak_memory_of_a_test_is_its_own(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """A test after a greedy one does not inherit its peak."""
    pytester.makepyfile(
        """
        def test_small(): pass
        def test_greedy(): len(bytearray(200_000_000))
        def test_small_again(): pass
        """
    )
    inherited = bytearray(b"x" * 400_000_000)  # the kernel hands the peak of who starts a program down to it
    run(apart=True).assert_outcomes(passed=3)
    del inherited
    _, greedy, again = (case.attempts[0].memory or 0 for case in record().cases)
    assert 200_000_000 < greedy < 350_000_000
    assert again < greedy - 100_000_000  # part of what was freed may stay with the process


def test_cpu_time_includes_child_processes(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        """
        import subprocess, sys
        BURN = "import time\\nwhile time.process_time() < 0.3: pass"
        def test_burns(): subprocess.run([sys.executable, "-c", BURN], check=True)
        """
    )
    run().assert_outcomes(passed=1)
    assert (record().cases[0].attempts[0].cpu or 0) >= 0.3


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_group_that_loadgroup_appends_is_no_part_of_the_identity(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.xdist_group("g")
        @pytest.mark.parametrize("x", ["a@g", "b"])
        def test_grouped(x): pass
        """
    )
    run(workers, "--dist=loadgroup").assert_outcomes(passed=2)
    assert {case.test for case in record().cases} == {
        f"test_{active.name.removesuffix('0')}.py::test_grouped[{x}]" for x in ("a@g", "b")
    } or {case.test.partition("::")[2] for case in record().cases} == {
        "test_grouped[a@g]",
        "test_grouped[b]",
    }
    assert record().complete


def test_output_that_is_no_unicode_does_not_break_the_record(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        """
        class Odd(Exception):
            def __str__(self): raise RuntimeError("no text")
        def test_surrogate(): raise ValueError("\\udc80 and \\ud800")
        def test_no_text(): raise Odd
        """
    )
    run().assert_outcomes(failed=2)
    first, second = (case.attempts[0].failures[0] for case in record().cases)
    assert first.message == "\\udc80 and \\ud800"
    assert second.message == "<Odd: its text could not be made: RuntimeError>"


def test_what_a_stopped_run_did_not_reach_is_named(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(
        test_stop="""
        import pytest
        def test_first(): pass
        def test_stops(): pytest.exit("enough", returncode=7)
        def test_never(): pass
        """
    )
    assert run().ret == 7
    found = record()
    assert [case.test for case in found.cases] == ["test_stop.py::test_first"]
    assert found.missing == ("test_stop.py::test_stops", "test_stop.py::test_never")
    assert (found.exit_code, found.complete) == (7, False)


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan", "--fixtures", "--markers", "--version"])
def test_a_session_that_runs_no_tests_leaves_no_record(
    pytester: pytest.Pytester, run: Run, active: Path, option: str
) -> None:
    pytester.makepyfile("def test_a(): pass")
    run(option)
    assert not list(active.glob(".toolkit/runs/*"))


def test_a_session_that_ends_before_it_begins_leaves_no_empty_record(
    pytester: pytest.Pytester, run: Run, active: Path
) -> None:
    pytester.makeconftest(
        """
        import pytest
        @pytest.hookimpl(trylast=True)
        def pytest_configure(config): raise pytest.UsageError("no")
        """
    )
    assert run().ret == pytest.ExitCode.USAGE_ERROR
    assert not list(active.glob(".toolkit/runs/*"))


def test_a_folder_that_cannot_be_written_is_a_warning_and_the_tests_run(
    pytester: pytest.Pytester, run: Run, active: Path
) -> None:
    (active / ".toolkit").write_text("a file where the folder should be", encoding="utf-8")
    pytester.makepyfile("def test_a(): pass")
    result = run(apart=True)  # here, old versions of pytest warn of a module that is imported already
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*toolkit: this run is not recorded: *"])
