"""A copy of a project that is edited and run, with the tools that select, within bounds."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from selection_probes import ENTERED, OUTCOMES

TOOLS = {
    "whole": ["-p", "no:toolkit", "-p", "no:testmon"],
    "ours": ["-p", "no:testmon", "--impacted"],
    "testmon": ["-p", "no:toolkit", "--testmon"],
    "everything": ["-p", "no:testmon", "--no-impacted"],
}
STATES = {"ours": ".toolkit", "testmon": ".testmondata"}


MOST_MEMORY = 6 * 2**30
"""Bytes of addresses that a run may use: an edit may make an endless loop that fills a list."""


class Endless(Exception):
    """An edited suite took ten times as long as before."""


@dataclass(kw_only=True)
class Ran:
    """One run of pytest."""

    results: dict[str, bool]
    seconds: float
    broken: bool = False  # pytest or a plugin ended with an internal error

    @property
    def failing(self) -> set[str]:
        return {test for test, bad in self.results.items() if bad}


class Project:
    """A copy of a project that is edited and run."""

    def __init__(  # noqa: PLR0917 - all needed
        self, name: str, source: Path, work: Path, python: str, tools: list[str], extra: list[str]
    ) -> None:
        self.name = name
        self.root = work / name
        self.python = python
        self.tools = tools
        self.extra = extra
        ignored = shutil.ignore_patterns(".toolkit", ".testmondata*", "__pycache__")
        shutil.copytree(source, self.root, ignore=ignored, dirs_exist_ok=True)
        self.saved = work / f"{name}.saved"
        (work / "selection_probe.py").write_text(OUTCOMES)
        (work / "needed_probe.py").write_text(ENTERED)
        self.work = work
        self.edited = False
        self.longest = 600  # CPU seconds
        self.full_runs = 0

    def run(self, tool: str) -> Ran:
        """Run the suite with one of the tools."""
        file = self.work / "results.json"
        file.unlink(missing_ok=True)
        paths = [str(self.root / "src"), str(self.root), str(self.work)]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PROBE_FILE": str(file)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [self.python, "-m", "pytest", "-q", "-p", "selection_probe"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, "--continue-on-collection-errors", *TOOLS[tool],
            *self.extra],
            cwd=self.root, env=environ, capture_output=True, text=True, check=False, timeout=900,
            preexec_fn=self.limit,
        )  # fmt: skip
        if done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
            raise Endless(f"more than {self.longest} s")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if not file.exists() and not self.edited:
            sys.exit(f"{self.name}: pytest did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        text = file.read_text() if file.exists() else '{"pytest could not start": true}'
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Ran(results=json.loads(text), seconds=seconds, broken=done.returncode == 3)

    def limit(self) -> None:
        """Bound what this process, a child that is about to run the suite, may use."""
        resource.setrlimit(resource.RLIMIT_CPU, (self.longest, self.longest))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))

    def needed(self) -> dict[str, list[str] | None]:
        """Return the tests that enter each function, by its file and first line; None: imports enter it."""
        file = self.work / "needed.json"
        environ = {**os.environ, "PROBE_FILE": str(file)}
        environ["PYTHONPATH"] = os.pathsep.join([str(self.root / "src"), str(self.root), str(self.work)])
        command = [self.python, "-m", "pytest", "-q", "-p", "needed_probe", *TOOLS["whole"], *self.extra]
        subprocess.run(command, cwd=self.root, env=environ, capture_output=True, check=False, timeout=900)
        return json.loads(file.read_text())

    def git(self, *arguments: str) -> str:
        """Run git in the copy."""
        command = ["git", "-C", str(self.root), "-c", "advice.detachedHead=false", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def save_states(self) -> None:
        """Keep what the tools recorded."""
        shutil.rmtree(self.saved, ignore_errors=True)
        self.saved.mkdir()
        for tool in self.tools:
            for path in self.root.glob(STATES[tool] + "*"):
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, self.saved / path.name)

    def restore_states(self) -> None:
        """Bring back what the tools recorded."""
        for tool in self.tools:
            for path in self.root.glob(STATES[tool] + "*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.saved.iterdir():
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, self.root / path.name)
