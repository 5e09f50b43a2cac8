"""The fuzz session: schemathesis asks the running API what its OpenAPI document allows, and more."""

import os
from collections.abc import Sequence
from pathlib import Path

import nox
from nox.command import CommandFailed

from toolkit.config import Config
from toolkit.services.provisioning import running
from toolkit.sessions.guarding import fail
from toolkit.sessions.running import exit_code_of
from toolkit.sessions.tools import install_tools, installs_only

SERVICE = "api"
DOCUMENT = "/openapi.json"
CHECKS = "not_a_server_error,response_schema_conformance"
"""What every API should pass: it never fails, and answers are what its document says."""


def fuzz(session: nox.Session, config: Config) -> None:
    """Ask the running API at random (schemathesis); arguments: the path of its document, then options."""
    install_tools(session, config, "fuzz", project=True)
    if installs_only(session):
        return
    path = os.pathsep.join([*(session.bin_paths or ()), os.environ.get("PATH", "")])
    report = config.reports_dir / "fuzz" / "junit.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "PATH": path}
    with running(config, [SERVICE], reuse=True, run="fuzz", environ=environ, say=session.log) as up:
        endpoint = up.endpoint(SERVICE)
        assert endpoint is not None  # noqa: S101 - it was asked for
        try:
            session.run(*fuzz_command(endpoint.url, session.posargs, report))
        except CommandFailed as error:
            fail(session, f"schemathesis ended with {exit_code_of(error)}; its findings: {report}")
    session.log("report: %s", report)


def fuzz_command(url: str, arguments: Sequence[str], report: Path) -> list[str]:
    """Return the command line of schemathesis.

    Args:
        url: base address of the API.
        arguments: of the user: first the path of the document, if it is not :data:`DOCUMENT`.
        report: the JUnit file to write.
    """
    has_path = bool(arguments) and arguments[0].startswith("/")
    document = arguments[0] if has_path else DOCUMENT
    options = list(arguments[1:] if has_path else arguments)
    if not {"-c", "--checks"}.intersection(options):
        options += ["--checks", CHECKS]
    command = ["schemathesis", "run", f"{url.rstrip('/')}{document}", "--report", "junit"]
    return [*command, "--report-junit-path", str(report), *options]
