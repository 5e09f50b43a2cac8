"""Bursts: runs in which so many tests began to fail at once that something around them did it.

The statistical half of the outage shield; the other half reads the texts of the failures
(:mod:`toolkit.analysis.outages`). Each test has one vote, divided among the runs in which it began to fail:
a test that fails now and then hardly counts, one that failed only here counts whole. A run whose votes are
improbable against those of the other runs (Poisson) is a burst. The largest is taken out, then the votes are
counted again, until no burst is left.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from toolkit.analysis.outages import LEAST_TESTS
from toolkit.records import NodeId

IMPROBABLE = 0.001
"""So improbable must a burst be if tests failed independently of each other."""
DOUBTFUL = 0.1
"""From here on it may have been one: a test with no other failures is not called flaky for it."""
QUIET_SHARE = 0.9
"""The background is the mean of this share of the runs, those with the fewest votes."""
LEAST_VOTES = 2.5
LEAST_DOUBTFUL = 2


class Bursts(msgspec.Struct, frozen=True, kw_only=True):
    """Runs in which many tests began to fail at once: surely, or perhaps."""

    sure: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()


def bursts(starts: Mapping[NodeId, Sequence[str]], runs: Sequence[str]) -> Bursts:
    """Find the runs in which many tests began to fail at once.

    Args:
        starts: test → runs in which it began to fail.
        runs: all runs, also those in which nothing failed.
    """
    left = {test: set(places) for test, places in starts.items() if places}
    by_run: dict[str, set[NodeId]] = defaultdict(set)
    for test, places in left.items():
        for run in places:
            by_run[run].add(test)
    votes = {run: sum(1 / len(left[test]) for test in by_run[run]) for run in by_run}
    found: set[str] = set()
    while votes:
        run = max(votes, key=lambda one: (votes[one], one))
        background = _background(
            [votes.get(other, 0.0) for other in runs if other != run and other not in found]
        )
        if len(by_run[run]) < LEAST_TESTS or not _improbable(votes[run], background):
            break
        found.add(run)
        del votes[run]
        for test in by_run[run]:
            _divide_anew(test, run, left, votes)
    return Bursts(sure=frozenset(found), doubtful=_doubtful(votes, [run for run in runs if run not in found]))


def _doubtful(votes: Mapping[str, float], runs: Sequence[str]) -> frozenset[str]:
    background = _background([votes.get(run, 0.0) for run in runs])
    return frozenset(
        run
        for run, count in votes.items()
        if count >= LEAST_DOUBTFUL and poisson_tail(math.floor(count + 0.5), background) < DOUBTFUL
    )


def _divide_anew(test: NodeId, run: str, left: dict[NodeId, set[str]], votes: dict[str, float]) -> None:
    before = len(left[test])
    left[test].discard(run)
    for other in left[test]:
        votes[other] += 1 / (before - 1) - 1 / before


def _background(votes: Sequence[float]) -> float:
    quiet = sorted(votes)[: max(1, int(len(votes) * QUIET_SHARE))]
    return sum(quiet) / len(quiet) if quiet else 0.0


def _improbable(votes: float, mean: float) -> bool:
    return votes >= LEAST_VOTES and poisson_tail(math.floor(votes + 0.5), mean) < IMPROBABLE


def poisson_tail(count: int, mean: float) -> float:
    """Return the probability that a Poisson variable is at least ``count``."""
    if mean <= 0:
        return float(count <= 0)
    below = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))
    return max(0.0, 1.0 - below)
