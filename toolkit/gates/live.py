"""The live gates: what load, fuzzing and the security tests found on the running system."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from toolkit.config.gates import Waiver
from toolkit.gates.verdicts import Absent, Check, Finding, Status, absent_check, off_check
from toolkit.gates.waivers import expired_for, waive
from toolkit.load.writing import LoadReport, result_line
from toolkit.security.fuzzing import Fuzzed, FuzzFinding

FINDINGS = "security.findings"
FUZZ = "security.fuzz"
RUN_FUZZ = "nox -s fuzz"
RUN_SECURITY = "nox -s security"


class Attacked(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests of the profile security say.

    Attributes:
        sessions: those that ran on this code: ``security-3.12``.
        tests: that ran; skipped ones did not.
        failed: test → what it said.
        ended_badly: sessions in which pytest failed although no test did, with its exit code.
    """

    sessions: tuple[str, ...]
    tests: int
    failed: Mapping[str, str] = {}
    ended_badly: Mapping[str, int] = {}


def off_live(name: str) -> Check:
    """Return the check of a session that the project does not demand."""
    return off_check(name, "not demanded ([tool.toolkit.gates] live)")


def judge_load(
    reports: Mapping[str, LoadReport | Absent], waivers: Mapping[str, Waiver], today: dt.date
) -> Iterator[Check]:
    """Judge every load scenario of the project; one without a verdict fails: nothing was measured."""
    if not reports:
        reason = "the project has no load scenario"
        remedy = "write one: docs/how-to/put-load-on-an-api.md"
        yield absent_check("load", Absent(reason=reason, remedy=remedy, malformed=True))
    for scenario, report in reports.items():
        name = f"load.{scenario}"
        if isinstance(report, Absent):
            yield absent_check(name, report)
            continue
        broken = (f"no verdict: {report.saturated}",) if report.saturated else report.failed
        findings = [_load_finding(name, scenario, text) for text in broken]
        mend = (
            "use a machine with less to do, or more processes"
            if report.saturated
            else "mend what is slow or wrong"
        )
        remedy = f"{mend}, then: {run_load(scenario)}"
        yield _counted(
            name, findings, waivers, today, unit="broken", source=f"load/{scenario}.json",
            message=result_line(report), remedy=remedy,
        )  # fmt: skip


def run_load(scenario: str) -> str:
    """Return the command that puts the load of a scenario on the service."""
    return f"nox -s load -- {scenario}"


def _load_finding(rule: str, scenario: str, text: str) -> Finding:
    return Finding(
        tool="locust", rule=rule, names=("load.assertions", text.partition(":")[0]), severity="medium",
        where=scenario, message=text,
    )  # fmt: skip


def judge_fuzz(found: Fuzzed | Absent, waivers: Mapping[str, Waiver], today: dt.date) -> Check:
    """Judge what schemathesis found: nothing may be left."""
    if isinstance(found, Absent):
        return absent_check(FUZZ, found)
    return _counted(
        FUZZ, map(_fuzz_finding, found.findings), waivers, today, unit="findings", source="fuzz/junit.xml",
        message=f"{found.operations} operations were asked at random",
        remedy="mend the API or its document; the command with each finding asks again",
    )  # fmt: skip


def _fuzz_finding(found: FuzzFinding) -> Finding:
    again = f"; again: {found.again}" if found.again else ""
    return Finding(
        tool="schemathesis", rule=FUZZ, names=tuple(filter(None, (found.code, found.check))),
        severity="high" if found.grave else "medium", where=found.operation,
        message=f"{found.operation}: {found.check}{again}",
    )  # fmt: skip


def judge_attacked(found: Attacked | Absent, waivers: Mapping[str, Waiver], today: dt.date) -> Check:
    """Judge the security tests: each that failed is a finding."""
    if isinstance(found, Absent):
        return absent_check(FINDINGS, found)
    findings = [
        Finding(tool="pytest", rule=FINDINGS, severity="high", where=test, message=f"{test}: {said}")
        for test, said in found.failed.items()
    ]
    findings += [
        Finding(
            tool="pytest", rule=FINDINGS, severity="high", where=session,
            message=f"{session}: pytest ended with exit code {code}",
        )
        for session, code in found.ended_badly.items()
    ]  # fmt: skip
    return _counted(
        FINDINGS, findings, waivers, today, unit="findings", source=", ".join(found.sessions),
        message=f"{found.tests} security tests ran", remedy="mend what these tests attack",
    )  # fmt: skip


def _counted(
    name: str, findings: Iterable[Finding], waivers: Mapping[str, Waiver], today: dt.date, *,
    unit: str, source: str, message: str, remedy: str,
) -> Check:  # fmt: skip
    """Return a check that no finding may be left, but for those that are waived."""
    waived = waive(findings, waivers, today)
    left = [one for one in waived if one.waiver is None]
    over = sorted(filter(None, {expired_for(one, waivers, today) for one in left}))
    told = [message]
    told += [f"{len(waived) - len(left)} more are waived"] if len(waived) > len(left) else []
    told += [f"no longer waived: {', '.join(over)}"] if over else []
    return Check(
        id=name,
        status=Status.FAILED if left else Status.PASSED,
        message="; ".join(told),
        measured=len(left),
        threshold=0,
        comparison="at most",
        unit=unit,
        source=source,
        remedy=remedy if left else "",
        findings=waived,
    )
