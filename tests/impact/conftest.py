"""A project on disk that is edited between runs of pytest in processes of their own."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROBE = """
import json, os
ran = []
def pytest_runtest_logreport(report):
    if report.when == "setup":
        ran.append(report.nodeid.partition("::")[2])
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        with open(os.environ["PROBE_FILE"], "w") as stream:
            json.dump(ran, stream)
"""


class Project:
    """Files, and runs of pytest on them."""

    def __init__(self, root: Path) -> None:
        self.root = root / "project"
        self.root.mkdir()
        self._aside = root
        (root / "selection_probe.py").write_text(PROBE)
        self.output = ""
        self._writes = itertools.count(int(time.time()) - 10_000)
        self.write("pytest.ini", "[pytest]\npythonpath = .\n")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        now = next(self._writes)  # Python compares whole seconds and the size to tell whether bytecode is old
        os.utime(path, (now, now))

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file."""
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *arguments: str, code: int = 0, impacted: str = "--impacted", **variables: str) -> set[str]:
        """Run pytest; return the tests that ran, without the names of their files."""
        file = self._aside / "ran.json"
        file.unlink(missing_ok=True)
        done = subprocess.run(
            self.command(impacted, *arguments),
            cwd=self.root,
            env=self.environment(PROBE_FILE=str(file), **variables),
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = done.stdout + done.stderr
        assert done.returncode == code, self.output
        return set(json.loads(file.read_text()))

    def command(self, *arguments: str) -> list[str]:
        """Make the command of a run with our plugin, xdist and the probe; all others would cost 0.6 s."""
        plugins = ("-p", "xdist", "-p", "toolkit", "-p", "selection_probe")
        return [sys.executable, "-m", "pytest", *plugins, *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        """Make the environment of a run, without what the session around these tests has set."""
        dropped = ("PYTEST", "TOOLKIT")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        own = {"PYTHONPATH": str(self._aside), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return {**environ, **own, **variables}

    def git(self, *arguments: str) -> str:
        """Run git in the project."""
        names = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(
            ["git", *names, *arguments], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
