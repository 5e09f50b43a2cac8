"""What the whole history means for the dashboard: advice, trends, flaky tests, forecasts, what is known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from toolkit.analysis.advice import Advice
from toolkit.analysis.failures import classify_all
from toolkit.analysis.flaky import FlakyTest
from toolkit.analysis.forecast import Forecast, forecasts, learned_runs
from toolkit.analysis.knowledge import Episode, Sight, episodes
from toolkit.analysis.likelihood import Ledger
from toolkit.analysis.measures import MeasureTrend
from toolkit.analysis.past import Past
from toolkit.analysis.prediction import LISTED, Model, Result, train
from toolkit.analysis.state import analyse
from toolkit.analysis.trends import Trend
from toolkit.errors import MissingExtra
from toolkit.history.answers import PastFailure
from toolkit.history.store import History
from toolkit.reports.dashboard.benchmarks import benchmark_trends

READ = 5_000
"""So many of the newest failures are known again."""
MOST = 200
"""So many trends of tests and so many forecasts are kept."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What the analysis says.

    Attributes:
        advice: what the figures recommend.
        trends: of runs and of tests, with their changes of level.
        flaky: proven ones first.
        forecasts: of the tests above 0.3, the most likely failures first.
        model: how they were made, in words.
        known: signature → what earlier runs say of it.
        benchmarks: their medians from run to run.
    """

    advice: tuple[Advice, ...] = ()
    trends: tuple[Trend, ...] = ()
    flaky: tuple[FlakyTest, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    model: str = "there is no forecast"
    known: Mapping[str, str] = {}
    benchmarks: tuple[MeasureTrend, ...] = ()


def outlook_of(history: History, past: Past) -> Outlook:
    """Analyse a history."""
    found = analyse(history, past)
    model, words = model_of(learned_runs(past))
    expected = (one for one in forecasts(model, past, flaky=found.flaky) if one.probability > LISTED)
    return Outlook(
        advice=found.advice,
        trends=(*found.trends, *found.slower[:MOST]),
        flaky=found.flaky,
        forecasts=tuple(expected)[:MOST],
        model=words,
        known=known_signatures(history.failures(limit=READ), past),
        benchmarks=benchmark_trends(history.measured()),
    )


def known_signatures(failed: Sequence[PastFailure], past: Past) -> dict[str, str]:
    """Say of every signature of several runs since when it is known, and what ended it the last time."""
    found = classify_all(([one.failure], one.outcome) for one in failed)
    sights: dict[str, list[Sight]] = defaultdict(list)
    for one, diagnosis in zip(failed, found, strict=True):
        signature = diagnosis.signature
        sights[signature.key].append(Sight(test=one.test, run=one.run, signature=signature))
    several = {key: rows for key, rows in sights.items() if len({row.run for row in rows}) > 1}
    return {key: _sentence(episodes(rows, past)) for key, rows in several.items()}


def _sentence(found: Sequence[Episode]) -> str:
    """Sum up the episodes of one signature, which come newest first."""
    if not found:
        return ""
    results, tests = sum(one.runs for one in found), len({one.test for one in found})
    told = f"Seen before: in {results} results of {tests} tests, first in {found[-1].first}."
    ended = next((one for one in found if one.green), None)
    if ended is None:
        return told
    commit = f" on {ended.fixed[:12]}" if ended.fixed else ""
    return f"{told} The last time it was good again in {ended.green}{commit}."


def model_of(runs: Sequence[Sequence[Result]]) -> tuple[Model, str]:
    """Learn from runs, as far as the packages for it are installed; and say how."""
    try:
        model = train(runs)
    except MissingExtra:
        return prior_model(runs), "weighted failure rates, not calibrated: scikit-learn is not installed here"
    if model.trained:
        return model, "learned from earlier runs in order of time, calibrated on the newest quarter of them"
    return model, "weighted failure rates, not calibrated: there are too few runs or failures to learn from"


def prior_model(runs: Sequence[Sequence[Result]]) -> Model:
    """Return the model that needs no training."""
    ledger = Ledger()
    for run in runs:
        ledger.learn([(one.test, one.failed, one.duration) for one in run])
    return Model(ledger)
