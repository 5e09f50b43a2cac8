"""Waivers: findings that do not count until a day is over, each with its reason."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from toolkit.config.gates import Waiver
from toolkit.gates.globs import matches_name
from toolkit.gates.verdicts import Finding, WaiverUse


def waive(findings: Iterable[Finding], waivers: Mapping[str, Waiver], today: dt.date) -> tuple[Finding, ...]:
    """Mark the findings that a waiver covers which is not over."""
    valid = {name: waiver for name, waiver in waivers.items() if today <= waiver.expires}
    return tuple(_waived(finding, valid) for finding in findings)


def _waived(finding: Finding, waivers: Mapping[str, Waiver]) -> Finding:
    name = next((name for name, waiver in waivers.items() if covers(waiver, finding)), None)
    return finding if name is None else replace(finding, waiver=name)


def covers(waiver: Waiver, finding: Finding) -> bool:
    """Tell whether a waiver is about a finding, over or not."""
    named = any(matches_name(name, waiver.rule) for name in (finding.rule, *finding.names))
    return named and matches_name(finding.where, waiver.where)


def uses(waivers: Mapping[str, Waiver], findings: Iterable[Finding], today: dt.date) -> tuple[WaiverUse, ...]:
    """Tell what became of each waiver."""
    used = Counter(finding.waiver for finding in findings if finding.waiver)
    return tuple(_use(name, waiver, used[name], today) for name, waiver in waivers.items())


def _use(name: str, waiver: Waiver, count: int, today: dt.date) -> WaiverUse:
    return WaiverUse(
        name=name, rule=waiver.rule, where=waiver.where, reason=waiver.reason,
        expires=waiver.expires.isoformat(),
        state="expired" if today > waiver.expires else "used" if count else "unused",
        findings=count,
    )  # fmt: skip


def expired_for(finding: Finding, waivers: Mapping[str, Waiver], today: dt.date) -> str | None:
    """Return the name of a waiver that covered a finding until its time was over."""
    over = (name for name, waiver in waivers.items() if today > waiver.expires and covers(waiver, finding))
    return next(over, None)
