"""Count one file or one run. Pure but for reading the file, so that it can run in any process."""

import heapq
from collections.abc import Iterable
from pathlib import Path

from toolkit.errors import InputError
from toolkit.junit.cases import JUnitCase
from toolkit.junit.reading import Tally, read_notable
from toolkit.junit.values import shorten
from toolkit.records import Attempt, CaseResult, Outcome, RunRecord
from toolkit.reports.summary import Detail, Limits, Mishap, Part, Row, RunFacts, Slow


class _Count:
    """A part while its tests come in."""

    def __init__(self, source: str, limits: Limits, floor: float) -> None:
        self.part = Part(source=source)
        self.limits = limits
        self.least = floor
        self.rows: dict[str, Row] = {}
        self.details: dict[str, Detail] = {}

    def floor(self) -> float:
        """Seconds from which on a good test is worth keeping."""
        return 0.0 if self.limits.good and self.room else self.least

    def tally(self, tally: Tally) -> None:
        """Add tests that are counted only."""
        counts = self.part.counts
        counts.tests += tally.cases
        counts.passed += tally.cases
        counts.attempts += tally.cases
        counts.duration += tally.seconds
        self.part.missing += tally.missing

    def case(self, case: JUnitCase) -> None:
        """Add what one element tells; a repeat takes back what was counted for its test."""
        counts = self.part.counts
        if case.repeats is not None:
            counts.add(case.repeats, -1)
            counts.flaky -= case.was_flaky
        counts.add(case.outcome)
        counts.flaky += case.flaky
        attempts = 0 if case.continues else len(case.trials) + 1
        counts.attempts += attempts
        counts.duration += case.total
        bad, again = case.outcome.bad or case.was_bad or bool(case.trials), case.repeats is not None
        if again or case.total >= self.least or self._wanted(bad=bad):
            test = case.test
            row = self._row(test, case.outcome, case.total, attempts, again=again, bad=bad)
            row.flaky = case.flaky
            if bad:
                self._detail(row, case.attempts(test=test), again=again)

    def _wanted(self, *, bad: bool) -> bool:
        told = len(self.part.details) < self.limits.details
        return self.room or told if bad else self.room and self.limits.good

    @property
    def room(self) -> bool:
        """Whether more tests may be listed."""
        return len(self.part.rows) < self.limits.rows

    def result(self, case: CaseResult) -> None:
        """Add one test of a run."""
        counts = self.part.counts
        counts.add(case.counted_as)
        counts.flaky += case.flaky
        counts.attempts += len(case.attempts)
        counts.duration += case.duration
        told, tries = case.counted_as, len(case.attempts)
        notable = told.bad or case.flaky
        row = self._row(case.test, told, case.duration, tries, again=False, bad=notable)
        row.flaky = case.flaky
        if notable:
            self._detail(row, case.attempts, again=False)

    def _row(
        self, test: str, outcome: Outcome, duration: float, attempts: int, *, again: bool, bad: bool
    ) -> Row:
        row = self.rows.get(test) if again else None
        if row is None:
            row = Row(test=test, outcome=outcome, duration=duration, attempts=attempts)
            if (bad or self.limits.good) and self.room:
                self.part.rows.append(row)
                self.rows[test] = row
        else:
            row.outcome = outcome
            row.duration += duration
            row.attempts += attempts
        self._slow(row)
        return row

    def _slow(self, row: Row) -> None:
        slowest = self.part.slowest
        if row.duration <= 0.0 or row.duration < self.least:
            return
        slow = Slow(duration=row.duration, test=row.test, outcome=row.outcome, source=self.part.source)
        heapq.heappush(slowest, slow)
        if len(slowest) > self.limits.slowest:
            heapq.heappop(slowest)
            self.least = max(self.least, slowest[0].duration)

    def _detail(self, row: Row, attempts: Iterable[Attempt], *, again: bool) -> None:
        detail = self.details.get(row.test) if again else None
        if detail is None:
            if len(self.part.details) >= self.limits.details:
                return
            detail = Detail(test=row.test, outcome=row.outcome, source=self.part.source, mishaps=[])
            self.part.details.append(detail)
            self.details[row.test] = detail
        detail.outcome, detail.flaky = row.outcome, row.flaky
        for attempt in attempts:
            detail.attempts = max(detail.attempts, attempt.number)
            detail.duration += attempt.duration
            detail.file, detail.line = attempt.file or detail.file, attempt.line or detail.line
            detail.mishaps += _mishaps(attempt, self.limits)


def _mishaps(attempt: Attempt, limits: Limits) -> list[Mishap]:
    if not attempt.failures and attempt.outcome.bad:
        return [Mishap(attempt=attempt.number, exception=attempt.outcome.value, message=attempt.reason)]
    return [
        Mishap(
            attempt=attempt.number,
            phase=failure.phase,
            exception=failure.exception,
            message=shorten(failure.message, limits.text),
            traceback=shorten(failure.traceback, limits.text),
            output={name: shorten(text, limits.output) for name, text in failure.sections.items()},
        )
        for failure in attempt.failures
    ]


def count_file(path: Path, limits: Limits, *, source: str | None = None, floor: float = 0.0) -> Part:
    """Count one JUnit file; one that cannot be read gives a part without counts and with the reason.

    Args:
        path: the file.
        limits: how much to keep besides the counts.
        source: what the part is called; the path by default.
        floor: seconds that a test must have taken to be among the slowest, as known from other files.
    """
    source = source or str(path)
    if path.is_file():  # a pipe can be read but once
        try:
            return _counted(path, _Count(source, limits, floor), skim=True)
        except InputError:
            pass  # what is wrong, and whether anything is, only the careful reader knows
    try:
        return _counted(path, _Count(source, limits, floor), skim=False)
    except InputError as error:
        return Part(source=source, bad=error.message.removeprefix(f"{source}: "))


def _counted(path: Path, count: _Count, *, skim: bool) -> Part:
    for item in read_notable(path, count.floor, where=count.part.source, skim=skim):
        if isinstance(item, Tally):
            count.tally(item)
        else:
            count.case(item)
    return count.part


def count_run(run: RunRecord, limits: Limits) -> Part:
    """Count one run."""
    header = run.header
    name = " ".join(filter(None, (header.profile, header.python, header.shard and f"shard {header.shard}")))
    count = _Count(name or header.run, limits, 0.0)
    for case in run.cases:
        count.result(case)
    count.part.missing = len(run.missing)
    count.part.run = RunFacts(
        run=header.run,
        profile=header.profile,
        python=header.python,
        host=header.host,
        environment=header.environment,
        commit=header.commit,
        shard=header.shard,
        workers=header.workers,
        started=header.started,
        elapsed=None if run.finished is None else run.finished - header.started,
        exit_code=run.exit_code,
        deselected=run.deselected,
        missing=run.missing,
        lost_workers=tuple(
            f"worker {lost.worker} was lost{f' at {lost.test}' if lost.test else ''}"
            f"{f': {lost.reason}' if lost.reason else ''}"
            for lost in run.lost
        ),
        problems=run.problems,
    )
    return count.part
