# /// script
# dependencies = ["nox>=2025.5.1", "nox-invoke-toolkit[control]"]
# ///
"""Sessions of this repository: its own profiles, by the factory that every user calls, and the checks.

`nox -s demo` shows the main job on the example project. `nox -s ci` is everything this repository demands:
every test on one Python with coverage, all but the slow ones on the others, then whole projects, then checks.
"""

import sys

import nox

from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions
from toolkit.sessions.checks import add_check_sessions

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"

CHECKS = ("lint", "typecheck", "audit", "docs", "build")
EVERYTHING = ("fast-3.11", "fast-3.13", "e2e", "minimum-versions", *CHECKS)

config = load_config()
add_profile_sessions(config, alongside={"ci": EVERYTHING, "security": ("audit",)})
add_check_sessions(config, CHECKS)


@nox.session(python=False, default=False)
def demo(session: nox.Session) -> None:
    """Plan, run, record and report the example project, on real servers (embedded unless Docker answers)."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    sessions = [f"unit-{python}", f"integration-{python}"]
    example = ["python", "-m", "nox", "-f", "docs/example/noxfile.py", "--extra-python", python]
    session.run(*example, "-s", *sessions, env={"TOOLKIT_BUILD": None})
    with session.chdir("docs/example"):
        session.run("python", "-m", "invoke", "history.runs")
