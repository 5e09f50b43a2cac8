"""Findings as SARIF 2.1.0 (OASIS Standard, 2020), which code scanners of GitHub, GitLab and editors read."""

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from toolkit import __version__
from toolkit.smells.findings import Checked, Finding, Unreadable
from toolkit.smells.rules import RULES, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(checked: Checked) -> dict[str, Any]:
    """Return the log of one run; what could not be read is a notification of the tool."""
    driver = {
        "name": "nox-invoke-toolkit",
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the project"}}},
        "invocations": [
            {
                "executionSuccessful": not checked.unreadable,
                "toolExecutionNotifications": [_notification(each) for each in checked.unreadable],
            }
        ],
        "results": _results(checked.findings),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": "warning"},
    }


def _results(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Describe findings; equal ones in one test are numbered, so that each has a fingerprint of its own."""
    order = list(RULES)
    seen: dict[str, int] = {}
    results = []
    for finding in findings:
        what = f"{finding.path}\0{finding.test}\0{finding.rule}\0{finding.message}"
        seen[what] = seen.get(what, 0) + 1
        print_of_it = hashlib.sha256(f"{what}\0{seen[what]}".encode("utf-8", "backslashreplace")).hexdigest()
        results.append(
            {
                "ruleId": finding.rule,
                "ruleIndex": order.index(finding.rule),
                "level": finding.severity,
                "message": {"text": f"{finding.message}. {finding.mend}"},
                "locations": [_location(finding.path, finding.line, finding.column)],
                "partialFingerprints": {"toolkit/v1": print_of_it[:32]},
            }
        )
    return results


def _location(path: str, line: int, column: int) -> dict[str, Any]:
    region = {"startLine": line, "startColumn": column}
    return {"physicalLocation": {"artifactLocation": _artifact(path), "region": region}}


def _artifact(path: str) -> dict[str, str]:
    """Name a file by URI (RFC 3986): relative to the project, or absolute outside of it."""
    quoted = quote(path)
    return {"uri": f"file://{quoted}"} if path.startswith("/") else {"uri": quoted, "uriBaseId": "SRCROOT"}


def _notification(bad: Unreadable) -> dict[str, Any]:
    place = {"physicalLocation": {"artifactLocation": _artifact(bad.path)}}
    return {
        "level": "error",
        "message": {"text": f"not read: {bad.why}"},
        "locations": [place],
    }
