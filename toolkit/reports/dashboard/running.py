"""What the present runs cost, test by test, file by file and worker by worker, and the trend of all runs."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from toolkit.history.answers import RunRow
from toolkit.records import CaseResult, NodeId, Outcome, RunRecord
from toolkit.reports.dashboard.facts import Hungry, Module, Point, Recommendation, Shift, Slow, WorkerFacts
from toolkit.reports.dashboard.sources import Sources

MOST = 50


def slowest_of(sources: Sources, typical: Mapping[NodeId, float]) -> tuple[Slow, ...]:
    """Return the tests that took longest in one of the present runs."""
    cases = list(_cases(sources))
    whole = sum(case.duration for case in cases) or 1.0
    return tuple(
        Slow(
            test=case.test,
            duration=case.duration,
            typical=typical.get(case.test),
            share=round(case.duration / whole, 6),
        )
        for case in heapq.nlargest(MOST, cases, key=lambda case: case.duration)
    )


def _cases(sources: Sources) -> Iterator[CaseResult]:
    return (case for record in sources.records for case in record.cases)


def hungriest(sources: Sources, what: str) -> tuple[Hungry, ...]:
    """Return the tests with the highest ``memory`` or ``cpu``; each once."""
    known: dict[NodeId, Hungry] = {}
    for case in _cases(sources):
        attempt = case.attempts[-1]
        one = Hungry(test=case.test, memory=attempt.memory, cpu=attempt.cpu, duration=case.duration)
        if (getattr(one, what) or 0) > (getattr(known.get(case.test), what, 0) or 0):
            known[case.test] = one
    return tuple(heapq.nlargest(MOST, known.values(), key=lambda one: getattr(one, what)))


def workers_of(sources: Sources) -> tuple[WorkerFacts, ...]:
    """Return what every process of the present runs did."""
    return tuple(worker for record in sources.records for worker in _workers(record))


def _workers(record: RunRecord) -> Iterator[WorkerFacts]:
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for case in record.cases:
        for attempt in case.attempts:
            spans[attempt.worker].append((attempt.started - record.header.started, attempt.duration))
    for name, taken in sorted(spans.items()):
        yield WorkerFacts(
            run=record.header.run,
            worker=name,
            tests=len(taken),
            busy=sum(duration for _, duration in taken),
            first=min(start for start, _ in taken),
            last=max(start + duration for start, duration in taken),
        )


def modules_of(sources: Sources) -> tuple[Module, ...]:
    """Return cost and outcomes by file, the dearest first."""
    found: dict[str, list[CaseResult]] = defaultdict(list)
    for case in _cases(sources):
        found[case.attempts[-1].file or case.test.partition("::")[0]].append(case)
    modules = (_module(file, cases) for file, cases in found.items())
    return tuple(heapq.nlargest(4 * MOST, modules, key=lambda module: module.duration))


def _module(file: str, cases: Iterable[CaseResult]) -> Module:
    cases = list(cases)
    peaks = [memory for case in cases if (memory := case.attempts[-1].memory) is not None]
    return Module(
        file=file,
        tests=len({case.test for case in cases}),
        bad=sum(case.counted_as.bad for case in cases),
        duration=sum(case.duration for case in cases),
        memory=max(peaks, default=None),
    )


def shifts_of(sources: Sources) -> tuple[Shift, ...]:
    """Return where figures changed for good: the last change of each, runs before tests."""
    last = [(trend, trend.moved[-1]) for trend in sources.outlook.trends if trend.moved]
    return tuple(
        Shift(
            metric=trend.metric,
            label=trend.label,
            run=moved.run,
            commit=moved.commit,
            before=moved.before,
            after=moved.after,
        )
        for trend, moved in last
    )


def advice_of(sources: Sources) -> tuple[Recommendation, ...]:
    """Return what the figures of the history recommend, the strongest first."""
    return tuple(
        Recommendation(rule=one.rule, subject=one.subject, evidence=one.evidence, action=one.action)
        for one in sources.outlook.advice
    )


def trend_of(sources: Sources) -> tuple[Point, ...]:
    """Return one point per run, oldest first; the present runs last if the history has not got them yet."""
    known = [_point(row, present=row.run in sources.present) for row in sources.runs]
    names = {point.run for point in known}
    return (*known, *(_fresh(record) for record in sources.records if record.header.run not in names))


def _point(row: RunRow, *, present: bool) -> Point:
    return Point(
        run=row.run,
        started=row.started,
        profile=row.profile,
        python=row.python,
        branch=row.branch,
        commit=row.commit,
        tests=row.tests,
        bad=row.bad,
        skipped=row.skipped + row.xfailed,
        flaky=row.flaky,
        duration=row.duration,
        wall=row.wall,
        present=present,
    )


def _fresh(record: RunRecord) -> Point:
    header, cases = record.header, record.cases
    return Point(
        run=header.run,
        started=header.started,
        profile=header.profile,
        python=header.python,
        branch=header.branch,
        commit=header.commit,
        tests=len(cases),
        bad=sum(case.counted_as.bad for case in cases),
        skipped=sum(case.counted_as in {Outcome.SKIPPED, Outcome.XFAILED} for case in cases),
        flaky=sum(case.flaky for case in cases),
        duration=sum(case.duration for case in cases),
        wall=None if record.finished is None else record.finished - header.started,
        present=True,
    )
