"""The summary as a short text for a terminal or a log: what ran, how long, verdict, what is missing."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from toolkit.reports.phrases import headline, seconds, tallies
from toolkit.reports.summary import Detail, Summary, Verdict

_MOST = 10
_COLOURS = {Verdict.PASS: "bold green", Verdict.WARNING: "bold yellow", Verdict.FAIL: "bold red"}


def terminal_lines(summary: Summary, folder: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with the rich style that fits it ("" for none).

    Args:
        summary: what to tell.
        folder: where the reports were written.
    """
    yield headline(summary), _COLOURS[summary.verdict]
    for part in summary.parts:
        if part.run is not None:
            told = ", ".join(tallies(part.counts)) or "no tests"
            yield f"  {part.source}: {told} in {seconds(part.run.elapsed)}", ""
    files = sum(part.run is None for part in summary.parts)
    if files or summary.bad_files:
        unread = len(summary.bad_files)
        yield f"  {files:,} files read, {unread:,} not; all tests: {seconds(summary.counts.duration)}", ""
    yield from _causes(summary)
    yield from _listed("failed", [detail for detail in summary.details if not detail.flaky], "red")
    yield from _listed("flaky", [detail for detail in summary.details if detail.flaky], "yellow")
    complaints = summary.complaints
    for complaint in complaints[:_MOST]:
        yield f"  missing: {complaint}", "yellow"
    if len(complaints) > _MOST:
        yield f"  missing: … and {len(complaints) - _MOST:,} more", "yellow"
    if folder is not None:
        yield f"  reports: {folder / 'report.html'}", "dim"


def _causes(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield what several failures have in common; a failure that stands alone tells its cause itself."""
    for row in [row for row in summary.causes if row.count > 1][:_MOST]:
        yield f"  one cause of {row.count:,} failures: {row.category}: {row.cause}", "red"
        if row.outage:
            yield f"    an outage, {row.outage:,} of them say nothing about the tests: {row.evidence}", "red"


def _listed(word: str, details: list[Detail], style: str) -> Iterator[tuple[str, str]]:
    for detail in details[:_MOST]:
        first = detail.mishaps[0].message.strip().partition("\n")[0] if detail.mishaps else ""
        yield f"  {word}: {detail.test}{f': {first[:200]}' if first else ''}", style
    if len(details) > _MOST:
        yield f"  {word}: … and {len(details) - _MOST:,} more", style


def show(summary: Summary, folder: Path | None, stream: TextIO, environment: Mapping[str, str]) -> None:
    """Write the summary to a stream: in colour on a terminal, if rich is there and NO_COLOR is not set."""
    lines = [(_printable(line), style) for line, style in terminal_lines(summary, folder)]
    plain = not stream.isatty() or environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    if plain or not _rich(lines, stream):
        encoding = stream.encoding or "utf-8"
        texts = (line.encode(encoding, "backslashreplace").decode(encoding) for line, _ in lines)
        stream.writelines(f"{text}\n" for text in texts)
        stream.flush()


def _rich(lines: list[tuple[str, str]], stream: TextIO) -> bool:
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return False
    console = Console(file=stream, highlight=False, soft_wrap=True)
    for line, style in lines:
        console.print(Text(line, style=style))
    return True


def _printable(line: str) -> str:
    """Show control characters instead of sending them: a test name must not steer the terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line
    )
