"""What a session prints when pytest has ended: what ran, how long, verdict, what is missing, where it is."""

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit.records import Outcome, RunRecord
from toolkit.sessions.recording import Settled

_NAMED = 5
"""So many tests are named in a line; the rest is counted."""


def counts_line(record: RunRecord) -> str:
    """Count tests by outcome, in words: ``3 passed, 1 failed, 2 flaky``."""
    counts = Counter(case.outcome for case in record.cases)
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    flaky = sum(case.flaky for case in record.cases)
    if flaky:
        parts.append(f"{flaky} of them flaky")
    if record.deselected:
        parts.append(f"{record.deselected} left out")
    return ", ".join(parts) or "no test ran"


def duration_words(seconds: float) -> str:
    """Say a duration as people do: ``0.42 s``, ``12.3 s``, ``4 min 05 s``."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - three digits
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the test process of a session ended."""

    name: str
    """Of the session, ``unit-3.12``."""
    command: tuple[str, ...]
    seconds: float
    exit_code: int
    """Of pytest; negative: the signal that killed it."""


def run_lines(ended: Ended, settled: Settled, *, reports: Path | None = None) -> Iterator[str]:
    """Yield the lines that sum up one session.

    Args:
        ended: how the process ended.
        settled: what is known of its run.
        reports: where the reports are; None: none were written.
    """
    record = settled.record
    verdict = "PASS" if ended.exit_code == 0 else f"FAIL ({exit_words(ended.exit_code)})"
    counted = counts_line(record) if record else "nothing was recorded"
    yield f"{ended.name}: {verdict}: {counted} in {duration_words(ended.seconds)}"
    yield f"  ran      {shlex.join(ended.command)}"
    if settled.problem:
        yield f"  problem  {settled.problem} ({settled.folder})"
    if record:
        for what in missing_lines(record):
            yield f"  missing  {what}"
    if reports:
        yield f"  reports  {reports}"


def missing_lines(record: RunRecord) -> Iterator[str]:
    """Yield what the record of a run does not have: nothing is lost in silence."""
    if record.finished is None:
        yield "the run was interrupted before its end"
    for lost in record.lost:
        yield f"worker {lost.worker} died{f' while it ran {lost.test}' if lost.test else ''}"
    if record.missing:
        named = ", ".join(record.missing[:_NAMED])
        more = f" and {len(record.missing) - _NAMED} more" if len(record.missing) > _NAMED else ""
        yield f"{len(record.missing)} collected tests have no result: {named}{more}"
    for problem in record.problems[:_NAMED]:
        yield f"unreadable: {problem}"
    if len(record.problems) > _NAMED:
        yield f"unreadable: {len(record.problems) - _NAMED} more lines"


def earlier_line(settled: Settled) -> str:
    """Say what an earlier run left behind and what became of it."""
    record = settled.record
    if record is None:
        return f"an earlier run, {settled.folder.name}: {settled.problem}"
    header = record.header
    done, wanted = len(record.cases), len(record.cases) + len(record.missing)
    state = "is in the history now" if not settled.problem else settled.problem
    ended = "ended" if record.complete else "was interrupted"
    what = f"an earlier run, {header.run} ({header.profile or 'pytest'})"
    return f"{what}, {ended} after {done} of {wanted} tests; it {state}"


_EXIT_WORDS = {
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
    return f"exit code {code}: {_EXIT_WORDS.get(code, 'not one of pytest')}"
