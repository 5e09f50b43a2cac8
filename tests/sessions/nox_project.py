"""A small project with the noxfile of the README, and Nox itself run on it."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from toolkit.history.answers import RunRow
from toolkit.history.store import open_history

NOXFILE = """
import nox
from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions
nox.options.default_venv_backend = "uv|virtualenv"
add_profile_sessions(load_config())
"""

UNMEASURED = """
import os
for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
    os.environ.pop(name, None)
"""
"""Coverage of Nox itself only: what runs in the tests that it starts, others cover at a third of the time."""

PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist -p toolkit -p timeout"}
"""Those of a profile's own environment: loading all that is installed for our tests takes half a second."""


def outside_environment(**more: str) -> dict[str, str]:
    """Return this environment without what the session around these tests has set; coverage stays."""
    dropped = ("TOOLKIT_", "PYTEST_", "NOX_CURRENT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    for name in ("CI", "VIRTUAL_ENV", "GITHUB_ACTIONS", "FORCE_COLOR"):
        kept.pop(name, None)
    # pytest-randomly is installed for tests of the plugin beside it; here the order matters
    fixed = {"NO_COLOR": "1", "NOX_DOWNLOAD_PYTHON": "never", "PYTEST_ADDOPTS": "-p no:randomly"}
    return {**kept, **fixed, **more}


class Project:
    """A project in a folder of its own, on which Nox is run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen[str]] = []
        self.write("noxfile.py", NOXFILE + UNMEASURED)
        self.write("pyproject.toml", '[tool.toolkit]\npythons = ["3.12"]\nprofiles.unit.workers = 0\n')
        self.write("tests/test_sums.py", "def test_sums():\n    assert 1 + 1 == 2\n")

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    def nox(
        self, *arguments: str, cwd: Path | None = None, bare: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Nox to its end; standard error is part of the output.

        Bare: the tests run in this environment, which takes a second instead of several.
        """
        return subprocess.run(
            [sys.executable, "-m", "nox", *(["--no-venv"] if bare else []), *arguments],
            cwd=cwd or self.root,
            env=outside_environment(**(PLUGINS if bare else {}), **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            check=False,
            timeout=120,
        )

    def kept_runs(self) -> list[RunRow]:
        """Return what the history has."""
        with open_history(str(self.root / ".toolkit" / "history.sqlite")) as history:
            return list(history.runs())

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Nox in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "nox", "--no-venv", *arguments],
            cwd=self.root,
            env=outside_environment(**PLUGINS),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def stop(self) -> None:
        """End what is left: groups whose leader lives, and tests that wait for the file ``go``."""
        (self.root / "go").touch()
        for process in self.started:
            if process.poll() is None:  # once it is reaped, its id may be somebody else's
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
