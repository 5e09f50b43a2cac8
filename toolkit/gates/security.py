"""The security gate: did every source answer completely, and do its findings fit the budget?

Today's tools end with 0 in cases in which they looked at nothing: bandit on files that it could not parse and
on folders that do not exist, pip-audit on packages that it skipped. Here these fail.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from toolkit.config.gates import Gates, Waiver
from toolkit.gates.verdicts import (
    SEVERITIES,
    Absent,
    Check,
    Finding,
    Severity,
    Status,
    absent_check,
)
from toolkit.gates.waivers import expired_for, waive

NOT_CHECKED = "not-checked"
"""Rule of what a source could not look at; a waiver may name it."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What one tool answered.

    Attributes:
        tool: its name.
        report: the file.
        asked: who answered: the tool, or the address or folder of the advisories.
        looked_at: how much: ``12 packages``.
        findings: those of rule :data:`NOT_CHECKED` included.
    """

    tool: str
    report: str
    asked: str = ""
    looked_at: str = ""
    findings: tuple[Finding, ...] = ()


def judge_security(sources: Mapping[str, Source | Absent], gates: Gates, today: dt.date) -> tuple[Check, ...]:
    """Judge the sources: one check for each, one for each severity.

    Args:
        sources: name → what it answered; every one that is demanded.
        gates: budgets and waivers.
        today: the date.
    """
    answered = [source for source in sources.values() if isinstance(source, Source)]
    findings = [one for source in answered for one in waive(source.findings, gates.waivers, today)]
    checks = [_judge_source(name, source, gates, today) for name, source in sources.items()]
    if answered:
        counted = list(distinct(one for one in findings if one.rule != NOT_CHECKED))
        checks += [
            _judge_budget(severity, counted, answered, gates, today)
            for severity in SEVERITIES
        ]  # fmt: skip
    return tuple(checks)


def _judge_source(name: str, source: Source | Absent, gates: Gates, today: dt.date) -> Check:
    check = f"security.{name}"
    if isinstance(source, Absent):
        return absent_check(check, source)
    unseen = [one for one in source.findings if one.rule == NOT_CHECKED]
    findings = waive(unseen, gates.waivers, today)
    left = [one for one in findings if one.waiver is None]
    said = f"{source.asked or name} answered about {source.looked_at}"
    return Check(
        id=check,
        status=Status.FAILED if left else Status.PASSED,
        message=f"{said}, not about {len(left)}: {left[0].where}: {left[0].message}" if left else said,
        measured=len(left),
        threshold=0,
        comparison="at most",
        unit="not checked",
        source=source.report,
        remedy="make it readable to the tool, or waive the rule not-checked for it" if left else "",
        findings=findings,
    )


def _judge_budget(
    severity: Severity, findings: Sequence[Finding], sources: Sequence[Source], gates: Gates, today: dt.date
) -> Check:
    mine = tuple(one for one in findings if one.severity == severity)
    left = [one for one in mine if one.waiver is None]
    limit: int | None = getattr(gates, f"security_{severity}_max")
    passed = limit is None or len(left) <= limit
    return Check(
        id=f"security.{severity}",
        status=Status.PASSED if passed else Status.FAILED,
        message="".join(_budget_words(severity, mine, left, gates.waivers, today)),
        measured=len(left),
        threshold=limit,
        comparison=None if limit is None else "at most",
        unit="findings",
        source=", ".join(source.report for source in sources),
        remedy="" if passed else "mend what is listed, or waive it in [tool.toolkit.gates.waivers]",
        findings=mine,
    )


def _budget_words(
    severity: Severity,
    mine: Sequence[Finding],
    left: Sequence[Finding],
    waivers: Mapping[str, Waiver],
    today: dt.date,
) -> Iterator[str]:
    yield f"{len(left)} {severity} findings"
    if len(mine) > len(left):
        yield f", {len(mine) - len(left)} more are waived"
    over = sorted(filter(None, {expired_for(one, waivers, today) for one in left}))
    if over:
        yield f"; no longer waived: {', '.join(over)}"


def distinct(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out what two sources say of one package: findings with a name in common."""
    seen: set[tuple[str, str]] = set()
    for finding in findings:
        if finding.line is not None:
            yield finding
            continue
        keys = {(finding.where, name) for name in (finding.rule, *finding.names)}
        if seen.isdisjoint(keys):
            yield finding
        seen |= keys
