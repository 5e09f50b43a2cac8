"""Every runner's report is understood as its users understand it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from toolkit.junit.cases import JUnitCase
from toolkit.junit.dialects import Dialect, root_dialect, suite_dialect
from toolkit.junit.identity import identity_of
from toolkit.junit.reading import read_cases
from toolkit.junit.runs import read_runs
from toolkit.records import Outcome

DATA = Path(__file__).parents[1] / "data" / "junit"


def cases_of(name: str) -> list[JUnitCase]:
    return list(read_cases(DATA / name))


def verdicts(cases: list[JUnitCase]) -> Counter[Outcome]:
    """Count as a reader must: a repeat takes the verdict so far back."""
    counts: Counter[Outcome] = Counter()
    for case in cases:
        if case.repeats is not None:
            counts[case.repeats] -= 1
        counts[case.outcome] += 1
    return +counts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pytest_xunit2.xml", (3, 1, 2, 2, 1)),
        ("pytest_rerunfailures.xml", (1, 1, 0, 0, 1)),
        ("pytest_xunit1.xml", (3, 0, 0, 0, 0)),
        ("surefire_reruns.xml", (3, 2, 0, 1, 1)),
        ("gradle.xml", (4, 0, 0, 0, 1)),
        ("jest.xml", (3, 1, 0, 1, 0)),
        ("gotestsum.xml", (3, 1, 0, 1, 1)),
        ("phpunit.xml", (2, 1, 0, 0, 0)),
        ("cypress_mocha.xml", (1, 1, 0, 1, 0)),
        ("playwright.xml", (3, 1, 0, 0, 0)),
        ("googletest.xml", (1, 1, 0, 2, 0)),
        ("node.xml", (1, 1, 0, 0, 0)),
        ("prefixed.xml", (1, 1, 0, 0, 0)),
    ],
)
def test_each_dialect_is_counted(name: str, expected: tuple[int, ...]) -> None:
    """Passed, failed, errors, skipped, flaky: tests once, reruns as attempts, nested suites once."""
    cases = cases_of(name)
    counts = verdicts(cases)
    skips = counts[Outcome.SKIPPED] + counts[Outcome.XFAILED]
    flaky = sum(case.flaky for case in cases) - sum(case.was_flaky for case in cases)
    told = (counts[Outcome.PASSED], counts[Outcome.FAILED], counts[Outcome.ERROR], skips, flaky)
    assert told == expected


def test_pytest_identities_are_node_ids() -> None:
    tests = [case.test for case in cases_of("pytest_xunit2.xml")]
    assert tests[0] == "tests/unit/test_cart.py::TestTotals::test_sum[1.5-a/b]"
    assert tests[1] == "tests/unit/test_cart.py::test_plain"
    assert tests[-1] == "tests/unit/test_broken.py"


def test_the_file_attribute_settles_where_the_module_ends() -> None:
    """A module that looks like a class, a test inherited from another file, a doctest in a text file."""
    upper, inherited, doctest = cases_of("pytest_xunit1.xml")
    assert upper.test == "tests/Upper/TestModule.py::test_a"
    assert upper.line == 5, "pytest counts lines from zero"
    assert inherited.test == "tests/test_inherit.py::TestChild::test_b"
    assert doctest.test == "docs/guide.rst::guide.rst"


def test_a_failing_tear_down_is_not_another_attempt() -> None:
    """Two elements are written elements for a test that fails and whose tear-down fails, too."""
    (run,) = read_runs(DATA / "pytest_xunit2.xml")
    by_test = {case.test: case for case in run.cases}
    broken = by_test["tests/unit/test_cart.py::test_breaks"]  # type: ignore[index]
    (attempt,) = broken.attempts
    assert attempt.outcome is Outcome.FAILED
    assert [(f.phase, f.exception) for f in attempt.failures] == [
        ("call", "AssertionError"),
        ("teardown", "OSError"),
    ]
    shaky = by_test["tests/unit/test_cart.py::test_shaky"]  # type: ignore[index]
    assert [a.number for a in shaky.attempts] == [1, 2]
    assert shaky.flaky
    setup = by_test["tests/unit/test_cart.py::test_no_fixture"]  # type: ignore[index]
    assert setup.attempts[0].failures[0].phase == "setup"


def test_surefire_reruns_are_attempts() -> None:
    """Every attempt has its own failure, time and output."""
    by_name = {case.test: case for case in cases_of("surefire_reruns.xml")}
    shaky = by_name["com.acme.CartTest::shaky"].attempts()  # type: ignore[index]
    assert [a.outcome for a in shaky] == [Outcome.FAILED, Outcome.ERROR, Outcome.PASSED]
    assert [a.duration for a in shaky] == [0.3, 0.0, 0.2]
    assert shaky[0].failures[0].sections == {"stdout": "first try"}
    assert "CartTest.java:9" in shaky[0].failures[0].traceback
    broken = by_name["com.acme.CartTest::broken"].attempts()  # type: ignore[index]
    assert [a.failures[0].message for a in broken] == ["nope", "nope again", "nope for good"]
    assert broken[0].failures[0].sections == {"stdout": "of the first"}
    assert broken[1].failures[0].sections == {"stderr": "err 2"}
    assert broken[0].duration == 0.4
    assert "com.acme.CartTest::each(int)#2" in by_name, "equal names are distinct tests there"


def test_browsers_are_kept_apart() -> None:
    """The same test in two browsers is two tests with two identities."""
    assert len({case.test for case in cases_of("playwright.xml")}) == 4
    assert cases_of("playwright.xml")[2].test == "shop.spec.ts::shop \u203a buys[firefox]"


def test_absolute_paths_are_no_part_of_an_identity() -> None:
    first = cases_of("phpunit.xml")[0]
    assert first.suite.parents == ("/app/phpunit.xml", "unit")
    assert first.test == "Shop/Tests/CartTest::testAdds"


def test_dialects_are_recognised() -> None:
    found = {path.stem: next(iter(read_cases(path))).suite.dialect for path in sorted(DATA.glob("*.xml"))}
    assert found["pytest_xunit2"] is found["pytest_xunit1"] is Dialect.PYTEST
    assert found["surefire_reruns"] is Dialect.SUREFIRE
    assert found["jest"] is found["cypress_mocha"] is Dialect.JAVASCRIPT
    assert found["gotestsum"] is Dialect.GO
    assert found["phpunit"] is Dialect.PHPUNIT
    assert found["playwright"] is Dialect.PLAYWRIGHT
    assert found["gradle"] is Dialect.UNKNOWN


@pytest.mark.parametrize(
    ("attributes", "test"),
    [
        ({"classname": "Tests.test_a.TestB", "name": "t"}, "Tests/test_a.py::TestB::t"),
        ({"classname": "test_a._Private", "name": "t"}, "test_a.py::_Private::t"),
        ({"classname": "", "name": "tests.test_a", "file": "tests/test_a.py"}, "tests/test_a.py"),
        ({"classname": "docs.a.rst", "name": "a.rst"}, "docs/a.rst::a.rst"),
        ({"classname": "x", "name": "t", "properties": {"toolkit.nodeid": "a.py::b"}}, "a.py::b"),
        (
            {"classname": "x", "name": "t", "properties": {"toolkit.nodeid.json": '"a.py::\\u0000"'}},
            "a.py::\x00",
        ),
        ({"classname": "x", "name": "t", "properties": {"toolkit.nodeid.json": "{"}}, "x.py::t"),
        ({"classname": "x", "name": "t", "properties": {"toolkit.nodeid.json": "7"}}, "x.py::t"),
    ],
)
def test_identities(attributes: dict[str, Any], test: str) -> None:
    assert identity_of(dialect=Dialect.PYTEST, **attributes) == test


def test_a_name_of_any_length_has_a_short_identity() -> None:
    """Two long names that differ at their ends stay two tests."""
    one, two = (identity_of(classname="c", name="x" * 100_000 + end) for end in "ab")
    assert one != two
    assert len(one) < 4200


def test_more_signs_of_the_writer() -> None:
    """The schema of Surefire in an inner suite, Go's and JavaScript's in properties and files."""
    surefire = {"xsi:noNamespaceSchemaLocation": "https://maven.apache.org/surefire/x.xsd"}
    assert root_dialect("testsuite", surefire) is Dialect.SUREFIRE
    assert suite_dialect(surefire, {}, {}, outer=Dialect.UNKNOWN) is Dialect.SUREFIRE
    assert suite_dialect({}, {}, {"toolkit.run": "r"}, outer=Dialect.UNKNOWN) is Dialect.TOOLKIT
    assert suite_dialect({}, {"file": "a.test.ts"}, {}, outer=Dialect.UNKNOWN) is Dialect.JAVASCRIPT
    assert suite_dialect({}, {}, {}, outer=Dialect.GO) is Dialect.GO


def test_an_empty_element_before_another_attempt_was_a_failure() -> None:
    """That is how pytest-rerunfailures reports the attempts that it repeats."""
    (run,) = read_runs(DATA / "pytest_rerunfailures.xml")
    flaky, bad = run.cases
    assert flaky.flaky
    assert [attempt.outcome for attempt in flaky.attempts] == [Outcome.FAILED, Outcome.PASSED]
    assert "run again" in flaky.attempts[0].reason
    assert [attempt.outcome for attempt in bad.attempts] == [Outcome.FAILED] * 3
