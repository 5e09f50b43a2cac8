"""What the history says of single tests: flaky, slower than they were, likely to fail."""

from collections.abc import Collection, Iterator, Mapping
from statistics import median

from toolkit.analysis.flaky import flaky_tests
from toolkit.analysis.likelihood import Evidence, likelihoods
from toolkit.analysis.prediction import HIGH, LISTED
from toolkit.history.answers import Recent
from toolkit.history.letters import BAD
from toolkit.records import NodeId
from toolkit.reports.dashboard.facts import FlakyTest, Risk, Slow
from toolkit.reports.dashboard.sources import Sources

SLOWER, SLOWER_BY = 1.5, 0.2
"""A test is slower when it takes this many times its median, and so many seconds more."""
LEAST_BEFORE = 3
"""Earlier results that a comparison of durations needs."""
MOST = 200


def flaky_of(
    sources: Sources, shielded: Collection[tuple[NodeId, str]] = frozenset()
) -> tuple[FlakyTest, ...]:
    """Return tests that fail and pass on the same code, proven ones first: :mod:`toolkit.analysis.flaky`."""
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
        for one in flaky_tests(sources.past, shielded=shielded)[:MOST]
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
    """Return how likely tests are to fail next, most likely first: those above 0.3, at most 200."""
    evidence = list(_evidence(sources))
    results = sum(len(one.recent) for one in evidence)
    failed = sum(sum(one.recent) for one in evidence)
    rate = (failed + 0.5) / (results + 1)
    found = likelihoods(evidence, rate=rate, new_rate=rate)
    by_test = {one.test: one for one in evidence}
    likely = [(seen.probability, test) for test, seen in found.items() if seen.probability > LISTED]
    return tuple(
        _risk(by_test[test], probability)
        for probability, test in sorted(likely, key=lambda one: (-one[0], one[1]))[:MOST]
    )


def _evidence(sources: Sources) -> Iterator[Evidence]:
    for test, past in sources.past.recent.items():
        recent = tuple(letter in BAD for letter in past.verdicts if letter not in "sS")
        if recent:
            yield Evidence(test=test, recent=recent, runs=len(recent), failures=sum(recent))


def _risk(one: Evidence, probability: float) -> Risk:
    factors = [f"failed in {sum(one.recent)} of its last {len(one.recent)} runs"]
    if one.recent[-1]:
        factors.append("failed the last time")
    return Risk(
        test=one.test,
        probability=round(probability, 4),
        risk="high" if probability > HIGH else "listed",
        factors=tuple(factors),
        action="mend it first: it fails in most runs"
        if probability > HIGH
        else "run it early, look at its failures",
    )


RISK_MODEL = "weighted failure rates of the test and of those beside it; not calibrated"
