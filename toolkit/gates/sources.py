"""Reports of security tools → what they answered. An answer about nothing is no answer.

Formats: https://bandit.readthedocs.io/en/latest/formatters/json.html, https://github.com/pypa/pip-audit,
safety's JSON 1.1.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from toolkit.gates.security import NOT_CHECKED, Source
from toolkit.gates.verdicts import Finding, Severity

Parser = Callable[[Mapping[str, Any]], tuple[str, str, tuple[Finding, ...]]]
"""Report → who answered, about how much, findings. Raises KeyError, TypeError or ValueError for others."""


def bandit(report: Mapping[str, Any]) -> tuple[str, str, tuple[Finding, ...]]:
    """Read bandit's report: it ends with 0 although it could not parse a file."""
    files = [name for name in report["metrics"] if name != "_totals"]
    if not files and not report["errors"]:
        raise ValueError("bandit looked at no file: is source of [tool.toolkit] right?")
    lines = report["metrics"]["_totals"]["loc"]
    return "bandit", f"{len(files)} files with {lines:,} lines", tuple(_of_bandit(report))


def _of_bandit(report: Mapping[str, Any]) -> Iterator[Finding]:
    for error in report["errors"]:
        yield unchecked("bandit", _path(error["filename"]), error["reason"])
    for result in report["results"]:
        yield Finding(
            tool="bandit",
            rule=result["test_id"],
            names=(result["test_name"],),
            severity=_severity(result["issue_severity"], unknown="medium"),
            where=_path(result["filename"]),
            line=result["line_number"],
            message=result["issue_text"],
        )


def pip_audit(report: Mapping[str, Any]) -> tuple[str, str, tuple[Finding, ...]]:
    """Read pip-audit's report: it ends with 0 although it skipped packages, even all of them."""
    packages = report["dependencies"]
    if not packages:
        raise ValueError("pip-audit looked at no package")
    seen = sum("skip_reason" not in package for package in packages)
    return "", f"{seen} of {len(packages)} packages", tuple(_of_pip_audit(packages))


def _of_pip_audit(packages: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for package in packages:
        if "skip_reason" in package:
            yield unchecked("pip-audit", package["name"], package["skip_reason"])
            continue
        for advisory in package["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "nothing yet"
            yield Finding(
                tool="pip-audit",
                rule=advisory["id"],
                names=tuple(advisory.get("aliases", ())),
                severity="critical",  # pip-audit does not tell
                where=package["name"],
                message=f"{package['name']} {package['version']} is vulnerable; fixed in {fixed}",
            )


def safety(report: Mapping[str, Any]) -> tuple[str, str, tuple[Finding, ...]]:
    """Read the report of ``safety check``; what it was told to ignore is not ignored here."""
    packages = report["scanned_packages"]
    if not packages:
        raise ValueError("safety looked at no package")
    folder = report["report_meta"].get("local_database_path")
    asked = f"safety with the advisories in {folder}" if folder else "safety's own service"
    advisories = [*report["vulnerabilities"], *report["ignored_vulnerabilities"]]
    return asked, f"{len(packages)} packages", tuple(map(_of_safety, advisories))


def _of_safety(advisory: Mapping[str, Any]) -> Finding:
    told = (advisory.get("severity") or {}).get("cvssv3") or {}
    fixed = ", ".join(advisory.get("fixed_versions") or ()) or "nothing yet"
    name, version = advisory["package_name"], advisory["analyzed_version"]
    return Finding(
        tool="safety",
        rule=advisory.get("CVE") or advisory["vulnerability_id"],
        names=(advisory["vulnerability_id"],),
        severity=_severity(told.get("base_severity") or "", unknown="critical"),
        where=name,
        message=f"{name} {version} is vulnerable; fixed in {fixed}",
    )


PARSERS: Mapping[str, Parser] = {"bandit": bandit, "pip-audit": pip_audit, "safety": safety}
"""One for each source that the configuration may name."""


def source_of(tool: str, report: Mapping[str, Any], where: str, *, asked: str = "") -> Source:
    """Turn a tool's report into what it answered.

    Args:
        tool: one of :data:`PARSERS`.
        report: the parsed JSON.
        where: the file, for people.
        asked: who answered, as far as the session that ran the tool recorded it.

    Raises:
        KeyError, TypeError, ValueError: it is not a report of this tool, or it looked at nothing.
    """
    told, looked_at, findings = PARSERS[tool](report)
    return Source(tool=tool, report=where, asked=asked or told, looked_at=looked_at, findings=findings)


def unchecked(tool: str, where: str, reason: str) -> Finding:
    """Return the finding that something could not be looked at."""
    return Finding(
        tool=tool, rule=NOT_CHECKED, severity="high", where=where, message=f"not checked: {reason}"
    )


def _severity(word: str, *, unknown: Severity) -> Severity:
    told: dict[str, Severity] = {"critical": "critical", "high": "high", "medium": "medium", "low": "low"}
    return told.get(word.lower(), unknown)


def _path(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")
