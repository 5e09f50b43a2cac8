"""The report of the gates in the formats that people and CI systems read.

* ``quality-gates-report.json``: see :mod:`toolkit.gates.schema`
* ``quality-gates.md``: for a job summary or a merge request
* ``quality-gates.sarif``: SARIF 2.1.0 (OASIS), for GitHub code scanning
* ``quality-gates-codequality.json``: GitLab code quality (Code Climate's format)

and as workflow commands of GitHub Actions, which become annotations of a pull request.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolkit.gates.checking import failed_checks
from toolkit.gates.verdicts import Check, Finding, Report, Severity, Status
from toolkit.reports.markdown import code, plain
from toolkit.reports.writing import place

JSON = "quality-gates-report.json"
MARKDOWN = "quality-gates.md"
SARIF = "quality-gates.sarif"
CODE_QUALITY = "quality-gates-codequality.json"
_SHOWN = 20
_MARKS = {
    Status.PASSED: "✅", Status.FAILED: "❌", Status.MISSING: "❌", Status.MALFORMED: "❌", Status.OFF: "⚪",
}  # fmt: skip


def write_report(report: Report, folder: Path) -> None:
    """Write all files; each is complete or not there.

    Raises:
        ToolkitError: a file cannot be written.
    """
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    place(folder / JSON, [encoded, "\n"])
    place(folder / MARKDOWN, [markdown(report)])
    place(folder / SARIF, [json.dumps(sarif(report), indent=2), "\n"])
    place(folder / CODE_QUALITY, [json.dumps(code_quality(report), indent=2), "\n"])


def markdown(report: Report) -> str:
    """Return the report as Markdown; names of files and tests are inert."""
    verdict = "✅ passed" if report.passed else "❌ failed"
    blocks = [
        f"# Quality gates: {plain(report.project)}",
        f"**{verdict}**" + (f", commit {code(report.commit[:12])}" if report.commit else ""),
        "\n".join(_table(report)),
        *_failures(report),
        *_waivers(report),
    ]
    return "\n\n".join(blocks) + "\n"


def _table(report: Report) -> Iterator[str]:
    yield "| | check | measured | demanded | |\n|---|---|---|---|---|"
    for gate in report.gates:
        for check in gate.checks:
            measured = "" if check.measured is None else f"{check.measured:.6g} {check.unit}"
            demanded = "" if check.threshold is None else f"{check.comparison} {check.threshold:g}"
            cells = (_MARKS[check.status], code(check.id), measured, demanded, plain(check.message))
            yield f"| {' | '.join(cells)} |"


def _failures(report: Report) -> Iterator[str]:
    for check in failed_checks(report):
        yield f"## {check.id}: {check.status.value}"
        yield f"{plain(check.message)}. To do: {plain(check.remedy)}."
        found = [one for one in check.findings if one.waiver is None]
        if found:
            more = [f"* … and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
            yield "\n".join([*map(_line, found[:_SHOWN]), *more])


def _line(finding: Finding) -> str:
    place_ = finding.where if finding.line is None else f"{finding.where}:{finding.line}"
    return f"* {finding.severity}, {code(finding.rule)} in {code(place_)}: {plain(finding.message)}"


def _waivers(report: Report) -> Iterator[str]:
    if report.waivers:
        yield "## Waivers"
        yield "\n".join(
            f"* {plain(one.name)}: {one.state}, {one.findings} findings, until {one.expires}: "
            f"{plain(one.reason)}"
            for one in report.waivers
        )


def counted(report: Report) -> Iterator[tuple[Check, Finding]]:
    """Yield the findings of failed checks that no waiver covers."""
    for check in failed_checks(report):
        yield from ((check, finding) for finding in check.findings if finding.waiver is None)


def is_file(finding: Finding) -> bool:
    """Tell whether a finding is about a file, not a package or a test."""
    return "::" not in finding.where and (finding.line is not None or finding.where.endswith(".py"))


def annotations(report: Report) -> Iterator[str]:
    """Yield workflow commands of GitHub Actions.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    for check in failed_checks(report):
        message = f"{check.message}. To do: {check.remedy}"
        yield f"::error title={_property(f'gate {check.id}')}::{_data(message)}"
    for check, finding in counted(report):
        place_ = ""
        if is_file(finding):
            line = "" if finding.line is None else f",line={finding.line}"
            place_ = f"file={_property(finding.where)}{line},"
        yield f"::error {place_}title={_property(f'{check.id} {finding.rule}')}::{_data(finding.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def code_quality(report: Report) -> list[dict[str, Any]]:
    """Return GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/."""
    levels: dict[Severity, str] = {
        "critical": "blocker", "high": "critical", "medium": "major", "low": "minor",
    }  # fmt: skip
    return [
        {
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": fingerprint(finding, number),
            "severity": levels[finding.severity],
            "location": {"path": finding.where, "lines": {"begin": finding.line or 1}},
        }
        for number, finding in _numbered(finding for _, finding in counted(report) if is_file(finding))
    ]


def _numbered(findings: Iterable[Finding]) -> Iterator[tuple[int, Finding]]:
    """Count findings that differ only in their line, so that each has a fingerprint of its own."""
    seen: dict[tuple[str, str, str], int] = {}
    for finding in findings:
        key = (finding.rule, finding.where, finding.message)
        seen[key] = seen.get(key, 0) + 1
        yield seen[key], finding


def fingerprint(finding: Finding, number: int) -> str:
    """Return what identifies a finding although lines above it come and go."""
    text = "\0".join((finding.rule, finding.where, finding.message, str(number)))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def sarif(report: Report) -> dict[str, Any]:
    """Return SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.

    Findings about files, waived ones as suppressed results (section 3.27.23).
    """
    checks = [check for gate in report.gates for check in gate.checks]
    found = [one for check in checks for one in check.findings if is_file(one)]
    rules = sorted({finding.rule for finding in found})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "nox-invoke-toolkit gates",
                        "rules": [{"id": rule} for rule in rules],
                    }
                },
                "results": [_result(number, one, rules) for number, one in _numbered(found)],
            }
        ],
    }


def _result(number: int, finding: Finding, rules: list[str]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.where)}}
    if finding.line is not None:
        location["region"] = {"startLine": finding.line}
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": {"critical": "error", "high": "error", "medium": "warning", "low": "note"}[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"finding/v1": fingerprint(finding, number)},
    }
    if finding.waiver is not None:
        result["suppressions"] = [{"kind": "external", "justification": finding.waiver}]
    return result


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.encode("utf-8", "backslashreplace"))
