"""A tool that could not look is not a tool that found nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tests.sessions.nox_project import Project


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


AUDITED = """\
[project]
name = "audited"
version = "1"
dependencies = ["itsdangerous"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["audited"]
"""
NOXFILE = """
import nox
from toolkit.config import load_config
from toolkit.sessions.checks import add_check_sessions
nox.options.default_venv_backend = "uv|virtualenv"
add_check_sessions(load_config(), ["audit", "gates"])
"""


@pytest.mark.e2e
def test_audit_finds_what_it_should_and_says_what_it_could_not(project: Project, advisories: str) -> None:
    """Real bandit and pip-audit against an advisory service on this machine, and against none."""
    project.write("noxfile.py", NOXFILE)
    project.write(
        "pyproject.toml",
        AUDITED
        + '[tool.toolkit]\nsource = ["audited"]\ngates.off = ["coverage", "performance", "reliability"]\n',
    )
    project.write("audited/__init__.py", "def f(x):\n    return eval(x)\n")
    found = project.nox("-s", "audit", bare=False, TOOLKIT_OSV_URL=advisories)
    assert found.returncode == 1, found.stdout
    assert "B307" in found.stdout
    assert "pip-audit: itsdangerous" in found.stdout
    assert "TEST-2026-1 critical: itsdangerous" in found.stdout
    assert "is vulnerable; fixed in 99.0" in found.stdout
    assert "itsdangerous" in Advisories.asked
    project.write("audited/__init__.py", "def f(:\n")
    away = project.nox("-R", "-s", "audit", bare=False, TOOLKIT_OSV_URL="http://127.0.0.1:9/v1/query")
    assert away.returncode == 1
    assert "not checked: syntax error" in away.stdout
    assert "NOT CHECKED: known vulnerabilities" in away.stdout
    judged = project.nox("-s", "gates")
    assert judged.returncode == 1
    assert "security.pip-audit: missing: pip-audit did not answer (http://127.0.0.1:9" in judged.stdout
    report = json.loads((project.root / "reports" / "quality-gates-report.json").read_text("utf-8"))
    assert not report["passed"]
    waived = (
        "[tool.toolkit.gates.waivers.known]\nrule = '*'\nreason = 'made for a test'\nexpires = 9999-01-01\n"
    )
    with (project.root / "pyproject.toml").open("a", encoding="utf-8") as stream:
        stream.write(waived)
    project.write("audited/__init__.py", "def f(x):\n    return eval(x)\n")
    excused = project.nox("-R", "-s", "audit", "gates", bare=False, TOOLKIT_OSV_URL=advisories)
    assert excused.returncode == 0, excused.stdout
    assert "(waived: known)" in excused.stdout
    assert f"security.pip-audit: passed: {advisories} answered about" in excused.stdout


ADVISORIES: dict[str, dict[str, Any]] = {
    "insecure.json": {"vulnerable_packages": {"itsdangerous": ["<99"]}},
    "insecure_full.json": {
        "vulnerable_packages": {
            "itsdangerous": [
                {
                    "advisory": "made for a test", "cve": "CVE-2026-1", "id": "70001", "specs": ["<99"],
                    "transitive": False, "more_info_path": "/v", "v": "<99",
                    "ids": [{"type": "pyup", "id": "70001"}, {"type": "cve", "id": "CVE-2026-1"}],
                }
            ]
        },
        "packages": {},
    },
}  # fmt: skip


@pytest.mark.e2e
def test_safety_answers_from_a_folder_without_network(project: Project) -> None:
    """Real safety; advisories that are not there are no clean result."""
    project.write("noxfile.py", NOXFILE)
    project.write(
        "pyproject.toml",
        AUDITED + '[tool.toolkit.audit]\nsources = ["safety"]\nadvisories = "advisories"\n',
    )
    project.write("audited/__init__.py", "")
    away = project.nox("-s", "audit", bare=False)
    assert away.returncode == 1, away.stdout
    assert "NOT CHECKED: known vulnerabilities by safety: there are no advisories" in away.stdout
    meta = {"schema_version": "2.0.0", "base_domain": "", "timestamp": 1, "last_updated": "", "advisory": ""}
    for name, document in ADVISORIES.items():
        project.write(f"advisories/{name}", json.dumps({"meta": meta, **document}))
    found = project.nox("-R", "-s", "audit", bare=False)
    assert found.returncode == 1
    assert "safety: itsdangerous: CVE-2026-1 critical" in found.stdout, found.stdout
