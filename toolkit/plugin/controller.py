"""What the process that steers the run records: its beginning and end, and the workers it lost."""

import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from toolkit.config import Config
from toolkit.journal import CONTROLLER, MAIN, Journal, read_lines
from toolkit.plugin import activation, header, learning, recording, rundir
from toolkit.records import Attempt, NodeId, RunFinished, TestBegun, WorkerLost


class Controller:
    """The controller's journal, from the start of the session to its exit code."""

    def __init__(self, config: pytest.Config, folder: Path, run: str, *, imported_elsewhere: bool) -> None:
        self.config = config
        self.folder = folder
        self.run = run
        self._begun = False
        self.lost: list[WorkerLost] = []
        self.dropped = 0
        self.imported_elsewhere = imported_elsewhere
        self.journal = Journal(folder, CONTROLLER)
        self._settings: Config = activation.settings(config)
        self._code = header.CodeQuestion(config.rootpath, ignore=(self._settings.reports,))
        self._announcement = rundir.Announcement(os.environ, folder, run)

    @classmethod
    def begin(cls, config: pytest.Config) -> "Controller | None":
        """Choose a folder and open the journal; where that is impossible, warn and let the tests run."""
        state = activation.settings(config).state_dir
        try:
            folder, run, elsewhere = rundir.choose(state, os.environ)
            return cls(config, folder, run, imported_elsewhere=elsewhere)
        except OSError as error:
            message = f"toolkit: this run is not recorded: {error}"
            config.issue_config_time_warning(pytest.PytestWarning(message), stacklevel=2)
            return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Write the first line; record the tests, too, when they run in this process."""
        line = header.run_started(self.config, self._settings, self._code.answer(), self.run, os.environ)
        self.journal.write(line)
        self._begun = True
        if line.workers == 0:
            recording.start(self.config, self.folder, MAIN, self.journal)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where its journal goes."""
        node.workerinput["toolkit_run_dir"] = os.fspath(self.folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Note how a worker ended; of one that died, which test it ran."""
        self.dropped += getattr(node, "workeroutput", {}).get("toolkit_dropped", 0)
        if error:
            worker = node.gateway.id
            line = WorkerLost(
                worker=worker,
                test=running_test(self.folder / f"{worker}.jsonl"),
                reason=death(node) or str(error),
                at=time.time(),
            )
            self.lost.append(line)
            self.journal.write(line)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write the last line when all other plugins have had their say about the exit code."""
        yield
        self.journal.write(RunFinished(finished=time.time(), exit_code=int(session.exitstatus)))

    def pytest_unconfigure(self) -> None:
        """Close the file, give the environment back, and learn from the run."""
        self.journal.close()
        self._announcement.take_back()
        if not self._begun:
            self._code.withdraw()
            rundir.abandon(self.folder)
        elif not self.imported_elsewhere:
            self._warn(learning.import_runs(self._settings))

    def _warn(self, problem: str) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if problem and terminal is not None:
            terminal.write_line(f"toolkit: {problem}", yellow=True)

    def pytest_report_header(self) -> str:
        """Say where the record is."""
        shown = os.path.relpath(self.folder, self.config.rootpath)
        return f"toolkit: run {self.run}, journal in {shown if not shown.startswith('..') else self.folder}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name the workers that died, and say what could not be recorded."""
        if self.lost:
            terminalreporter.section("workers that died", sep="-", yellow=True)
        for line in self.lost:
            what = f"while it ran {line.test}" if line.test else "between tests"
            terminalreporter.line(f"{line.worker} died {what}: {line.reason}")
        dropped = self.dropped + self.journal.dropped
        if dropped:
            terminalreporter.line(f"toolkit: {dropped} lines could not be written to {self.folder}")


def running_test(journal: Path) -> NodeId | None:
    """Return the test that a worker's journal says was begun and not ended."""
    begun: TestBegun | None = None
    if journal.exists():
        for line in read_lines(journal, []):
            if isinstance(line, TestBegun):
                begun = line
            elif isinstance(line, Attempt):
                begun = None
    return None if begun is None else begun.test


def death(node: Any) -> str:
    """Say how a worker's process ended, as far as the operating system tells its parent; else nothing."""
    popen = getattr(getattr(node.gateway, "_io", None), "popen", None)
    if popen is None:
        return ""
    try:
        code = popen.wait(timeout=5)
    except Exception:  # noqa: BLE001 - the process belongs to execnet; without an answer nothing is said
        return ""
    if code < 0:
        hint = " (out of memory?)" if -code == getattr(signal, "SIGKILL", 0) else ""
        return f"killed by {signal.Signals(-code).name}{hint}"
    return f"its process exited with code {code}"
