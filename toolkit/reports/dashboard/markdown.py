"""The dashboard as Markdown: for a job summary, a merge request, a chat. Inert whatever a test is called."""

from collections.abc import Iterator, Sequence

from toolkit.analysis.comparing import WORST_FIRST
from toolkit.records import NodeId
from toolkit.reports.dashboard.facts import Facts, Group, Insight, Moved
from toolkit.reports.markdown import code, plain
from toolkit.reports.phrases import milliseconds, rate, seconds

MOST = 10
_MARKS = {"PASS": "✅", "WARNING": "⚠️", "FAIL": "❌"}
_SIGNS = {"bad": "🔴", "warning": "🟡", "good": "🟢", "note": "🔵"}


def markdown(facts: Facts) -> str:
    """Return the whole text; long lists are cut and say so."""
    blocks = [
        f"# {plain(facts.title)}",
        f"{_MARKS[facts.verdict]} **{plain(facts.headline)}**",
        *_section("Missing", [f"* {plain(text)}" for text in facts.complaints]),
        *_section("What matters", [_insight(insight) for insight in facts.insights]),
        *_section("What changed", list(_changes(facts))),
        *_section("Failures by cause", [_group(group) for group in facts.groups]),
        *_table("Flaky", "test | state | rate | results | evidence", _flaky(facts)),
        *_table("Recommendations", "about | evidence | what to do", _advice(facts)),
        *_table("Slowest", "test | time | before", _slowest(facts)),
        *_table("Load", "scenario | verdict | per second | p99 | what does not hold", _loads(facts)),
        *_table("Fuzzing", "operation | check", _fuzz(facts)),
        *_section("Security tests that failed", [f"* {code(test)}" for test in facts.strain.attacks]),
        *_table("Benchmarks", "benchmark | median | before | last move | budget", _benchmarks(facts)),
        *_table("Likely to fail next", "test | probability | why", _risks(facts)),
        *_coverage(facts),
        *_table("Services", "service | state | runtime", _services(facts)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"## {title}"
        yield "\n".join([*lines[:MOST], *_more(len(lines))])


def _more(count: int) -> list[str]:
    return [f"* … and {count - MOST:,} more"] if count > MOST else []


def _table(title: str, headings: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"## {title}"
        rule = "|".join("---" for _ in headings.split("|"))
        lines = [f"| {headings} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows[:MOST])]
        yield "\n".join(lines)
        if len(rows) > MOST:
            yield f"… and {len(rows) - MOST:,} more."


def _insight(insight: Insight) -> str:
    action = f" *{plain(insight.action)}.*" if insight.action else ""
    return f"* {_SIGNS[insight.weight]} {plain(insight.text)}.{action}"


def _changes(facts: Facts) -> Iterator[str]:
    for state in WORST_FIRST:
        tests = [change.test for change in facts.changes if change.state is state]
        if tests:
            yield f"* {state} ({facts.states[state]:,}): {_names(tests)}"


def _names(tests: Sequence[NodeId]) -> str:
    shown = ", ".join(code(test) for test in tests[:3])
    return shown if len(tests) <= 3 else f"{shown} and {len(tests) - 3:,} more"  # noqa: PLR2004 - a few names


def _group(group: Group) -> str:
    best = group.causes[0]
    outage = " **outage**" if group.outage else ""
    known = f" {plain(group.known)}" if group.known else ""
    return (
        f"* {group.count:,} of {plain(group.category)}:{outage} {plain(best.cause)} ({best.confidence:.2f}): "
        f"{_names(group.tests)}.{known}"
    )


def _flaky(facts: Facts) -> list[tuple[str, ...]]:
    return [
        (code(one.test), one.state, rate(one.rate), f"{one.results}", plain(one.evidence))
        for one in facts.flaky
    ]


def _advice(facts: Facts) -> list[tuple[str, ...]]:
    return [(code(one.subject), plain(one.evidence), plain(one.action)) for one in facts.advice]


def _slowest(facts: Facts) -> list[tuple[str, ...]]:
    return [
        (code(one.test), seconds(one.duration), "" if one.typical is None else seconds(one.typical))
        for one in facts.slowest
    ]


def _loads(facts: Facts) -> list[tuple[str, ...]]:
    return [
        (
            plain(one.scenario), one.verdict, f"{one.throughput:.1f} of {one.wanted:g}",
            f"{one.p99_ms:.1f} ms", plain("; ".join(one.findings)),
        )
        for one in facts.strain.loads
    ]  # fmt: skip


def _fuzz(facts: Facts) -> list[tuple[str, ...]]:
    found = facts.strain.fuzz
    return [] if found is None else [(code(name), plain(check)) for name, check, _ in found.findings]


def _moved(moved: Moved) -> str:
    levels = f"{milliseconds(moved.before)} to {milliseconds(moved.after)}"
    return f"{levels} at {code(moved.commit[:12])}"


def _benchmarks(facts: Facts) -> list[tuple[str, ...]]:
    return [
        (
            code(one.test), milliseconds(one.seconds[-1]),
            "" if one.change is None else f"{one.change:.2f} x",
            "" if one.moved is None else _moved(one.moved),
            "" if one.budget is None else milliseconds(one.budget),
        )
        for one in facts.benchmarks.rows
    ]  # fmt: skip


def _risks(facts: Facts) -> list[tuple[str, ...]]:
    return [(code(one.test), rate(one.probability), plain("; ".join(one.factors))) for one in facts.risks]


def _services(facts: Facts) -> list[tuple[str, ...]]:
    return [(plain(one.service), plain(one.state), plain(one.runtime)) for one in facts.services]


def _coverage(facts: Facts) -> Iterator[str]:
    if facts.coverage is not None:
        yield "## Coverage"
        yield (
            f"{facts.coverage.percent:.1f} % of {facts.coverage.statements:,} statements; "
            f"{facts.coverage.missing:,} are not reached."
        )
