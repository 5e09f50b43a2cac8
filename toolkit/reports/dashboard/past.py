"""What the history says of single tests: flaky, slower than they were, likely to fail."""

from collections.abc import Mapping
from statistics import median

from toolkit.history.answers import Recent
from toolkit.records import NodeId
from toolkit.reports.dashboard.facts import FlakyTest, Risk, Slow
from toolkit.reports.dashboard.sources import Sources

SLOWER, SLOWER_BY = 1.5, 0.2
"""A test is slower when it takes this many times its median, and so many seconds more."""
LEAST_BEFORE = 3
"""Earlier results that a comparison of durations needs."""
MOST = 200


def flaky_of(sources: Sources) -> tuple[FlakyTest, ...]:
    """Return tests that fail and pass on the same code, proven ones first."""
    return tuple(
        FlakyTest(
            test=one.test,
            state=one.state,
            kind=one.kind,
            rate=one.rate,
            low=one.low,
            high=one.high,
            results=one.results,
            last=one.last,
            evidence="; ".join(one.evidence),
        )
        for one in sources.outlook.flaky[:MOST]
    )


def typical_before(sources: Sources) -> dict[NodeId, float]:
    """Return the median duration of tests before the present runs, where there are results enough."""
    earlier = sources.earlier
    taken = ((test, _taken(past, earlier)) for test, past in sources.past.recent.items())
    return {test: median(seconds) for test, seconds in taken if len(seconds) >= LEAST_BEFORE}


def _taken(past: Recent, earlier: frozenset[str]) -> list[float]:
    results = zip(past.runs, past.verdicts, past.durations, strict=True)
    return [seconds for run, letter, seconds in results if letter not in "sS" and run in earlier]


def slower_of(sources: Sources, typical: Mapping[NodeId, float]) -> tuple[Slow, ...]:
    """Return good tests that took clearly longer than before, by the seconds that they cost."""
    slower = [
        Slow(test=case.test, duration=case.duration, typical=typical[case.test])
        for record in sources.records
        for case in record.cases
        if case.test in typical
        and not case.outcome.bad
        and case.duration > max(SLOWER * typical[case.test], typical[case.test] + SLOWER_BY)
    ]
    return tuple(sorted(slower, key=lambda slow: (slow.typical or 0) - slow.duration)[:MOST])


def risks_of(sources: Sources) -> tuple[Risk, ...]:
    """Return how likely tests are to fail next, most likely first: those above 0.3."""
    return tuple(
        Risk(
            test=one.test,
            probability=round(one.probability, 4),
            risk=one.risk,
            factors=one.factors,
            action="; ".join(one.actions),
        )
        for one in sources.outlook.forecasts
    )
