"""How likely each test is to fail next, from its own outcomes alone: the prior of order and prediction.

A blend of three rates of failure and of the rates of the tests beside it. It needs no training, no
package and no more than the last outcomes that history keeps per test, so the plan can compute it for
100,000 tests in a second.

The parts, and where they come from:

* an exponentially weighted rate of failure (Kim and Porter 2002, "A history-based test prioritization
  technique"; Hettiarachchi and others use the same idea with other weights): a quick one that follows the
  last runs and a slow one that remembers;
* the rate over all runs, with one pseudo-observation at the global rate (Laplace's rule with a prior);
* the mean rate of the tests that stand next to it by name, weighted by 1 ÷ (1 + distance): tests of one
  module fail together (a kernel smoother over the natural order of names, Nadaraya 1964);
* for the order only: the logarithm of the duration, so that of two equally suspicious tests the shorter
  goes first (cost-cognizant prioritization, Elbaum, Malishevsky and Rothermel 2001).

The weights were chosen by a random search on the first two thirds of the cycles of the public data that
``benchmarks/prediction.py`` reads; the last third was not looked at.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

from toolkit.natural import natural_key
from toolkit.records import NodeId

KEPT = 50
"""How many outcomes of a test are looked at; older ones count through ``runs`` and ``failures``."""

QUICK, SLOW, MIDDLE = 0.7, 0.1, 0.3
NEIGHBOURS = 5
NEIGHBOUR_SHARE = 0.05
FLIP_SHARE = 0.2
DURATION_EXPONENT = 0.3
NEW_TEST = 0.5
FLOOR = 0.001


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What history knows of one test.

    Attributes:
        test: its identity.
        recent: outcomes, oldest first, at most :data:`KEPT`; true = failed. Empty for a new test.
        runs: how often it ran in all, at least ``len(recent)``.
        failures: how often it failed in all.
        duration: seconds it usually takes; any unit will do as long as all tests use the same.
        first_run: number of the suite's run in which it was first seen.
        last_run: number of the suite's run in which it ran last.
        last_failure: number of the suite's run in which it failed last; None: never.
    """

    test: NodeId
    recent: tuple[bool, ...] = ()
    runs: int = 0
    failures: int = 0
    duration: float = 0.0
    first_run: int = 0
    last_run: int = 0
    last_failure: int | None = None


class Likelihood(msgspec.Struct, frozen=True, kw_only=True):
    """How likely a test is to fail next, and its place in the queue.

    Attributes:
        probability: 0 … 1, not yet calibrated.
        suspicion: 0 … 1, the blend that orders; a new test has the fixed value :data:`NEW_TEST`.
        beside: 0 … 1, rate of failure of the tests next to it by name.
        slowness: logarithm of 1 + its duration in typical ones, from 0.
        priority: higher runs earlier; only its order means anything.
    """

    probability: float
    suspicion: float
    beside: float
    slowness: float
    priority: float


def likelihoods(evidence: Iterable[Evidence], *, rate: float, new_rate: float) -> dict[NodeId, Likelihood]:
    """Rank tests by what their past says.

    Args:
        evidence: every test that is known or about to run; the neighbours are found among these.
        rate: share of failures among recent results, 0 … 1; the prior of tests with few runs.
        new_rate: share of failures among first runs of new tests, 0 … 1.

    Returns:
        One likelihood per test.
    """
    tests = sorted(evidence, key=lambda one: natural_key(one.test))
    middle = [weighted_rate(one.recent, MIDDLE, start=new_rate) for one in tests if one.runs]
    place = 0
    scale = _typical_duration(tests)
    found: dict[NodeId, Likelihood] = {}
    for one in tests:
        beside = _beside(middle, place, rate, known=one.runs > 0)
        place += one.runs > 0
        own = _own_rate(one, rate=rate, new_rate=new_rate)
        blended = (1 - NEIGHBOUR_SHARE) * own + NEIGHBOUR_SHARE * beside
        suspicion = NEW_TEST if not one.runs else max(0.0, blended - _flip_discount(one, new_rate))
        slowness = math.log1p(one.duration / scale)
        found[one.test] = Likelihood(
            probability=blended if one.runs else 0.5 * (new_rate + beside),
            suspicion=suspicion,
            beside=beside,
            slowness=slowness,
            priority=urgency(suspicion, slowness, DURATION_EXPONENT),
        )
    return found


def urgency(suspicion: float, slowness: float, exponent: float) -> float:
    """Return the logarithm of a suspicion per duration, the duration raised to ``exponent``."""
    return math.log(suspicion + FLOOR) - exponent * slowness


def weighted_rate(recent: Sequence[bool], weight: float, *, start: float) -> float:
    """Return the exponentially weighted rate of failure: ``r ← (1 - weight)·r + weight·outcome``."""
    rate = start
    for failed in recent:
        rate += weight * (failed - rate)
    return rate


def flip_rate(recent: Sequence[bool]) -> float:
    """Return the share of neighbouring outcomes that differ, 0 … 1; 0 with fewer than two."""
    pairs = len(recent) - 1
    return sum(a != b for a, b in pairwise(recent)) / pairs if pairs > 0 else 0.0


def _own_rate(one: Evidence, *, rate: float, new_rate: float) -> float:
    quick = weighted_rate(one.recent, QUICK, start=new_rate)
    slow = weighted_rate(one.recent, SLOW, start=new_rate)
    overall = (one.failures + rate) / (one.runs + 1)
    return (quick + slow + overall) / 3


def _flip_discount(one: Evidence, new_rate: float) -> float:
    """A test that keeps changing its mind says less about the change at hand."""
    return (
        (1 - NEIGHBOUR_SHARE)
        * FLIP_SHARE
        * flip_rate(one.recent)
        * weighted_rate(one.recent, QUICK, start=new_rate)
    )


def _beside(rates: Sequence[float], place: int, rate: float, *, known: bool) -> float:
    """Mean rate of the known tests beside this place, with a fifth of an observation at the global rate."""
    total, weights = 0.2 * rate, 0.2
    for other in range(max(0, place - NEIGHBOURS), min(len(rates), place + NEIGHBOURS + 1)):
        if other != place or not known:
            weight = 1 / (1 + abs(other - place))
            total += weight * rates[other]
            weights += weight
    return total / weights


def _typical_duration(tests: Sequence[Evidence]) -> float:
    known = sorted(one.duration for one in tests if one.duration > 0)
    return known[len(known) // 2] if known else 1.0


class Ledger:
    """Evidence kept run by run: what history does in its tables, for streams of results.

    The global rate is an exponentially weighted mean over runs (weight 0.1).
    """

    def __init__(self) -> None:
        self.tests: dict[NodeId, Evidence] = {}
        self.rate = 0.1
        self.run = 0
        self._new = 1
        self._new_failures = 0.5

    @property
    def new_rate(self) -> float:
        """Share of failures among the first results of tests, with half a failure in one as the prior."""
        return self._new_failures / self._new

    def learn(self, results: Sequence[tuple[NodeId, bool, float]]) -> None:
        """Add one run: (test, failed, duration) of each result, in order."""
        self.run += 1
        for test, failed, duration in results:
            before = self.tests.get(test)
            if before is None:
                before = Evidence(test=test, first_run=self.run)
                self._new += 1
                self._new_failures += failed
            self.tests[test] = Evidence(
                test=test,
                recent=(*before.recent[-KEPT + 1 :], failed),
                runs=before.runs + 1,
                failures=before.failures + failed,
                duration=duration,
                first_run=before.first_run,
                last_run=self.run,
                last_failure=self.run if failed else before.last_failure,
            )
        if results:
            self.rate += 0.1 * (sum(failed for _, failed, _ in results) / len(results) - self.rate)

    def rank(self, tests: Mapping[NodeId, float] | Iterable[NodeId]) -> dict[NodeId, Likelihood]:
        """Return the likelihood of each of these tests; new ones are known by name (and duration) only."""
        durations = tests if isinstance(tests, Mapping) else {}
        asked = set(tests)
        known = {
            test: msgspec.structs.replace(one, duration=durations[test]) if test in durations else one
            for test, one in self.tests.items()
        }
        fresh = [Evidence(test=test, duration=durations.get(test, 0.0)) for test in asked - known.keys()]
        every = likelihoods([*known.values(), *fresh], rate=self.rate, new_rate=self.new_rate)
        return {test: every[test] for test in asked}
