"""The vocabulary of gates: findings make checks, checks make gates, gates make the report."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec

VERSION = 1
"""Of ``quality-gates-report.json``; it grows when a key changes its meaning."""

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
Comparison = Literal["at least", "at most"]


class Status(StrEnum):
    """How a check or a gate ended."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"  # nothing was measured: fails
    MALFORMED = "malformed"  # what was measured cannot be understood, or is of other code: fails
    OFF = "off"  # not demanded

    @property
    def good(self) -> bool:
        """Whether a merge may go on."""
        return self in {Status.PASSED, Status.OFF}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found.

    Attributes:
        tool: who found it.
        rule: the rule or advisory: ``B602``, ``CVE-2026-1234``, ``coverage.new``.
        severity: how bad it is.
        where: the file (relative to the project, with ``/``), package, benchmark or test.
        line: of the file; None: it is about no line.
        message: what it is.
        names: other names of the rule: the aliases of an advisory.
        waiver: name of the waiver that covers it; then it does not count.
    """

    tool: str
    rule: str
    severity: Severity
    where: str
    line: int | None = None
    message: str
    names: tuple[str, ...] = ()
    waiver: str | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One demand and how it was met.

    Attributes:
        id: ``coverage.overall``.
        status: how it ended.
        message: one sentence for people.
        measured: what was measured; None: nothing.
        threshold: what was demanded.
        comparison: whether ``measured`` must be at least or at most ``threshold``; exactly that is enough.
        unit: of both: ``%``, ``findings``, ``ms``.
        source: the file or address that the measurement comes from.
        remedy: what to run or do when it is not good.
        findings: what it is about, waived ones included.
    """

    id: str
    status: Status
    message: str
    measured: float | None = None
    threshold: float | None = None
    comparison: Comparison | None = None
    unit: str = ""
    source: str = ""
    remedy: str = ""
    findings: tuple[Finding, ...] = ()


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of one kind; the worst decides."""

    name: str
    status: Status
    checks: tuple[Check, ...]


class WaiverUse(msgspec.Struct, frozen=True, kw_only=True):
    """A waiver and what became of it: ``used``, ``unused``, ``expired``."""

    name: str
    rule: str
    where: str
    reason: str
    expires: str
    state: Literal["used", "unused", "expired"]
    findings: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """``quality-gates-report.json``.

    Attributes:
        version: of this format.
        project: name.
        commit: that is checked out, as far as git tells.
        created: ISO 8601, UTC.
        passed: whether a merge may go on.
        gates: all, demanded or not.
        waivers: all that are configured.
    """

    version: int = VERSION
    project: str
    commit: str
    created: str
    passed: bool
    gates: tuple[Gate, ...]
    waivers: tuple[WaiverUse, ...] = ()


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no input: the judge of it fails.

    Attributes:
        reason: what is missing or wrong.
        remedy: what to run.
        source: where it was looked for.
        malformed: whether there is something that cannot be understood.
    """

    reason: str
    remedy: str
    source: str = ""
    malformed: bool = False


def absent_check(name: str, absent: Absent) -> Check:
    """Return the failed check of an input that is not there."""
    return Check(
        id=name,
        status=Status.MALFORMED if absent.malformed else Status.MISSING,
        message=absent.reason,
        source=absent.source,
        remedy=absent.remedy,
    )


def off_check(name: str, message: str = "not demanded ([tool.toolkit.gates] off)") -> Check:
    """Return the check of something that nobody demands."""
    return Check(id=name, status=Status.OFF, message=message)


def gate_of(name: str, checks: Iterable[Check]) -> Gate:
    """Put checks together: off when all are, else the worst status of them."""
    checks = tuple(checks)
    found = {check.status for check in checks}
    worst = next(status for status in _WORST_FIRST if status in found)
    return Gate(name=name, status=worst, checks=checks)


_WORST_FIRST = (Status.FAILED, Status.MALFORMED, Status.MISSING, Status.PASSED, Status.OFF)
