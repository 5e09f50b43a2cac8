"""From the report of a real pytest run come the node ids that pytest itself uses: one identity per test."""

from pathlib import Path

import pytest

from toolkit.junit.reading import read_cases
from toolkit.junit.runs import read_runs
from toolkit.records import Outcome

SUITE = """
import pytest

def test_plain():
    pass

class TestOuter:
    class TestInner:
        @pytest.mark.parametrize("value", ["a/b", "c::d", "[e]", "f.g", "größe", "x@y", "", "a b", "A.B"])
        def test_deep(self, value):
            pass

    def test_fails(self, broken):
        assert 1 == 2

    @pytest.mark.xfail(reason="known")
    def test_known(self):
        assert 0

    @pytest.mark.skip(reason="later")
    def test_skipped(self):
        pass

@pytest.fixture
def broken():
    yield
    raise OSError("gone")

@pytest.fixture
def no_start():
    raise KeyError("x")

def test_no_start(no_start):
    pass
"""


@pytest.fixture
def report(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Run a suite under real pytest, with or without workers."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist")
    pytester.makeini("[pytest]\n")
    pytester.makefile(".rst", guide=">>> 1 + 1\n2\n")
    for folder in ("tests/unit", "Tests"):
        (pytester.path / folder).mkdir(parents=True)
        (pytester.path / folder / f"test_{folder[0]}.py").write_text(SUITE, "utf-8")
    family, *options = request.param
    pytester.runpytest_subprocess(
        *options,
        "-o",
        f"junit_family={family}",
        "--junitxml=report.xml",
        "--doctest-glob=*.rst",
        "-p",
        "no:toolkit",
    )
    return pytester.path / "report.xml"


@pytest.mark.parametrize("report", [("xunit1",), ("xunit2",), ("xunit2", "-n2")], indirect=True)
def test_identities_are_the_node_ids(report: Path, pytester: pytest.Pytester) -> None:
    collected = pytester.runpytest_subprocess(
        "--collect-only", "-q", "--doctest-glob=*.rst", "-p", "no:toolkit"
    )
    told = {line for line in collected.stdout.lines if "::" in line}
    decoded = {line.encode().decode("unicode_escape") if "\\" in line else line for line in told}
    tests = {case.test for case in read_cases(report)}
    as_printed = {test.encode().decode("unicode_escape") if "\\" in test else test for test in tests}
    assert len(decoded) == 29
    assert as_printed == decoded


@pytest.mark.parametrize("report", [("xunit2",), ("xunit2", "-n2")], indirect=True)
def test_a_test_that_fails_twice_is_one(report: Path) -> None:
    """Failing and failing to tear down are two elements, one test, one attempt."""
    (run,) = read_runs(report)
    assert len(run.cases) == 29
    (fails,) = [case for case in run.cases if case.test == "tests/unit/test_t.py::TestOuter::test_fails"]
    assert [len(attempt.failures) for attempt in fails.attempts] == [2]
    outcomes = [case.outcome for case in run.cases]
    assert outcomes.count(Outcome.FAILED) == 2
    assert outcomes.count(Outcome.ERROR) == 2
    assert outcomes.count(Outcome.XFAILED) == outcomes.count(Outcome.SKIPPED) == 2
