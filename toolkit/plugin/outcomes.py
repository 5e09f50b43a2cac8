"""From the reports of one try of a test to its outcome."""

from collections.abc import Sequence

import pytest

from toolkit.records import Outcome

_CALL = {"passed": Outcome.PASSED, "failed": Outcome.FAILED, "skipped": Outcome.SKIPPED}
PHASES = 3
_AROUND = {"failed": Outcome.ERROR, "skipped": Outcome.SKIPPED}


QUARANTINED = "toolkit_quarantined"
"""Attribute of the reports of failures that the quarantine keeps from failing the build."""


def is_bad(report: pytest.TestReport | pytest.CollectReport) -> bool:
    """Tell whether a report is of a failure; pytest-rerunfailures calls those that it repeats "rerun"."""
    return report.outcome not in {"passed", "skipped"} or QUARANTINED in report.__dict__


def is_subtest(report: pytest.TestReport) -> bool:
    """Tell whether a report is of a part of a test (pytest's own subtests and pytest-subtests)."""
    return hasattr(report, "context")


def all_passed(reports: Sequence[pytest.TestReport]) -> bool:
    """Tell whether there is nothing to say about a try: set-up, call and tear-down passed, nothing else."""
    if len(reports) != PHASES:
        return False
    for report in reports:  # noqa: SIM110 - a generator would cost every test a microsecond
        if report.outcome != "passed" or "wasxfail" in report.__dict__:
            return False
    return True


def counted(report: pytest.TestReport) -> Outcome | None:
    """Return as what pytest's summary counts a report, or None when it does not count it."""
    outcome = "failed" if is_bad(report) else report.outcome
    if hasattr(report, "wasxfail") and outcome != "failed":
        return Outcome.XFAILED if outcome == "skipped" else Outcome.XPASSED
    if report.when in {"setup", "teardown"}:
        return _AROUND.get(outcome)
    return _CALL[outcome]


def verdict(reports: Sequence[pytest.TestReport]) -> tuple[Outcome, tuple[Outcome, ...]]:
    """Return the outcome of one try, and all that pytest counts for it where that differs.

    A failure counts most, then an error, then what came first. So a test of which a subtest failed has
    failed, also where pytest calls the whole of it passed (``unittest.TestCase.subTest``).
    """
    found: list[Outcome] = []
    for report in reports:
        outcome = counted(report)
        if outcome is not None and (outcome is Outcome.FAILED or not is_subtest(report)):
            found.append(outcome)
    if not found:
        return Outcome.PASSED, ()
    worst = next((bad for bad in (Outcome.FAILED, Outcome.ERROR) if bad in found), found[0])
    return worst, () if found == [worst] else tuple(found)


def reason(reports: Sequence[pytest.TestReport | pytest.CollectReport]) -> str:
    """Return why a test was skipped or expected to fail, or nothing."""
    for report in reports:
        expected = getattr(report, "wasxfail", None)
        if expected is not None:
            return str(expected).removeprefix("reason: ")
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            return str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""


def durations(reports: Sequence[pytest.TestReport]) -> tuple[float, float, float]:
    """Return the seconds of set-up, call and tear-down."""
    if len(reports) == PHASES and reports[1].when == "call":  # nearly always
        return reports[0].duration, reports[1].duration, reports[2].duration
    found = {"setup": 0.0, "call": 0.0, "teardown": 0.0}
    for report in reports:
        if report.when in found and not is_subtest(report):
            found[report.when] += report.duration
    return found["setup"], found["call"], found["teardown"]
