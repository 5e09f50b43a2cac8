"""The first line of a run's journal: which run this is, of which code, and where."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from toolkit import __version__
from toolkit.config import Config
from toolkit.plugin.ordering import arrangement
from toolkit.records import RunStarted

GIT_TIMEOUT = 10.0
"""Seconds after which a slow ``git status`` is given up and the run is recorded without a commit."""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """Which state of the code a run tests."""

    commit: str = ""
    branch: str = ""  # "" when detached
    dirty: bool = False  # tracked or new files differ from the commit


class CodeQuestion:
    """One ``git status`` that works while pytest starts; ask for the answer later."""

    def __init__(self, root: Path, *, ignore: tuple[str, ...] = ()) -> None:
        command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", "."]
        command += [f":(exclude){path}" for path in ignore]
        environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                command,
                cwd=root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
            )
        except OSError:  # no git on this machine
            return

    def answer(self) -> Code:
        """Wait for git, at most :data:`GIT_TIMEOUT` seconds."""
        if self._process is None:
            return Code()
        with self._process as process:
            try:
                output, _ = process.communicate(timeout=GIT_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                return Code()
        return parse_status(output) if process.returncode == 0 else Code()

    def withdraw(self) -> None:
        """End git where nobody will ask for the answer."""
        if self._process is not None:
            with self._process as process:
                process.kill()


def parse_status(output: str) -> Code:
    """Read ``git status --porcelain=v2 --branch`` (git-status(1), "Porcelain Format Version 2")."""
    commit = branch = ""
    dirty = False
    for line in output.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").replace("(initial)", "")
        elif line.startswith("# branch.head "):
            branch = line.removeprefix("# branch.head ").replace("(detached)", "")
        elif not line.startswith("#"):
            dirty = True
    return Code(commit=commit, branch=branch, dirty=dirty)


def run_started(
    config: pytest.Config, settings: Config, code: Code, run: str, environ: Mapping[str, str]
) -> RunStarted:
    """Describe the run that begins."""
    return RunStarted(
        run=run,
        build=environ.get("TOOLKIT_BUILD", ""),
        started=time.time(),
        project=settings.project,
        profile=environ.get("TOOLKIT_PROFILE", ""),
        python=platform.python_version(),
        implementation=sys.implementation.name,
        platform=sys.platform,
        host=platform.node(),
        environment=settings.environment,
        commit=code.commit,
        branch=code.branch,
        dirty=code.dirty,
        workers=worker_count(config),
        seed=arrangement(config).seed,
        shard=str(config.getoption("toolkit_shard", None) or ""),
        arguments=tuple(map(str, config.invocation_params.args)),
        toolkit=__version__,
        root=str(config.rootpath),
    )


def worker_count(config: pytest.Config) -> int:
    """Return how many xdist workers the session starts; 0: the tests run in this process."""
    if config.getoption("dist", "no") == "no" or config.getoption("collectonly", False):
        return 0
    count = 0
    for spec in config.getoption("tx", None) or ():
        times, star, _ = str(spec).partition("*")
        count += int(times) if star and times.isdecimal() else 1
    return count
