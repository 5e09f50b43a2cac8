"""A tool that could not look is not a tool that found nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tests.sessions.nox_project import Project
from toolkit.sessions.audit import audit_findings, bandit_findings


def test_files_that_could_not_be_parsed_are_findings() -> None:
    """Bandit ends with 0 on them."""
    report = {"errors": [{"filename": "a.py", "reason": "syntax error"}], "results": []}
    assert [str(finding) for finding in bandit_findings(report)] == [
        "bandit: a.py: not checked: syntax error"
    ]


def test_results_name_place_rule_and_severity() -> None:
    result = {
        "filename": "a.py",
        "line_number": 3,
        "test_id": "B602",
        "issue_severity": "HIGH",
        "issue_text": "shell",
    }
    (finding,) = bandit_findings({"errors": [], "results": [result]})
    assert str(finding) == "bandit: a.py:3: B602 high: shell"


def test_skipped_packages_are_findings() -> None:
    """pip-audit ends with 0 on them."""
    report = {
        "dependencies": [
            {"name": "a", "skip_reason": "not found"},
            {"name": "b", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]},
            {"name": "c", "version": "1", "vulns": [{"id": "X-2", "fix_versions": []}]},
            {"name": "d", "version": "1", "vulns": []},
        ]
    }
    assert [finding.what for finding in audit_findings(report)] == [
        "not checked: not found",
        "X-1; fixed in 2",
        "X-2; fixed in nothing yet",
    ]


class Advisories(BaseHTTPRequestHandler):
    """An OSV service that knows one advisory, about itsdangerous before 99."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Answer a query for one package: https://google.github.io/osv.dev/post-v1-query/."""
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.asked.append(name)
        body = json.dumps(self.answer() if name == "itsdangerous" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self) -> dict[str, Any]:
        """Return the advisory."""
        events = [{"introduced": "0"}, {"fixed": "99.0"}]
        affected = {
            "package": {"name": "itsdangerous", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
        common = {
            "id": "TEST-2026-1",
            "modified": "2026-01-01T00:00:00Z",
            "published": "2026-01-01T00:00:00Z",
        }
        return {"vulns": [{**common, "summary": "made for a test", "details": "", "affected": [affected]}]}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Print nothing."""


@pytest.fixture
def advisories() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


NOXFILE = """
import nox
from toolkit.config import load_config
from toolkit.sessions.checks import add_check_sessions
nox.options.default_venv_backend = "uv|virtualenv"
add_check_sessions(load_config(), ["audit"])
"""


@pytest.mark.e2e
def test_audit_finds_what_it_should_and_says_what_it_could_not(project: Project, advisories: str) -> None:
    """Real bandit and pip-audit against an advisory service on this machine, and against none."""
    project.write("noxfile.py", NOXFILE)
    project.write(
        "pyproject.toml",
        """
        [project]
        name = "audited"
        version = "1"
        dependencies = ["itsdangerous"]
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [tool.hatch.build.targets.wheel]
        packages = ["audited"]
        [tool.toolkit]
        source = ["audited"]
        """,
    )
    project.write("audited/__init__.py", "def f(x):\n    return eval(x)\n")
    found = project.nox("-s", "audit", bare=False, TOOLKIT_OSV_URL=advisories)
    assert found.returncode == 1, found.stdout
    assert "B307" in found.stdout
    assert "pip-audit: itsdangerous" in found.stdout
    assert "TEST-2026-1; fixed in 99.0" in found.stdout
    assert "itsdangerous" in Advisories.asked
    project.write("audited/__init__.py", "def f(:\n")
    away = project.nox("-R", "-s", "audit", bare=False, TOOLKIT_OSV_URL="http://127.0.0.1:9/v1/query")
    assert away.returncode == 1
    assert "not checked: syntax error" in away.stdout
    assert "NOT CHECKED: known vulnerabilities" in away.stdout
