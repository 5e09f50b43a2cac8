"""The load session: every load scenario of the project on its running server."""

import os
import sys

import nox

from toolkit.config import Config
from toolkit.errors import UsageError
from toolkit.gates.identity import code_identity
from toolkit.load.running import run_load
from toolkit.load.scenarios import find_scenario, scenario_files
from toolkit.load.writing import result_line, write_result
from toolkit.services.provisioning import running
from toolkit.sessions.guarding import fail
from toolkit.sessions.tools import install_tools, installs_only


def load(session: nox.Session, config: Config) -> None:
    """Send the requests of load scenarios (arguments: their names; none: all) and judge the answers."""
    folder = config.root / config.load
    names = session.posargs or list(scenario_files(folder))
    if not names:
        raise UsageError(
            f"{folder}: no load scenario there", hint="write one: docs/how-to/put-load-on-an-api.md"
        )
    scenarios = {name: find_scenario(folder, name) for name in names}
    install_tools(session, config, "load", project=True)
    if installs_only(session):
        return
    path = os.pathsep.join([*(session.bin_paths or ()), os.environ.get("PATH", "")])
    environ = {**os.environ, "PATH": path}
    services = sorted({each.service for each in scenarios.values()})
    python = interpreter(session)
    bad = []
    with running(config, services, reuse=True, run="load", environ=environ, say=session.log) as up:
        for name, scenario in scenarios.items():
            endpoint = up.endpoint(scenario.service)
            assert endpoint is not None  # noqa: S101 - it was asked for
            html = config.reports_dir / "load" / f"{name}.html"
            html.parent.mkdir(parents=True, exist_ok=True)
            code = code_identity(config)
            result = run_load(
                scenario, endpoint.url, html=html, python=python, environ=environ, say=session.log
            )
            write_result(config.reports_dir, name, result, code=code)
            session.log("%s: %s", name, result_line(result))
            bad += [] if result.verdict == "passed" else [f"{name}: {result.verdict}"]
    if bad:
        fail(session, "; ".join(bad))


def interpreter(session: nox.Session) -> str:
    """Return the Python that has the generator; ``--no-venv``: the one that runs Nox."""
    if not session.bin_paths:
        return sys.executable
    return os.path.join(session.bin, "python")  # noqa: PTH118 - nox gives texts
