"""The audit session: bandit over the code, known vulnerabilities of everything installed.

A tool that could not look is not a tool that found nothing: files that bandit could not parse fail the
session; when the advisory service does not answer, the session says that nothing was audited.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import nox

from toolkit.config import Config
from toolkit.sessions.guarding import fail
from toolkit.sessions.tools import install_tools

ADVISORIES = "TOOLKIT_OSV_URL"
"""Environment variable: address of an OSV service (https://google.github.io/osv.dev/api/) of your own."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to fail the session."""

    tool: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.tool}: {self.where}: {self.what}"


def audit(session: nox.Session, config: Config) -> None:
    """Look for risky code (bandit) and for known vulnerabilities of what is installed (pip-audit)."""
    install_tools(session, config, "audit", project=True)
    folder = config.reports_dir / "audit"
    folder.mkdir(parents=True, exist_ok=True)
    findings = [
        *scan_code(session, config, folder / "bandit.json"),
        *ask_advisories(session, folder / "pip-audit.json"),
    ]
    for finding in findings:
        session.warn(str(finding))
    if findings:
        fail(session, f"{len(findings)} findings")


def scan_code(session: nox.Session, config: Config, report: Path) -> Iterator[Finding]:
    """Run bandit over the project's source and yield what fails the session."""
    report.unlink(missing_ok=True)
    arguments = ["-c", "pyproject.toml"] if (config.root / "pyproject.toml").is_file() else []
    command = ["bandit", "--quiet", *arguments, "-r", *config.source, "-f", "json", "-o", str(report)]
    session.run(*command, success_codes=[0, 1])
    yield from bandit_findings(msgspec.json.decode(report.read_bytes()))


def bandit_findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield results and errors of a report: bandit ends with 0 although it could not parse a file."""
    for error in report["errors"]:
        yield Finding(tool="bandit", where=error["filename"], what=f"not checked: {error['reason']}")
    for result in report["results"]:
        where = f"{result['filename']}:{result['line_number']}"
        what = f"{result['test_id']} {result['issue_severity'].lower()}: {result['issue_text']}"
        yield Finding(tool="bandit", where=where, what=what)


def ask_advisories(session: nox.Session, report: Path) -> Iterator[Finding]:
    """Ask the advisory service about every installed package; say so when it does not answer."""
    report.unlink(missing_ok=True)
    address = os.environ.get(ADVISORIES)
    service = ["--osv-url", address] if address else []
    command = ["pip-audit", "--progress-spinner=off", "-s", "osv", *service, "-f", "json", "-o", str(report)]
    with (report.with_suffix(".log")).open("w", encoding="utf-8") as log:
        session.run(*command, success_codes=range(256), stdout=log)
    if not report.is_file():
        reason = (report.with_suffix(".log")).read_text(encoding="utf-8").strip().rpartition("\n")[2]
        session.warn("NOT CHECKED: known vulnerabilities of the dependencies: %s", reason or "no answer")
        return
    yield from audit_findings(msgspec.json.decode(report.read_bytes()))


def audit_findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield vulnerabilities, and packages that were skipped: pip-audit ends with 0 on those."""
    for package in report["dependencies"]:
        if "skip_reason" in package:
            yield Finding(
                tool="pip-audit", where=package["name"], what=f"not checked: {package['skip_reason']}"
            )
        for advisory in package.get("vulns", ()):
            fixed = ", ".join(advisory["fix_versions"]) or "nothing yet"
            where = f"{package['name']} {package['version']}"
            yield Finding(tool="pip-audit", where=where, what=f"{advisory['id']}; fixed in {fixed}")
