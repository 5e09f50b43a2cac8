"""What a session says when pytest has ended: what ran, how long, verdict, what is missing, where it is."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit.records import RunRecord
from toolkit.reports.phrases import seconds
from toolkit.reports.summary import Summary
from toolkit.reports.terminal import terminal_lines
from toolkit.sessions.recording import Earlier, Settled


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the test process of a session ended."""

    name: str
    """Of the session, ``unit-3.12``."""
    command: tuple[str, ...]
    seconds: float
    exit_code: int
    """Of pytest; negative: the signal that killed it."""
    excused: bool = False
    """Whether the exit code is fine nevertheless: the project has no test of this kind."""


def run_lines(
    ended: Ended, settled: Settled, *, summary: Summary | None = None, reports: Path | None = None
) -> Iterator[str]:
    """Yield the lines that sum up one session.

    Args:
        ended: how the process ended.
        settled: what is known of its run.
        summary: of the run; None: there is no record of it.
        reports: where the reports are; None: none were written.
    """
    yield f"{ended.name}: {exit_words(ended.exit_code)} after {seconds(ended.seconds)}"
    yield f"  ran: {shlex.join(ended.command)}"
    if summary is None:
        yield "  nothing was recorded"
    elif not ended.excused:
        for line, _ in terminal_lines(summary, reports):
            yield f"  {line.lstrip()}"
    if settled.problem:
        yield f"  missing: {settled.problem}; the journals stay in {settled.folder}"
    if ended.excused:
        yield "  NO TEST of this kind in the project: nothing was tested"


def earlier_lines(earlier: Earlier) -> Iterator[str]:
    """Say what earlier runs left behind and what became of it."""
    for record in earlier.interrupted:
        yield f"{interrupted_words(record)}; what it recorded is in the history now"
    if earlier.complete:
        yield f"{earlier.complete} earlier runs are in the history now"
    for unreadable in earlier.unreadable:
        yield f"an earlier run cannot be read: {unreadable.path}: {unreadable.reason}"
    if earlier.problem:
        yield f"earlier runs wait for the history: {earlier.problem}"


def interrupted_words(record: RunRecord) -> str:
    """Say how far a run came that did not end by itself."""
    done = len(record.cases)
    wanted = done + len(record.missing)
    what = f"an earlier run, {record.header.run} ({record.header.profile or 'pytest'})"
    return f"{what}, was interrupted with {done} of {wanted} tests recorded"


_EXIT_WORDS = {
    0: "pytest is content",
    1: "tests failed",
    2: "interrupted, or errors while collecting",
    3: "internal error of pytest",
    4: "wrong use of pytest",
    5: "no test was selected",
}


def exit_words(code: int) -> str:
    """Explain pytest's exit code: https://docs.pytest.org/en/stable/reference/exit-codes.html."""
    if code < 0:
        return f"killed by signal {-code}"
    return f"exit code {code} ({_EXIT_WORDS.get(code, 'not one of pytest')})"
