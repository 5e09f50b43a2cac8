"""Our own retries, inside the worker: a failed test is tried again, and every try is on record.

Each try is a whole set-up, call and tear-down with fresh function-scoped fixtures; fixtures of a wider scope
stay, except those that failed. Plugins see the reports of the last try only, so a late pass is a pass for the
exit code; it is listed as flaky in the terminal and in the record.
"""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from _pytest.runner import call_and_report  # the one function that runs a phase with all plugins' hooks

from toolkit.plugin import planning
from toolkit.plugin.isolated import is_isolated, run_elsewhere, tear_down_for
from toolkit.plugin.outcomes import is_bad, is_subtest
from toolkit.plugin.recording import RECORDER, identity

TRIES = "toolkit_tries"
"""Attribute of the reports of a last try: how many there were. xdist carries it to the controller."""


REPEATED = "toolkit_repeated"
"""Attribute of the reports of a test that was repeated although it passed: how often it ran."""

REPEAT_SECONDS = 10.0
"""A new test is not repeated when it took longer than this so far."""


def wanted(config: pytest.Config) -> bool:
    """Stand aside where a person looks at the first failure, or where nothing is run."""
    options = config.known_args_namespace
    watched = ("usepdb", "trace", "setuponly", "setupplan", "setupshow", "collectonly")
    return not any(getattr(options, name, False) for name in watched)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take part in the session if there is a test that may be tried again; cost nothing otherwise."""
    default = session.config.getoption("toolkit_retries", None) or 0
    marked = [item for item in session.items if "flaky" in item.keywords]
    repeats = repeats_of(session)
    if default or marked or repeats:
        retries = Retries(session.config, default, repeats)
        for item in marked:  # refuses a marker that says nothing sensible before any test runs
            retries.budget(item)
        session.config.pluginmanager.register(retries, "toolkit-retrier")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the tests that passed only after a retry."""
    repeated = {
        report.nodeid
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, REPEATED, 1) > 1
    }
    if repeated:
        terminalreporter.line(f"toolkit: {len(repeated)} tests were repeated")
    flaky = late_passes(terminalreporter.stats)
    if flaky:
        terminalreporter.section(f"flaky: {len(flaky)}", sep="-", yellow=True)
    for test, tries in sorted(flaky.items()):
        terminalreporter.line(f"flaky: {test} passed on try {tries}")


def late_passes(stats: dict[str, list[Any]]) -> dict[str, int]:
    """Return test → number of tries, for tests whose last try was the first not to fail.

    Tries that another worker or pytest-rerunfailures repeated are reported as ``rerun``.
    """
    bad = {report.nodeid for category in ("failed", "error") for report in stats.get(category, ())}
    repeated = Counter(report.nodeid for report in stats.get("rerun", ()))
    tries = {
        report.nodeid: getattr(report, TRIES, 1) + repeated[report.nodeid]
        for category in ("passed", "xpassed", "xfailed", "skipped")
        for report in stats.get(category, ())
        if report.nodeid not in bad
    }
    return {test: number for test, number in tries.items() if number > 1}


class Retries:
    """Runs the tests that may be tried again; all others are left to whoever runs them."""

    def __init__(self, config: pytest.Config, default: int, repeats: Mapping[str, int] | None = None) -> None:
        self._default = default
        self._repeats = repeats or {}
        rerunfailures = config.pluginmanager.has_plugin("rerunfailures")
        self._others_marker = rerunfailures
        self._stands_aside = bool(rerunfailures and config.getoption("reruns", None))
        self._timeout: Any = None
        self._trying = False
        self._subtest_failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test until it does not fail, or its retries are used up."""
        repeats = self._repeats.get(item.nodeid, 1)
        retries = 0 if self._stands_aside else self.budget(item)
        if not retries and repeats <= 1:
            return None
        self._trying = True
        try:
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            if repeats > 1:
                self._repeat(item, nextitem, repeats)
            else:
                self._run(item, nextitem, retries)
            if is_isolated(item):
                tear_down_for(item, nextitem)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        finally:
            self._trying = False
            self._timeout = None
        return True

    def budget(self, item: pytest.Item) -> int:
        """Return how often this test may be tried again: its marker decides, else ``--retries``."""
        marker = item.get_closest_marker("flaky")
        if marker is None or (not self._others_marker and "retries" not in marker.kwargs):
            return self._default
        retries = marker.kwargs.get("retries", 0)  # without it, the marker is pytest-rerunfailures'
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise pytest.UsageError(
                f"{item.nodeid}: flaky(retries={retries!r}): expected a number of 0 or more, "
                "for example @pytest.mark.flaky(retries=2)"
            )
        return retries

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None, retries: int) -> None:
        properties = list(item.user_properties)
        self._subtest_failed = False
        for number in range(1, retries + 2):
            reports = self._one_try(item, nextitem, may_repeat=number <= retries)
            if number > retries or not any(map(is_bad, reports)) or self._must_stop(item):
                _log(item, reports, number)
                return
            self._begin_again(item, reports, properties)

    def _repeat(self, item: pytest.Item, nextitem: pytest.Item | None, repeats: int) -> None:
        """Run a test so many times, or until it fails: a test that does both is flaky from the beginning."""
        properties = list(item.user_properties)
        self._subtest_failed = False
        began = time.monotonic()
        everything = item.config.getoption("toolkit_repeat", None)
        for number in range(1, repeats + 1):
            reports = self._one_try(item, item.parent, may_repeat=True)
            bad = any(map(is_bad, reports))
            slow = not everything and time.monotonic() - began > REPEAT_SECONDS
            if bad or number == repeats or slow or self._must_stop(item) or _skipped(reports):
                _log_repeated(item, reports, number)
                break
            self._begin_again(item, reports, properties)
        tear_down_for(item, None if self._must_stop(item) else nextitem)

    def _begin_again(
        self, item: pytest.Item, reports: list[pytest.TestReport], properties: list[tuple[str, object]]
    ) -> None:
        recorder = item.config.stash.get(RECORDER, None)
        if recorder is not None:
            recorder.add_reports(reports)
            recorder.next_try()
        item.user_properties[:] = properties
        _forget(item)
        self._restart_timer(item)

    def _one_try(
        self, item: pytest.Item, nextitem: pytest.Item | pytest.Collector | None, *, may_repeat: bool
    ) -> list[pytest.TestReport]:
        """Run set-up, call and tear-down. A try that will be repeated only tears down what is the test's own.

        pytest tears down what the next node does not need, so the test's parent as the next node keeps the
        class, the module and the session as they are.
        """
        if is_isolated(item):
            return list(run_elsewhere(item))
        has_request = hasattr(item, "_request")
        if has_request and not item._request:  # type: ignore[attr-defined]  # noqa: SLF001
            item._initrequest()  # type: ignore[attr-defined]  # noqa: SLF001 - as pytest itself does for us
        try:
            reports = [call_and_report(item, "setup", log=False)]
            if reports[0].passed:
                reports.append(call_and_report(item, "call", log=False))
            upto: Any = nextitem
            if may_repeat and any(map(is_bad, reports)) and not self._must_stop(item):
                upto = item.parent
            elif item.session.shouldfail or item.session.shouldstop:
                upto = None
            reports.append(call_and_report(item, "teardown", log=False, nextitem=upto))
            if upto is item.parent:
                _finish_failed_fixtures(item)
        finally:
            if has_request:
                item._request = False  # type: ignore[attr-defined]  # noqa: SLF001
                item.funcargs = None  # type: ignore[attr-defined]
        return reports

    def _must_stop(self, item: pytest.Item) -> bool:
        """Whether another try is senseless: the session ends, or a failed subtest is reported already."""
        return bool(item.session.shouldfail or item.session.shouldstop or self._subtest_failed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice subtests that failed: they are reported while the test still runs."""
        if self._trying and is_subtest(report) and is_bad(report):
            self._subtest_failed = True

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, settings: Any) -> None:
        """Remember the time limit that pytest-timeout sets once for all tries, to give each try its own."""
        if not self._trying:
            self._timeout = settings

    def _restart_timer(self, item: pytest.Item) -> None:
        if self._timeout is not None:
            hook = item.config.pluginmanager.hook
            hook.pytest_timeout_cancel_timer(item=item)
            hook.pytest_timeout_set_timer(item=item, settings=self._timeout)


def _log(item: pytest.Item, reports: list[pytest.TestReport], number: int) -> None:
    for report in reports:
        if number > 1:
            setattr(report, TRIES, number)
            if is_bad(report):
                report.sections.append(("toolkit", f"failed on each of {number} tries"))
        item.ihook.pytest_runtest_logreport(report=report)


def _log_repeated(item: pytest.Item, reports: list[pytest.TestReport], number: int) -> None:
    for report in reports:
        setattr(report, REPEATED, number)
        if is_bad(report) and number > 1:
            said = f"passed {number - 1} times, then failed on the same code: it is flaky"
            report.sections.append(("toolkit", said))
        item.ihook.pytest_runtest_logreport(report=report)


def _skipped(reports: list[pytest.TestReport]) -> bool:
    return any(report.outcome == "skipped" for report in reports)


def repeats_of(session: pytest.Session) -> dict[str, int]:
    """Return node id → how often to run it, of the tests that are to run more than once."""
    every = session.config.getoption("toolkit_repeat", None) or 1
    fresh = session.config.getoption("toolkit_repeat_new", None) or 1
    if every > 1:
        return {item.nodeid: every for item in session.items}
    if fresh <= 1 or not session.items:
        return {}
    known = planning.known_tests(session.config)
    return {item.nodeid: fresh for item in session.items if known and identity(item) not in known}


def _forget(item: pytest.Item) -> None:
    """Remove what a failed try leaves behind in the item: output, errors, the instance, failed fixtures."""
    item._report_sections.clear()  # noqa: SLF001 - else the next report repeats it
    if hasattr(item, "_excinfo"):  # unittest: makes its own instance, and keeps errors that no phase reported
        item._excinfo = None  # noqa: SLF001
    elif isinstance(item.parent, pytest.Class):
        item.__dict__.pop("_instance", None)
        item.__dict__.pop("_obj", None)


def _finish_failed_fixtures(item: pytest.Item) -> None:
    """End the fixtures that failed: one of a wide scope would raise its kept error in every try."""
    info = getattr(item, "_fixtureinfo", None)
    for definitions in getattr(info, "name2fixturedefs", {}).values():
        for definition in definitions:
            cached = getattr(definition, "cached_result", None)
            if cached is not None and cached[2] is not None:
                definition.finish(request=item._request)  # type: ignore[attr-defined]  # noqa: SLF001
