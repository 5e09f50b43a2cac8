"""The history as Prometheus metrics: a text file, a scrape, a push. Every label has few values.

Totals are over all runs that the history holds, so they only grow until it is pruned (a reset, which ``rate``
understands). No label is the name of a test: files are the dearest fifty, all others are ``other``.
https://prometheus.io/docs/practices/naming/
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.errors import MissingExtra, ToolkitError
from toolkit.history.answers import RunRow
from toolkit.history.store import History

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histogram, in seconds."""
FILES = 50
"""So many files have a label of their own."""
STREAMS = 100
"""So many pairs of profile and Python have labels of their own."""
OTHER = "other"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(history: History) -> str:
    """Return all metrics in the text format.

    Raises:
        MissingExtra: prometheus_client is not installed.
    """
    client = _client()
    text: bytes = client.generate_latest(registry_of(history))
    return text.decode("utf-8")


def push(history: History, gateway: str, *, job: str = "toolkit") -> None:
    """Replace what a push gateway holds of a job by the present metrics.

    Raises:
        MissingExtra: prometheus_client is not installed.
        ToolkitError: the gateway does not take them.
    """
    client = _client()
    try:
        client.push_to_gateway(gateway, job=job, registry=registry_of(history), timeout=30)
    except OSError as error:
        raise ToolkitError(
            f"{gateway}: does not take the metrics: {error}", hint="expected the address of a push gateway"
        ) from error


def registry_of(history: History) -> "CollectorRegistry":
    """Return a registry that holds the metrics of the history as it is now."""
    client = _client()
    families = list(_families(history))

    class Collector(client.registry.Collector):  # type: ignore[misc,name-defined]  # known when installed
        def collect(self) -> Iterator[Any]:
            return iter(families)

    registry: CollectorRegistry = client.CollectorRegistry()
    registry.register(Collector())
    return registry


def _client() -> Any:
    try:
        import prometheus_client
        import prometheus_client.core
    except ImportError as error:
        raise MissingExtra("metrics", extra="prometheus", package="prometheus-client") from error
    return prometheus_client


def _families(history: History) -> Iterator[Any]:
    yield from _durations(history)
    yield from _runs(history.runs(limit=None))
    yield _memory(history)


def _durations(history: History) -> Iterator[Any]:
    core = _client().core
    labels = ["profile", "python", "outcome"]
    told = core.HistogramMetricFamily(
        "test_duration_seconds", "How long the attempts of tests took", labels=labels
    )
    executions = core.CounterMetricFamily("test_executions", "Attempts of tests", labels=labels)
    totals: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0] * (len(BOUNDS) + 2))
    for row in history.duration_totals(BOUNDS):
        place = _stream(row.profile, row.python, {key[:2] for key in totals})
        found = totals[(*place, str(row.outcome))]
        for at, value in enumerate((*row.within, row.count, row.seconds)):
            found[at] += value
    for key, (*within, count, seconds) in sorted(totals.items()):
        buckets = [(f"{bound:g}", value) for bound, value in zip(BOUNDS, within, strict=True)]
        told.add_metric(key, [*buckets, ("+Inf", count)], seconds)
        executions.add_metric(key, count)
    yield told
    yield executions


def _stream(profile: str, python: str, known: set[tuple[str, str]]) -> tuple[str, str]:
    key = (profile or "none", ".".join(python.split(".")[:2]) or "unknown")
    return key if key in known or len(known) < STREAMS else (OTHER, OTHER)


_GAUGES: tuple[tuple[str, str, Callable[[RunRow], float]], ...] = (
    ("test_run_duration_seconds", "Start to end of the newest run that ended", lambda run: run.wall or 0.0),
    ("test_run_timestamp_seconds", "When the newest run that ended began", lambda run: run.started),
    ("test_run_tests", "Tests of the newest run that ended", lambda run: run.tests),
    ("test_run_failures", "Tests of the newest run that ended which fail a build", lambda run: run.bad),
    ("test_run_flaky", "Tests of the newest run that ended, good only after a retry", lambda run: run.flaky),
    (
        "test_run_success_ratio",
        "Good ÷ (good + bad) of the newest run that ended",
        lambda run: 1 - run.bad / max(run.tests - run.skipped - run.xfailed, 1),
    ),
)


def _runs(rows: Sequence[RunRow]) -> Iterator[Any]:
    core = _client().core
    labels = ["profile", "python"]
    newest: dict[tuple[str, str], RunRow] = {}
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in rows:  # newest first
        key = _stream(row.profile, row.python, {place[:2] for place in counts})
        ended = row.finished is not None
        counts[(*key, "interrupted" if not ended else "bad" if row.bad else "good")] += 1
        if ended:
            newest.setdefault(key, row)
    for name, words, value in _GAUGES:
        gauge = core.GaugeMetricFamily(name, words, labels=labels)
        for key, row in sorted(newest.items()):
            gauge.add_metric(key, value(row))
        yield gauge
    runs = core.CounterMetricFamily("test_runs", "Runs", labels=[*labels, "result"])
    for place, count in sorted(counts.items()):
        runs.add_metric(place, count)
    yield runs


def _memory(history: History) -> Any:
    """Tell the peak resident memory of the process, of the newest runs, by file of the test."""
    peaks: dict[str, int] = {}
    for test, used in history.usage().items():
        if used.memory is not None:
            file = test.partition("::")[0]
            peaks[file] = max(peaks.get(file, 0), used.memory)
    ranked = sorted(peaks.items(), key=lambda one: (-one[1], one[0]))
    gauge = _client().core.GaugeMetricFamily(
        "test_memory_usage_bytes", "Peak memory of a process that ran tests of a file", labels=["file"]
    )
    for file, peak in ranked[:FILES]:
        gauge.add_metric([file], peak)
    if len(ranked) > FILES:
        gauge.add_metric([OTHER], ranked[FILES][1])
    return gauge
