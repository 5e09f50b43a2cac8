"""Why the tests of some runs failed: one line per cause, the largest first."""

from collections import defaultdict
from collections.abc import Sequence

from toolkit.analysis.failures import Diagnosis, classify_all
from toolkit.analysis.outages import outage_of
from toolkit.records import RunRecord
from toolkit.reports.summary import CauseRow

FEW = 5


def causes_of_runs(runs: Sequence[RunRecord]) -> list[CauseRow]:
    """Group the failures of some runs by cause, and mark those that came of an outage."""
    bad = [case.attempts[-1] for run in runs for case in run.cases if case.counted_as.bad]
    found = classify_all(
        ((attempt.failures, attempt.outcome) for attempt in bad), (attempt.evidence for attempt in bad)
    )
    outages = outage_of([(attempt.test, attempt.started) for attempt in bad], found)
    groups: dict[str, list[int]] = defaultdict(list)
    for place, diagnosis in enumerate(found):
        groups[diagnosis.group].append(place)
    rows = [
        _row([found[place] for place in places], [bad[place].test for place in places], outages & set(places))
        for places in groups.values()
    ]
    return sorted(rows, key=lambda row: (-row.count, row.group))


def _row(found: Sequence[Diagnosis], tests: Sequence[str], outage: frozenset[int] | set[int]) -> CauseRow:
    best = max((one.cause for one in found), key=lambda cause: cause.confidence)
    return CauseRow(
        group=found[0].group,
        category=best.category,
        cause=best.cause,
        evidence=best.evidence,
        confidence=best.confidence,
        count=len(found),
        outage=len(outage),
        tests=list(dict.fromkeys(tests))[:FEW],
    )
