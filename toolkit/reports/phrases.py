"""Numbers as people read them; the same words in every report."""

from collections.abc import Iterator

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


def headline(summary: Summary) -> str:
    """Return the verdict and the figures in one line."""
    counts = summary.counts
    if not counts.tests:
        return f"{summary.verdict}: no test ran"
    told = ", ".join(tallies(counts))
    return f"{summary.verdict} {rate(counts.success_rate)}: {counts.tests:,} tests: {told}"
