"""Numbers as people read them; the same words in every report."""

from collections.abc import Iterator

from toolkit.records import Evidence
from toolkit.reports.summary import Counts, Summary


def seconds(value: float | None) -> str:
    """Return a duration with a fitting unit: ``840 ms``, ``12.3 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if value is None:
        return "unknown"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def milliseconds(value: float) -> str:
    """Return seconds as milliseconds with four figures: benchmarks differ by less than a millisecond."""
    return f"{value * 1000:.4g} ms"


def rate(value: float | None) -> str:
    """Return a ratio in percent, never rounded up to 100."""
    if value is None:
        return "nothing ran"
    return "100 %" if value == 1 else f"{min(value * 100, 99.9):.1f} %"


def tallies(counts: Counts) -> Iterator[str]:
    """Yield what happened in the order of its weight: "2 failed", "1 error", "9 passed" …."""
    for value, word in (
        (counts.failed, "failed"),
        (counts.errors, "error" if counts.errors == 1 else "errors"),
        (counts.passed, "passed"),
        (counts.skipped - counts.xfailed, "skipped"),
        (counts.xfailed, "xfailed"),
        (counts.xpassed, "of them xpassed"),
        (counts.flaky, "flaky"),
        (counts.crashed, "crashed"),
    ):
        if value:
            yield f"{value:,} {word}"


def size(value: float) -> str:
    """Return bytes with a fitting unit."""
    for unit in ("bytes", "kB", "MB"):
        if value < 1024:  # noqa: PLR2004 - the step between units
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"


def moment(evidence: Evidence) -> Iterator[str]:
    """Yield what was around a test when it failed, in words."""
    for health in evidence.services:
        yield f"{health.variable}: {health.address}: {health.state}"
    if evidence.memory is not None and evidence.memory_total:
        yield f"memory free: {size(evidence.memory)} of {size(evidence.memory_total)}"
    if evidence.disk is not None:
        yield f"disk free: {size(evidence.disk)}"
    if evidence.scratch is not None and evidence.scratch != evidence.disk:
        yield f"disk free for temporary files: {size(evidence.scratch)}"
    if evidence.load is not None:
        yield f"load: {evidence.load:g} on {evidence.cores or '?'} cores"
    if evidence.timeout is not None:
        left = "" if evidence.left is None else f", {seconds(max(evidence.left, 0.0))} were left"
        yield f"time allowed: {seconds(evidence.timeout)}{left}"
    yield f"after the start of its process: {seconds(evidence.elapsed)}"
    if evidence.ports:
        yield f"listening itself on: {', '.join(map(str, evidence.ports))}"
    for test in evidence.neighbours:
        yield f"beside it ran: {test}"


def headline(summary: Summary) -> str:
    """Return the verdict and the figures in one line."""
    counts = summary.counts
    if not counts.tests:
        return f"{summary.verdict}: no test ran"
    told = ", ".join(tallies(counts))
    return f"{summary.verdict} {rate(counts.success_rate)}: {counts.tests:,} tests: {told}"
