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
from toolkit.sessions.tools import begin_judged, install_tools, installs_only, leave_judged

NAME = "fuzz"
REPORT = "junit.xml"
SERVICE = "api"
DOCUMENT = "/openapi.json"
CHECKS = "not_a_server_error,response_schema_conformance"
"""What every API should pass: it never fails, and answers are what its document says."""


def fuzz(session: nox.Session, config: Config) -> None:
    """Ask the running API at random (schemathesis); arguments: the path of its document, then options."""
    install_tools(session, config, NAME, project=True)
    if installs_only(session):
        return
    path = os.pathsep.join([*(session.bin_paths or ()), os.environ.get("PATH", "")])
    report = config.reports_dir / NAME / REPORT
    code = begin_judged(config, NAME)
    report.unlink(missing_ok=True)
    environ = {**os.environ, "PATH": path}
    with running(config, [SERVICE], reuse=True, run=NAME, environ=environ, say=session.log) as up:
        endpoint = up.endpoint(SERVICE)
        assert endpoint is not None  # noqa: S101 - it was asked for
        ended = 0
        try:
            session.run(*fuzz_command(endpoint.url, session.posargs, report))
        except CommandFailed as error:
            ended = exit_code_of(error)
    if not options_of(session.posargs):
        leave_judged(config, NAME, code, {"schemathesis": ended})
    if ended:
        fail(session, f"schemathesis ended with {ended}; its findings: {report}")
    session.log("report: %s", report)


def fuzz_command(url: str, arguments: Sequence[str], report: Path) -> list[str]:
    """Return the command line of schemathesis.

    Args:
        url: base address of the API.
        arguments: of the user: first the path of the document, if it is not :data:`DOCUMENT`.
        report: the JUnit file to write.
    """
    options = options_of(arguments)
    document = arguments[0] if len(options) < len(arguments) else DOCUMENT
    if not {"-c", "--checks"}.intersection(options):
        options += ["--checks", CHECKS]
    command = ["schemathesis", "run", f"{url.rstrip('/')}{document}", "--report", "junit"]
    return [*command, "--report-junit-path", str(report), *options]


def options_of(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without the path of the document, which comes first if it is there.

    With options of its own a session may have asked a part only: the gates do not count it.
    """
    has_path = bool(arguments) and arguments[0].startswith("/")
    return list(arguments[1:] if has_path else arguments)
