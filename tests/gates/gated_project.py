"""A project with the reports of every tool, all good; each test spoils one of them."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.history.made_runs import made_run
from toolkit.history.store import open_history

PYPROJECT = """\
[project]
name = "shop"
version = "1"
[tool.toolkit]
source = ["shop"]
"""
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
STATEMENTS = "".join(f"line_{number} = {number}\n" for number in range(1, 101))
"""A hundred lines with a statement each."""


class Gated:
    """Writes the files that the gates read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reports = root / "reports"
        self.reports.mkdir(parents=True)
        self.write("pyproject.toml", PYPROJECT)
        self.write(".gitignore", "reports\n.toolkit\n")
        self.write("shop/core.py", STATEMENTS)
        self.write("shop/pay.py", STATEMENTS)
        self.write("shop/__init__.py", "")
        self.covered()
        self.benchmarks({"tests/test_speed.py::test_search[10]": 4.0, "tests/test_speed.py::test_pay": 9.0})
        self.bandit()
        self.pip_audit([{"name": "jinja2", "version": "3.1", "vulns": []}])

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def settings(self, text: str) -> None:
        """Add to the configuration."""
        self.write("pyproject.toml", PYPROJECT + text)

    def report(self, name: str, document: object) -> None:
        """Write a report as JSON."""
        self.write(f"reports/{name}", json.dumps(document))

    def covered(self, *, core: Iterable[int] = (), pay: Iterable[int] = ()) -> None:
        """Write ``coverage.json``: all is covered but these lines."""
        files = {"shop/__init__.py": measured(0), "shop/core.py": measured(100, core)}
        files["shop/pay.py"] = measured(100, pay)
        self.report("coverage.json", {"meta": {"version": "7.17.3"}, "files": files})

    def benchmarks(self, milliseconds: Mapping[str, float]) -> None:
        """Write the JSON of pytest-benchmark."""
        rows = [{"fullname": name, "stats": {"median": ms / 1000}} for name, ms in milliseconds.items()]
        self.report("benchmarks.json", {"benchmarks": rows})

    def bandit(self, *results: Mapping[str, Any], errors: Iterable[Mapping[str, str]] = ()) -> None:
        """Write bandit's report."""
        metrics = {"_totals": {"loc": 200}, "shop/core.py": {"loc": 100}, "shop/pay.py": {"loc": 100}}
        self.report("audit/bandit.json", {"errors": [*errors], "metrics": metrics, "results": [*results]})

    def pip_audit(self, packages: list[dict[str, Any]]) -> None:
        """Write pip-audit's report."""
        self.report("audit/pip-audit.json", {"dependencies": packages, "fixes": []})

    def safety(self, *vulnerabilities: Mapping[str, Any], packages: int = 2) -> None:
        """Write safety's report, and demand it."""
        names: dict[str, Any] = {f"p{number}": {} for number in range(packages)}
        self.report(
            "audit/safety.json",
            {
                "report_meta": {"local_database_path": "advisories"},
                "scanned_packages": names,
                "vulnerabilities": [*vulnerabilities],
                "ignored_vulnerabilities": [],
            },
        )
        self.settings('[tool.toolkit.audit]\nsources = ["safety"]\n')

    def judged(self, session: str, tool: str, code: int = 0, *, head: str = "") -> None:
        """Write how a session ended, on the code that is there."""
        told = {"session": session, "head": head or self.head(), "state": "", "exit_codes": {tool: code}}
        self.report(f"{session}/tools.json", told)

    def runs(self, outcomes: Iterable[Mapping[str, str]], *, commit: str = "c0") -> None:
        """Put runs of one commit into the history: test → letters of its tries."""
        with open_history(str(self.root / ".toolkit" / "history.sqlite")) as history:
            for index, letters in enumerate(outcomes):
                history.import_run(made_run(index, dict(letters), commit=commit))

    def repository(self) -> None:
        """Make the branch ``main`` of what is there, and go on from it on another."""
        template = self.root.parent / "template.git"
        self.git("init", "-q", "-b", "main", f"--template={template}")
        self.commit()
        self.git("checkout", "-q", "-b", "feature")

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "-m", "state")

    def git(self, *arguments: str) -> str:
        """Run git in the project."""
        done = subprocess.run([*GIT, *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def head(self) -> str:
        """Return the commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def drop(self, name: str) -> None:
        """Remove a file or folder."""
        path = self.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def measured(statements: int, missing: Iterable[int] = ()) -> dict[str, Any]:
    """Return a file of ``coverage.json`` whose lines 1 to ``statements`` are statements."""
    missing = sorted(missing)
    executed = [line for line in range(1, statements + 1) if line not in missing]
    summary = {"num_statements": statements, "covered_lines": len(executed), "missing_lines": len(missing)}
    return {"executed_lines": executed, "missing_lines": missing, "summary": summary}


def junit_of(operations: Mapping[str, str]) -> str:
    """Return the JUnit file of schemathesis 4.32: operation → the check that it did not pass, or nothing."""
    cases = "".join(
        f'<testcase name="{name}" time="0.1"><failure type="failure" message="{check.partition(" ")[0]}">'
        f"1. Test Case ID: VAdyNB\n\n- {check}\n\n[500] Internal Server Error:\n\n    `no - really`\n\n"
        "Reproduce with:\n\n    curl -X GET 'http://127.0.0.1:1/boom?n=4'</failure></testcase>"
        if check
        else f'<testcase name="{name}" time="2.8" />'
        for name, check in operations.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<testsuites>'
        f'<testsuite name="schemathesis" hostname="vm">{cases}</testsuite></testsuites>'
    )


def result(rule: str = "B602", severity: str = "HIGH", where: str = "shop/pay.py") -> dict[str, Any]:
    """Return a result of bandit."""
    return {
        "filename": where, "line_number": 3, "test_id": rule, "test_name": "a_name",
        "issue_severity": severity, "issue_text": "risky",
    }  # fmt: skip


def advisory(name: str = "jinja2", identity: str = "CVE-1", *aliases: str) -> dict[str, Any]:
    """Return a package of pip-audit's report that is vulnerable."""
    told = {"id": identity, "fix_versions": ["9"], "aliases": list(aliases), "description": ""}
    return {"name": name, "version": "1", "vulns": [told]}


def of_safety(name: str = "jinja2", cve: str = "CVE-1", severity: str = "") -> dict[str, Any]:
    """Return a vulnerability of safety's report."""
    return {
        "vulnerability_id": "70000", "package_name": name, "CVE": cve, "analyzed_version": "1",
        "fixed_versions": [], "severity": {"cvssv3": {"base_severity": severity}} if severity else None,
    }  # fmt: skip
