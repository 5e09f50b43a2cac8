"""The summary as Markdown: for a job summary, a merge request, a chat. Inert whatever a test is called."""

import re
from collections.abc import Iterator

from toolkit.reports.phrases import headline, rate, seconds
from toolkit.reports.summary import CauseRow, Counts, Detail, Part, Summary, Verdict

_MARKS = {Verdict.PASS: "✅", Verdict.WARNING: "⚠️", Verdict.FAIL: "❌"}
_MOST = 25
_MOST_PARTS = 50
_LINES = 25
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def markdown(summary: Summary) -> str:
    """Return the whole text; long lists are cut and say so."""
    title = summary.title or "Test report"
    blocks = [
        f"# {plain(title)}",
        f"{_MARKS[summary.verdict]} **{headline(summary)}**",
        _facts(summary),
        *_section("Missing", [f"* {plain(line)}" for line in summary.complaints]),
        *_section("Causes", [_cause(row) for row in summary.causes]),
        *_failures("Failures", [detail for detail in summary.details if not detail.flaky], summary),
        *_failures("Flaky", [detail for detail in summary.details if detail.flaky], summary),
        *_section("Recovery from faults", _recoveries(summary)),
        *_section("Slowest", _slowest(summary)),
        *_section("Files and runs", _parts(summary.parts)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _facts(summary: Summary) -> str:
    facts = [f"Time of all tests: {seconds(summary.counts.duration)}"]
    if summary.elapsed is not None:
        facts.append(f"from start to end: {seconds(summary.elapsed)}")
    if summary.coverage is not None:
        facts.append(f"coverage: {summary.coverage:.1f} %")
    return ", ".join(facts) + "."


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"## {title}"
        more = [f"* … and {len(lines) - _MOST_PARTS} more"] if len(lines) > _MOST_PARTS else []
        yield "\n".join([*lines[:_MOST_PARTS], *more])


def _cause(row: CauseRow) -> str:
    outage = " (an outage: it says nothing about the tests)" if row.outage else ""
    return f"* {row.count:,} of {plain(row.category)}: {plain(row.cause)}{outage}: {code(row.tests[0])} …"


def _failures(title: str, details: list[Detail], summary: Summary) -> Iterator[str]:
    counts = summary.counts
    whole = counts.flaky if title == "Flaky" else counts.bad
    if not whole:
        return
    yield f"## {title}"
    for detail in details[:_MOST]:
        yield _detail(detail)
    if whole > len(details[:_MOST]):
        yield f"… and {whole - len(details[:_MOST])} more."


def _detail(detail: Detail) -> str:
    tries = f", {detail.attempts} attempts" if detail.attempts > 1 else ""
    lines = [f"* {code(detail.test)}: {detail.outcome}{tries} ({seconds(detail.duration)})"]
    mishap = detail.mishaps[0] if detail.mishaps else None
    if mishap is not None:
        text = mishap.traceback or mishap.message
        lines += ["", *(f"      {_CONTROL.sub('', line)}" for line in text.splitlines()[-_LINES:])]
    return "\n".join(lines)


def _recoveries(summary: Summary) -> list[str]:
    if not summary.recoveries:
        return []
    rows = [
        f"| {plain(row.action)} | {plain(row.service)} | {seconds(row.answered)} | {seconds(row.recovered)} "
        f"| {code(row.test)} |"
        for row in summary.recoveries[:_MOST]
    ]
    left = len(summary.recoveries) - len(rows)
    more = [f"| … and {left} faster ones | | | | |"] if left > 0 else []
    head = ["| fault | service | answered after | well after | test |", "|---|---|---:|---:|---|"]
    return [*head, *rows, *more]


def _slowest(summary: Summary) -> list[str]:
    if not summary.slowest:
        return []
    rows = [f"| {seconds(slow.duration)} | {code(slow.test)} |" for slow in summary.slowest[:10]]
    return ["| time | test |", "|---:|---|", *rows]


def _parts(parts: list[Part]) -> list[str]:
    if not parts:
        return []
    rows = [f"| {code(part.source)} | {_figures(part.counts)} |" for part in parts]
    return [
        "| source | tests | passed | failed | errors | skipped | rate |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]


def _figures(counts: Counts) -> str:
    figures = (counts.tests, counts.passed, counts.failed, counts.errors, counts.skipped)
    return " | ".join([*map(str, figures), rate(counts.success_rate)])


def code(text: str) -> str:
    """Return a code span for any text: one line, with a fence longer than any run of backticks in it.

    Pipes are escaped, since a table is split before its code spans are read (GitHub Flavored Markdown, 4.10).
    """
    text = _CONTROL.sub("\ufffd", text).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{space}{text}{space}{fence}"


def plain(text: str) -> str:
    """Escape what Markdown or HTML would take for markup."""
    text = _CONTROL.sub(" ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~!@:])", r"\\\1", text)
