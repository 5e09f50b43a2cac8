"""Everything that analysis says of a history, read once: for tasks, reports and the dashboard."""

from collections.abc import Callable

import msgspec

from toolkit.analysis.advice import Advice, advise
from toolkit.analysis.flakiness import flakiness_of
from toolkit.analysis.flaky import FlakyTest
from toolkit.analysis.metrics import Metrics, metrics_of
from toolkit.analysis.past import Past, past_of
from toolkit.analysis.trends import Trend, run_trends, test_trends
from toolkit.history.store import History


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What the history means."""

    metrics: Metrics
    trends: tuple[Trend, ...]  # of runs
    slower: tuple[Trend, ...]  # tests whose duration changed
    flaky: tuple[FlakyTest, ...]
    advice: tuple[Advice, ...]


def analyse(
    history: History, past: Past | None = None, *, owner: Callable[[str], str] = lambda _file: ""
) -> Analysis:
    """Compute everything.

    Args:
        history: of the project.
        past: of the same history, if it was read already.
        owner: file → its owners, see :mod:`toolkit.analysis.owners`.
    """
    past = past_of(history) if past is None else past
    runs = history.runs(limit=None)
    metrics = metrics_of(runs, past.recent, owner=owner)
    trends = run_trends(runs)
    slower = test_trends(past.recent, {run.run: run for run in runs})
    flaky = flakiness_of(history, past)
    advice = advise(metrics, trends=[*trends, *slower], flaky=flaky, usage=history.usage())
    return Analysis(metrics=metrics, trends=trends, slower=slower, flaky=flaky, advice=advice)
