"""Writes the journal: each process its own file, a line before and a line after every try of a test."""

import math
import os
import platform
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from toolkit.journal import MAIN, Journal
from toolkit.performance.meter import Meter
from toolkit.plugin import activation, failures, outcomes
from toolkit.plugin.measurement import measured, save_coverage
from toolkit.plugin.pauses import find_interactor, follows_at_once
from toolkit.records import (
    Attempt,
    Evidence,
    Failure,
    NodeId,
    Outcome,
    TestBegun,
    TestsCollected,
    WorkerFinished,
    WorkerStarted,
)

if TYPE_CHECKING:
    from toolkit.plugin.evidence import Surroundings

RECORDER: pytest.StashKey["Recorder"] = pytest.StashKey()
"""The recorder of a process that runs tests, in ``config.stash``."""

COLLECTION = "collection"
"""Journal of what was collected: written by the first worker that has collected, for all."""


def wanted(config: pytest.Config) -> bool:
    """Record unless told not to, and only sessions that run tests."""
    options = config.known_args_namespace
    if getattr(options, "toolkit_record", None) is False:
        return False
    idle = ("collectonly", "setuponly", "setupplan", "help", "version", "showfixtures", "markers")
    return not any(getattr(options, name, False) for name in idle)


def pytest_configure(config: pytest.Config) -> None:
    """Open the journal of this process."""
    if activation.is_worker(config):
        given = config.workerinput.get("toolkit_run_dir")  # type: ignore[attr-defined]
        if given:
            start(config, Path(given), config.workerinput["workerid"])  # type: ignore[attr-defined]
        return
    from toolkit.plugin.controller import Controller

    controller = Controller.begin(config)
    if controller is not None:
        config.pluginmanager.register(controller, "toolkit-controller")


def start(config: pytest.Config, folder: Path, worker: str, journal: Journal | None = None) -> None:
    """Begin to record the tests that this process runs."""
    recorder = Recorder(config, folder, worker, journal or Journal(folder, worker))
    config.stash[RECORDER] = recorder
    config.pluginmanager.register(recorder, "toolkit-recorder")


def identity(item: pytest.Item) -> NodeId:
    """Return the one identity of a test: its node id without the group that xdist's loadgroup appends."""
    name = item.nodeid
    if item.parent is not None and "@" in name:
        own = f"{item.parent.nodeid}::{item.name}"
        if name.startswith(f"{own}@"):
            name = own
    return NodeId(name)


class Recorder:
    """Records what one process sees of its tests.

    Begin and end of a test come from ``pytest_runtest_protocol``, its phases from the reports that every
    plugin logs, exceptions from ``pytest_exception_interact``, which is only called when there is one: a test
    that passes costs two lines and a few system calls.

    Where the next test follows at once, the line that ends a test is written together with the one that
    begins the next: half the calls. No test runs and nobody waits while a line is held back.
    """

    def __init__(self, config: pytest.Config, folder: Path, worker: str, journal: Journal) -> None:
        self.journal = journal
        self.worker = worker
        self.config = config
        self._measured = measured()
        self._folder = folder
        self._root = config.rootpath
        self._meter = Meter()
        self._markers: dict[Any, tuple[str, ...]] = {}
        self._order = -1
        self._item: pytest.Item | None = None
        self._numbers: dict[NodeId, int] = {}
        self._test = NodeId("")
        self._number = 1
        self._cpu = 0.0
        self._begun = 0.0
        self._reports: list[pytest.TestReport] = []
        self._failures: dict[int, Failure] = {}
        self._surroundings: Surroundings | None = None
        self._evidence: Evidence | None = None
        self._collected: dict[NodeId, Attempt] = {}
        self._deselected = 0
        self._held: Attempt | None = None
        self._used: float | None = None
        self._interactor = None if worker == MAIN else find_interactor(config)

    # ---------------------------------------------------------------- the life of the process

    def pytest_sessionstart(self) -> None:
        """Say who writes here."""
        if self.worker != MAIN:
            self.journal.write(
                WorkerStarted(
                    worker=self.worker,
                    pid=os.getpid(),
                    started=time.time(),
                    python=platform.python_version(),
                    host=platform.node(),
                )
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Say that the process ended by itself; the last tear-downs are over by then."""
        save_coverage(self._measured, self.config)
        self._release()
        if activation.is_worker(self.config):
            self.config.workeroutput["toolkit_dropped"] = self.journal.dropped  # type: ignore[attr-defined]
        yield
        self.journal.write(WorkerFinished(worker=self.worker, at=time.time(), dropped=self.journal.dropped))

    def pytest_unconfigure(self) -> None:
        """Close the files."""
        self._release()
        self._meter.close()
        self.journal.close()

    # ---------------------------------------------------------------- collection

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what the selection left out."""
        self._deselected += len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep files that could not be collected or that skip themselves: pytest counts them."""
        if report.outcome == "passed":
            return
        bad = outcomes.is_bad(report)
        failure = self._failures.pop(id(report), None) or failures.from_report(report, self._root)
        attempt = Attempt(
            test=NodeId(report.nodeid),
            outcome=Outcome.ERROR if bad else Outcome.SKIPPED,
            worker=self.worker,
            started=time.time(),
            reason=outcomes.reason([report]),
            failures=(failure,) if bad else (),
            file=report.nodeid.partition("::")[0],
        )
        earlier = self._collected.get(attempt.test)
        self._collected[attempt.test] = attempt if earlier is None else self._both(earlier, attempt)

    def _both(self, first: Attempt, second: Attempt) -> Attempt:
        """Join what two collectors say of one file (``--doctest-modules``): it is one case.

        pytest counts both; its controller of workers drops a report that equals an earlier one.
        """
        same = (first.outcome, first.reason, first.failures) == (
            second.outcome,
            second.reason,
            second.failures,
        )
        if same and self.worker != MAIN:
            return first
        worse, other = (second, first) if second.outcome.bad else (first, second)
        counted = (*(first.counted or (first.outcome,)), second.outcome)
        failed = worse.failures if same else (*worse.failures, *other.failures)
        return msgspec.structs.replace(worse, counted=counted, failures=failed)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write down what this run means to execute: once, by whoever has collected first."""
        if self.worker == MAIN:
            self._write_collection(self.journal, session)
            return
        try:
            (self._folder / f"{COLLECTION}.jsonl").touch(exist_ok=False)
        except OSError:  # another worker was first, or the disk is full
            return
        journal = Journal(self._folder, COLLECTION)
        self._write_collection(journal, session)
        journal.close()

    def _write_collection(self, journal: Journal, session: pytest.Session) -> None:
        tests = tuple(map(identity, session.items))
        journal.write(TestsCollected(tests=tests, deselected=self._deselected))
        for attempt in self._collected.values():
            journal.write(attempt)

    # ---------------------------------------------------------------- tests

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Record everything that happens to one test. An interruption (Ctrl-C) leaves it without a result."""
        self._item = item
        self._order += 1
        self._test = identity(item)
        self._open(1)
        try:
            result = yield
            if self._reports:
                self.end_try()
            if nextitem is None or not self._goes_on(item.session):
                self._release()
            return result
        finally:
            self._item = None
            self._reports = []
            self._failures.clear()

    def _goes_on(self, session: pytest.Session) -> bool:
        """Whether the next test follows at once; not after ``-x``: others report then, for long."""
        if session.shouldfail or session.shouldstop:
            return False
        return self.worker == MAIN or follows_at_once(self._interactor)

    def _release(self) -> None:
        """Write the line that is held back."""
        held, self._held, self._used = self._held, None, None
        if held is not None:
            self.journal.write(held)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the report of a phase; one that pytest-rerunfailures repeats ends a try."""
        if self._item is None:
            self._add_late(report)
            return
        self._reports.append(report)
        if report.outcome == "rerun":
            self.next_try()

    def pytest_exception_interact(
        self,
        call: pytest.CallInfo[Any],
        report: pytest.TestReport | pytest.CollectReport,
    ) -> None:
        """Describe an exception while it is at hand: the report has only its text."""
        if call.excinfo is not None:
            self._failures[id(report)] = failures.from_exception(call.excinfo.value, report, self._root)
            if self._item is not None and self._evidence is None:
                self._evidence = self._look(self._item)

    def _look(self, item: pytest.Item) -> Evidence | None:
        """Find out what is around a test that has just failed, before anything is torn down."""
        from toolkit.plugin import evidence

        if self._surroundings is None:
            settings = evidence.quietly(lambda: activation.settings(self.config), None)
            rows = {} if settings is None else settings.services
            variables = tuple(row.url_variable(name) for name, row in rows.items())
            self._surroundings = evidence.Surroundings(self._root, self._folder, self.worker, variables)
        found, spent = self._surroundings, time.time() - self._begun
        timeout = evidence.quietly(lambda: evidence.timeout_of(item), None)
        return evidence.quietly(lambda: found.look(os.environ, timeout=timeout, spent=spent), None)

    def _add_late(self, report: Any) -> None:
        """Write an attempt for a tear-down that failed between tests, on a worker that waited."""
        test = NodeId(report.nodeid)
        number = self._numbers[test] = self._numbers.get(test, 0) + 1
        self._release()
        self.journal.write(
            Attempt(
                test=test,
                number=number,
                outcome=outcomes.verdict([report])[0],
                worker=self.worker,
                order=self._order,
                started=report.start,
                duration=report.duration,
                teardown=report.duration,
                failures=self._described([report]),
                file=report.location[0].replace("\\", "/"),
            )
        )

    @property
    def meter(self) -> Meter:
        """What measures the attempts: who sets the peak of memory back in between tells it."""
        return self._meter

    def next_try(self) -> None:
        """End this try of the test and begin another one."""
        self.end_try()
        self._open(self._number + 1)

    def add_reports(self, reports: list[pytest.TestReport]) -> None:
        """Take reports of a try that are not logged, because another try follows."""
        self._reports.extend(reports)

    def _open(self, number: int) -> None:
        self._number = number
        self._begun = time.time()
        self._evidence = None
        begun = TestBegun(test=self._test, worker=self.worker, number=number, started=self._begun)
        held, self._held = self._held, None
        if held is None:
            self.journal.write(begun)
        else:
            self.journal.write(held, begun)
        self._cpu = self._meter.start(self._used)

    def end_try(self) -> None:
        """Write the attempt."""
        self._used, memory = self._meter.read()
        reports, self._reports = self._reports, []
        self._numbers[self._test] = self._number
        item = self._item
        assert item is not None  # noqa: S101 - tries end inside the protocol of their test
        path, line, _ = item.location
        setup, call, teardown = outcomes.durations(reports)
        attempt = Attempt(
            test=self._test,
            number=self._number,
            outcome=Outcome.PASSED,
            worker=self.worker,
            order=self._order,
            started=reports[0].start,
            cpu=max(self._used - self._cpu, 0.0),  # two clocks of the kernel, rounded apart
            memory=memory,
            file=path if "\\" not in path else path.replace("\\", "/"),
            line=None if line is None else line + 1,
            markers=self._markers_of(item),
            duration=setup + call + teardown,
            setup=setup,
            call=call,
            teardown=teardown,
        )
        if item.user_properties:
            attempt = msgspec.structs.replace(attempt, measures=measures_of(item.user_properties))
        if not outcomes.all_passed(reports):
            outcome, counted = outcomes.verdict(reports)
            bad = [report for report in reports if outcomes.is_bad(report)]
            attempt = msgspec.structs.replace(
                attempt,
                outcome=outcome,
                counted=counted,
                reason=outcomes.reason(reports),
                quarantined=bool(bad) and all(outcomes.QUARANTINED in report.__dict__ for report in bad),
                failures=self._described(reports),
                evidence=self._evidence,
            )
        self._held = attempt

    def _described(self, reports: list[pytest.TestReport]) -> tuple[Failure, ...]:
        found, self._failures = self._failures, {}
        return tuple(
            found.get(id(report)) or failures.from_report(report, self._root)
            for report in reports
            if outcomes.is_bad(report)
        )

    def _markers_of(self, node: Any) -> tuple[str, ...]:
        """Return the names of all markers of a node and of those above it; kept for all but the tests."""
        above = node.parent
        if above is None:
            inherited: tuple[str, ...] = ()
        elif above in self._markers:
            inherited = self._markers[above]
        else:
            inherited = self._markers[above] = self._markers_of(above)
        if not node.own_markers:
            return inherited
        return tuple(sorted({*inherited, *(mark.name for mark in node.own_markers)}))


def measures_of(properties: list[tuple[str, object]]) -> dict[str, float]:
    """Return the numbers among what a test recorded with ``record_property``, or a fixture of ours for it."""
    return {
        name: float(value)
        for name, value in properties
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }
