"""From the history to a forecast: which tests are likely to fail next, why, and what to do about it."""

import math
import shlex
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from statistics import fmean

import msgspec

from toolkit.analysis.cofailure import CoFailures
from toolkit.analysis.flaky import FlakyTest
from toolkit.analysis.past import Past
from toolkit.analysis.prediction import LISTED, Model, Prediction, Result, train
from toolkit.history.letters import BAD
from toolkit.records import NodeId

MOST_RESULTS = 100_000
"""With more results, only the tests that ever failed are learned from; the others have the prior's answer."""
HELD_BACK = 1 / 3
"""Share of the newest runs on which quality is measured, and which are not learned from for it."""

Changed = Callable[[str, str], Collection[str]]
"""Two runs, the earlier one first → the files that changed between them."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of one test, and what to do.

    Attributes:
        test: its identity.
        probability: of failing in the next run, 0 … 1.
        risk: ``high`` above 0.7, ``listed`` above 0.3, else ``low``.
        priority: higher should run earlier.
        factors: what speaks for a failure, strongest first.
        actions: what to do, the first first.
        calibrated: whether the probability was calibrated on held-back runs.
    """

    test: NodeId
    probability: float
    risk: str
    priority: float
    factors: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    calibrated: bool = False

    @property
    def urgency(self) -> float:
        """The priority on the scale of a suspicion, 0 … 1: the one number by which a plan orders tests."""
        return round(math.exp(min(self.priority, 0.0)), 6)


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How good the forecasts of held-back runs were.

    Attributes:
        runs: held back, with at least one failure.
        results: in the held-back runs.
        failures: of these.
        auc: probability that a failed test had a higher forecast than a passed one; None: one outcome only.
        calibration: expected calibration error in ten bins (Naeini and others 2015), 0 … 1.
        brier: mean squared error (Brier 1950), 0 … 1.
        apfd: mean APFD of the runs in the order of priority (Rothermel and others 2001); random order: 0.5.
    """

    runs: int
    results: int
    failures: int
    auc: float | None
    calibration: float
    brier: float
    apfd: float | None


def learned_runs(
    past: Past,
    changed: Changed = lambda _before, _after: (),
    cofailures: CoFailures | None = None,
) -> list[list[Result]]:
    """Return what each run says, oldest first, with how much its changes concerned each test.

    Skipped and expectedly failed results say nothing; a late pass counts as a failure, since the order is
    about what is worth running first.

    Args:
        past: results of all tests.
        changed: tells which files changed between two runs.
        cofailures: learns what failed after which changes, for those who go on asking it.
    """
    runs = _results_by_run(past)
    cofailures = CoFailures() if cofailures is None else cofailures
    told, before = [], ""
    for run, rows in runs:
        files = changed(before, run) if before else ()
        touched = cofailures.touched([test for test, _, _ in rows], files)
        told.append(
            [
                Result(test=test, failed=failed, duration=seconds, touched=touched.get(test, 0.0))
                for test, failed, seconds in rows
            ]
        )
        cofailures.learn(files, [test for test, failed, _ in rows if failed])
        before = run
    return told


def _results_by_run(past: Past) -> list[tuple[str, list[tuple[NodeId, bool, float]]]]:
    rows = past.recent
    if sum(len(row.verdicts) for row in rows.values()) > MOST_RESULTS:
        rows = {test: row for test, row in rows.items() if _ever_failed(row.verdicts)}
    found: dict[str, list[tuple[NodeId, bool, float]]] = defaultdict(list)
    for test, row in rows.items():
        for run, letter, seconds in zip(row.runs, row.verdicts, row.durations, strict=True):
            if letter not in "sSxy":
                found[run].append((test, letter in BAD or letter.isupper(), seconds))
    return [(run, found[run]) for run in past.runs if run in found]


def _ever_failed(letters: str) -> bool:
    return not BAD.isdisjoint(letters) or not letters.islower()


def forecasts(
    model: Model,
    past: Past,
    *,
    touched: Mapping[NodeId, float] | None = None,
    flaky: Iterable[FlakyTest] = (),
) -> list[Forecast]:
    """Forecast every test of the history, the most likely failures first.

    Args:
        model: made by :func:`toolkit.analysis.prediction.train`.
        past: results of all tests.
        touched: how much the change at hand concerns a test, 0 … 1.
        flaky: the known flaky tests: for them the action is another one.
    """
    kinds = {one.test: one.kind for one in flaky if one.state == "flaky"}
    typical = {test: row.durations[-1] for test, row in past.recent.items() if row.durations}
    found = [_forecast(one, kinds.get(one.test, "")) for one in model.predict(typical, touched)]
    return sorted(found, key=lambda one: (-one.probability, one.test))


def _forecast(one: Prediction, kind: str) -> Forecast:
    return Forecast(
        test=one.test,
        probability=one.probability,
        risk=one.risk,
        priority=one.priority,
        factors=one.factors,
        actions=tuple(_actions(one, kind)) if one.probability > LISTED else (),
        calibrated=one.calibrated,
    )


def _actions(one: Prediction, kind: str) -> Iterable[str]:
    test = shlex.quote(one.test)
    if kind == "order":
        yield f"find what it depends on: invoke tests.bisect {test}"
    elif kind:
        yield f"it is flaky ({kind}): invoke flaky.show {test}"
    if any("the change" in factor for factor in one.factors):
        yield "run it before you commit: the change concerns it"
    if one.risk == "high" and not kind:
        yield f"it fails nearly always: see why with invoke failures.show {test}"
    elif not kind:
        yield f"look at its last failures: invoke history.test {test}"
    yield "let it run first: --order=smart"


def evaluate(runs: Sequence[Sequence[Result]], *, held_back: float = HELD_BACK) -> Quality | None:
    """Measure the forecasts of the newest runs, each made from what was known before it.

    Args:
        runs: oldest first.
        held_back: share of the newest runs, which the model does not learn from.

    Returns:
        None where there is nothing to hold back.
    """
    cut = len(runs) - int(len(runs) * held_back)
    if not runs[:cut] or not runs[cut:]:
        return None
    model = train(runs[:cut])
    told: list[tuple[float, bool]] = []
    orders: list[float] = []
    for run in runs[cut:]:
        found = model.predict({one.test: one.duration for one in run}, {one.test: one.touched for one in run})
        failed = {one.test for one in run if one.failed}
        told += [(one.probability, one.test in failed) for one in found]
        if failed:
            orders.append(apfd([one.test in failed for one in found]))
        model.ledger.learn([(one.test, one.failed, one.duration) for one in run])
    return quality(told, orders)


def quality(told: Sequence[tuple[float, bool]], orders: Sequence[float] = ()) -> Quality:
    """Score probabilities against what happened."""
    failures = sum(failed for _, failed in told)
    bins = groupby(sorted(told), key=lambda pair: min(9, int(pair[0] * 10)))
    gaps = [abs(sum(chance - failed for chance, failed in rows)) for _, rows in bins]
    return Quality(
        runs=len(orders),
        results=len(told),
        failures=failures,
        auc=auc(told),
        calibration=sum(gaps) / len(told) if told else 0.0,
        brier=fmean((chance - failed) ** 2 for chance, failed in told) if told else 0.0,
        apfd=fmean(orders) if orders else None,
    )


def auc(told: Sequence[tuple[float, bool]]) -> float | None:
    """Return the area under the ROC curve, ties counted half (Mann and Whitney 1947); None: one outcome."""
    failures = sum(failed for _, failed in told)
    passes = len(told) - failures
    if not failures or not passes:
        return None
    ranks, place = 0.0, 0
    for _, tied in groupby(sorted(told), key=itemgetter(0)):
        group = [failed for _, failed in tied]
        ranks += (place + (len(group) + 1) / 2) * sum(group)
        place += len(group)
    return (ranks - failures * (failures + 1) / 2) / (failures * passes)


def apfd(failed: Sequence[bool]) -> float:
    """Return the average percentage of failures detected of an order with at least one failure."""
    ranks = sum(place for place, bad in enumerate(failed, 1) if bad)
    return 1 - ranks / (len(failed) * sum(failed)) + 1 / (2 * len(failed))
