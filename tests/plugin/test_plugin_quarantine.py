"""The quarantine in the plugin, and tests that are repeated when they first appear."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from toolkit.records import Outcome, RunRecord
from toolkit.reports.aggregate import summarise
from toolkit.reports.summary import Verdict

Run = Callable[..., pytest.RunResult]
Record = Callable[[], RunRecord]

ENTRY = """
[[test]]
id = "test_shop.py::{name}"
owner = "@shop"
reason = "late answers"
since = 2020-01-01
expires = {expires}
"""
TESTS = """
import pytest
@pytest.fixture
def broken(): raise OSError("no shop")
def test_bad(): assert 1 == 2, "closed"
@pytest.mark.parametrize("x", [1, 2])
def test_setup(broken, x): pass
def test_good(): pass
"""


def entries(root: Path, *names: str, expires: str = "2999-01-01") -> None:
    text = "".join(ENTRY.format(name=name, expires=expires) for name in names)
    (root / "quarantine.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_failures_in_quarantine_are_reported_and_recorded_and_fail_nothing(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    """Also with --maxfail, in set-up, and for all parameters of a test; the record says that it failed."""
    pytester.makepyfile(test_shop=TESTS)
    entries(active, "test_bad", "test_setup")
    result = run(workers, "--maxfail=1", "--junitxml=junit.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*quarantined failures: 3*",
            "quarantined: test_shop.py::test_bad until 2999-01-01 by @shop: late answers",
            "    AssertionError: closed*",
            "*1 passed*3 quarantined*",
        ],
        consecutive=False,
    )
    cases = {case.test: case.attempts[-1] for case in record().cases}
    bad = cases["test_shop.py::test_bad"]  # type: ignore[index]
    assert (bad.outcome, bad.quarantined) == (Outcome.FAILED, True)
    assert bad.failures[0].exception == "builtins.AssertionError"
    assert bad.reason.startswith("quarantined until 2999-01-01")
    setup = cases["test_shop.py::test_setup[1]"]  # type: ignore[index]
    assert (setup.outcome, setup.quarantined) == (Outcome.ERROR, True)
    assert "quarantined until" in (active / "junit.xml").read_text(encoding="utf-8")


def test_an_expired_entry_fails_and_says_so(pytester: pytest.Pytester, run: Run, active: Path) -> None:
    pytester.makepyfile(test_shop=TESTS)
    entries(active, "test_bad", expires="2020-02-01")
    result = run("-k", "test_bad")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*test_shop.py::test_bad: its quarantine expired on 2020-02-01 (owner @shop: late answers)"]
    )


def test_a_mistake_in_the_file_ends_the_session(pytester: pytest.Pytester, run: Run, active: Path) -> None:
    pytester.makepyfile(test_shop=TESTS)
    (active / "quarantine.toml").write_text('[[test]]\nid = "a"\n', encoding="utf-8")
    result = run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*quarantine.toml: test 1 ("a")*missing required field*'])


def test_a_retried_test_in_quarantine_is_tried_again(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    pytester.makepyfile(test_shop=TESTS)
    entries(active, "test_bad")
    assert run("--retries=1", "-k", "test_bad").ret == 0
    assert [attempt.outcome for attempt in record().cases[0].attempts] == [Outcome.FAILED] * 2


NEW = """
import pathlib, pytest
@pytest.fixture(scope="module")
def module():
    with open("module", "a") as log: log.write("up ")
    yield
    with open("module", "a") as log: log.write("down ")
@pytest.fixture
def function():
    with open("function", "a") as log: log.write("up ")
    yield
    with open("function", "a") as log: log.write("down ")
def test_third_time(module, function):
    file = pathlib.Path("count")
    count = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(count))
    assert count != 3
"""


def known_before(active: Path) -> int:
    with closing(sqlite3.connect(active / ".toolkit" / "history.sqlite")) as database:
        return int(database.execute("SELECT count(*) FROM tests").fetchone()[0])


def test_new_tests_are_repeated_and_known_ones_are_not(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """In a project without history nothing is new; a new test that fails once fails the run, and says why."""
    pytester.makepyfile(test_old="def test_old(): pass")
    assert run("--repeat-new=3").ret == 0
    assert len(record().cases[0].attempts) == 1
    assert known_before(active) == 1
    pytester.makepyfile(test_new=NEW)
    result = run("--repeat-new=5", "-n2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["passed 2 times, then failed on the same code: it is flaky"])
    tries = {case.test: [attempt.outcome.value for attempt in case.attempts] for case in record().cases}
    assert tries == {
        "test_old.py::test_old": ["passed"],
        "test_new.py::test_third_time": ["passed", "passed", "failed"],
    }
    assert (active / "module").read_text(encoding="utf-8") == "up down "
    assert (active / "function").read_text(encoding="utf-8") == "up down " * 3


def test_every_test_can_be_repeated(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """Skips are not repeated; what passes every time passes once for pytest and is not called flaky."""
    pytester.makepyfile(
        test_it="""
        import pytest
        def test_good(tmp_path): assert not list(tmp_path.iterdir())
        def test_skip(): pytest.skip("no")
        """
    )
    result = run("--repeat=4")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["toolkit: 1 tests were repeated"])
    result.stdout.no_fnmatch_line("*flaky:*")
    assert [len(case.attempts) for case in record().cases] == [4, 1]


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_run_of_quarantined_failures_is_as_good_in_the_reports_as_in_pytest(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, workers: str
) -> None:
    pytester.makepyfile(test_shop=TESTS)
    entries(active, "test_bad", "test_setup")
    assert run(workers).ret == 0
    summary = summarise([record()], created=1.0)
    assert (summary.counts.passed, summary.counts.xfailed, summary.verdict) == (1, 3, Verdict.PASS)


SHARED = """
import pytest
@pytest.fixture(scope="module")
def shop():
    yield
    assert False, "shop still open"
@pytest.fixture
def own():
    yield
    assert False, "own still open"
def test_good(shop): pass
def test_own(shop, own): pass
def test_last(shop): {body}
"""


@pytest.mark.parametrize("body", ["pass", "assert 1 == 2"])
def test_what_a_shared_fixture_leaves_is_not_covered_by_the_quarantine_of_the_last_test(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record, body: str
) -> None:
    """The tear-down of a test's own fixtures is; a try with one failure that counts is not in quarantine."""
    pytester.makepyfile(test_shop=SHARED.format(body=body))
    entries(active, "test_last", "test_own")
    result = run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*shop still open*"])
    result.assert_outcomes(passed=2 + (body == "pass"), errors=1)
    cases = {case.test: case for case in record().cases}
    own, last = cases["test_shop.py::test_own"], cases["test_shop.py::test_last"]  # type: ignore[index]
    assert (own.outcome, own.counted_as) == (Outcome.ERROR, Outcome.XFAILED)
    assert last.outcome.bad
    assert last.counted_as is last.outcome
