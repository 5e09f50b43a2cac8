"""``pytest --impacted[=REF]``: runs the tests that a change can affect, and records for the next time.

The controller plans before anything is collected: known tests that need not run are named in a file that all
workers read, so they all leave out the same. At the end it reads the trails of the run and stores them. The
trails of a run that was killed are taken up by the next one.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from toolkit.errors import ToolkitError
from toolkit.journal import new_run_id
from toolkit.plugin import activation
from toolkit.plugin.covering import CoverageKeeper
from toolkit.plugin.garbage import uncollected
from toolkit.plugin.recording import identity
from toolkit.records import NodeId
from toolkit.tracing.keeping import Keepers

if TYPE_CHECKING:
    from toolkit.impact.policy import Track
    from toolkit.impact.selection import Selection
    from toolkit.impact.state import ParsedHere

FOLDER = "TOOLKIT_IMPACT"
"""Environment variable: controller's process id and folder of the trails, for its workers."""

PLAN = "plan.json"
ALWAYS_MARKS = ("smoke", "unskippable")
NO_TESTS = 5
_BEGUN: pytest.StashKey[bool] = pytest.StashKey()


class RunPlan(msgspec.Struct, frozen=True):
    """The file by which the controller tells all processes what to leave out, and what it knows."""

    left_out: frozenset[NodeId] = frozenset()
    deselect: bool = True
    keepers: dict[str, Keepers] = {}
    untraced: frozenset[NodeId] = frozenset()


def read_plan(folder: Path) -> RunPlan:
    """Return the plan of a run."""
    return msgspec.json.decode((folder / PLAN).read_bytes(), type=RunPlan)


def wanted(config: pytest.Config) -> bool:
    """Only with ``--impacted``, ``--no-impacted`` or ``--impacted-shadow``, and only where tests run."""
    options = config.known_args_namespace
    idle = ("setuponly", "setupplan", "help", "version", "showfixtures", "markers")
    if any(getattr(options, name, False) for name in idle):
        return False
    return options.toolkit_impacted is not None or bool(options.toolkit_shadow)


def activated(config: pytest.Config) -> None:
    """Begin before the first conftest file is imported: what its import executes counts."""
    if _BEGUN in config.stash:
        return
    config.stash[_BEGUN] = True
    given = folder_from_controller()
    if given is not None:
        begin_process(config, given, os.environ["PYTEST_XDIST_WORKER"])
        return
    controller = ImpactController(config)
    config.pluginmanager.register(controller, "toolkit-impact-controller")
    if not has_workers(config):
        begin_process(config, controller.folder, "main", controller.session.parsed)


def folder_from_controller() -> Path | None:
    """Return the folder of the trails in a worker of a run with ``--impacted``, else None."""
    pid, _, folder = os.environ.get(FOLDER, "").partition(":")
    if "PYTEST_XDIST_WORKER" in os.environ and pid == str(os.getppid()) and Path(folder).is_dir():
        return Path(folder)
    return None


def has_workers(config: pytest.Config) -> bool:
    """Tell whether xdist will run the tests in processes of their own."""
    options = config.known_args_namespace
    if getattr(options, "usepdb", False) or getattr(options, "collectonly", False):
        return False
    return bool(getattr(options, "numprocesses", None) or getattr(options, "tx", None))


def begin_process(config: pytest.Config, folder: Path, name: str, parsed: "ParsedHere | None" = None) -> None:
    """Trace and deselect in a process that runs tests."""
    from toolkit.plugin.covering import CoverageSplit, covered_file
    from toolkit.plugin.tracing import TestTracer

    def known() -> frozenset[NodeId]:
        return read_plan(folder).untraced

    config.pluginmanager.register(Deselector(config, folder), "toolkit-impact-deselector")
    if not config.known_args_namespace.collectonly:
        tests = TestTracer(config, folder, name, read_plan(folder).keepers, known, parsed=parsed)
        config.pluginmanager.register(tests, "toolkit-impact-tracer")
        config.pluginmanager.register(CoverageSplit(tests.tracer, covered_file(folder, name)))


class Deselector:
    """Leaves out what the plan names."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self.left_out: list[str] = []

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Take tests away after everybody else has chosen and ordered them."""
        yield
        plan = read_plan(self._folder)
        left_out = [item for item in items if identity(item) in plan.left_out and not is_unskippable(item)]
        self.left_out = [identity(item) for item in left_out]
        if plan.deselect and left_out:
            gone = set(map(id, left_out))
            items[:] = [item for item in items if id(item) not in gone]
            self._config.hook.pytest_deselected(items=left_out)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Tell the controller."""
        if activation.is_worker(self._config):
            output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
            output["toolkit_left_out"] = self.left_out


def is_unskippable(item: pytest.Item) -> bool:
    """Whether a test has a mark that says it always runs."""
    return any(item.get_closest_marker(name) is not None for name in ALWAYS_MARKS)


class ImpactController:
    """Plans, and records at the end. One per run, in the process that the user started."""

    def __init__(self, config: pytest.Config) -> None:
        from toolkit.impact.session import ImpactSession
        from toolkit.impact.store import STORE_NAME, open_store

        options = config.known_args_namespace
        self._config = config
        self._selecting = options.toolkit_impacted is not False
        self._shadow = bool(options.toolkit_shadow)
        self._reference = options.toolkit_impacted if isinstance(options.toolkit_impacted, str) else ""
        self._collect_only = bool(options.collectonly)
        state = config.rootpath / ".toolkit"
        self._trails = state / "trace"
        self.folder = self._trails / new_run_id()
        self.folder.mkdir(parents=True)
        ignore(state)
        (self.folder / "pid").write_text(str(os.getpid()))
        try:
            self._store = open_store(state / STORE_NAME)
        except ToolkitError as error:
            raise pytest.UsageError(str(error)) from error
        self.session = ImpactSession(config.rootpath, self._store, options=options_that_matter(config))
        self._recover()
        self._keeper = CoverageKeeper(config.rootpath, self.session.environment, self.folder)
        with uncollected():
            self.selection = self._plan()
            self._write_plan()
        os.environ[FOLDER] = f"{os.getpid()}:{self.folder}"
        self._left_out: list[str] | None = None
        self._note = ""
        self._ran = 0
        self._track: Track | None = None

    def _plan(self) -> "Selection":
        from toolkit.impact.changes import current_branch
        from toolkit.impact.policy import full_reason

        full = ""
        if not self._selecting:
            full = "--no-impacted"
        elif not self._shadow:
            settings = activation.settings(self._config)
            full = full_reason(
                settings.impact,
                branch=current_branch(self._config.rootpath),
                environment=settings.environment,
                past=self._store.runs(self.session.environment),
                now=time.time(),
            )
        return self.session.plan(full=full, reference=self._reference)

    def _write_plan(self) -> None:
        plan = RunPlan(
            left_out=self.selection.left_out,
            deselect=self._selecting and not self._shadow,
            keepers=self.session.keepers,
            untraced=self._untraced(),
        )
        (self.folder / PLAN).write_bytes(msgspec.json.encode(plan))

    def _untraced(self) -> frozenset[NodeId]:
        """Where everything runs, what is known of most tests still holds. Coverage must be told of all."""
        from toolkit.impact.retracing import untraced

        everything = self._shadow or self.selection.full
        if self._keeper.coverage is not None or not everything:
            return frozenset()
        share = activation.settings(self._config).impact.retrace
        past = self._store.runs(self.session.environment)
        return untraced(self.selection, self.session.known, share, past)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """By now coverage is measured or is not; where it is, nothing is left out that it would miss."""
        if not self._keeper.begin():
            return
        if self.selection.left_out and not self._shadow:
            from toolkit.impact.selection import keep_covered

            self.selection = keep_covered(self.selection, self.session.known, self._keeper.tests())
        self._write_plan()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Add the coverage of left-out tests before anybody reports it."""
        result = yield
        if self._keeper.coverage is not None and not self._collect_only:
            self._keeper.take_children()
            if self._selecting and not self._shadow:
                self._keeper.add([NodeId(test) for test in self._those_left_out()])
        return result

    @property
    def _mode(self) -> str:
        if self._shadow:
            return "shadow"
        if not self.selection.full:
            return "selected"
        return "full" if self.selection.would_leave_out and self._selecting else "record"

    def _recover(self) -> None:
        """Store what runs that were killed have left."""
        for folder in sorted(self._trails.iterdir()):
            if folder != self.folder and not is_running(folder):
                keeper = CoverageKeeper(self._config.rootpath, self.session.environment, folder)
                self.session.import_trails(folder, keeper.keep)
                shutil.rmtree(folder, ignore_errors=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has finished: take over what it left out."""
        found = getattr(node, "workeroutput", {}).get("toolkit_left_out")
        if found is not None and self._left_out is None:
            self._left_out = list(found)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Store the trails; an empty selection is a success."""
        result = yield
        left_out = self._those_left_out()
        if int(exitstatus) == NO_TESTS and left_out and self._selecting and not self._shadow:
            session.exitstatus = pytest.ExitCode.OK
        self._finish()
        return result

    def _those_left_out(self) -> list[str]:
        """Return what this process, or its workers, took away."""
        if self._left_out is None:
            deselector = self._config.pluginmanager.get_plugin("toolkit-impact-deselector")
            self._left_out = [] if deselector is None else deselector.left_out
        return self._left_out

    def _finish(self) -> None:
        os.environ.pop(FOLDER, None)
        if not self._collect_only:
            try:
                with uncollected():
                    results = self.session.import_trails(self.folder, self._keeper.keep)
                    self._track = self.session.note_run(self._mode, self.selection, results, self._reference)
                self._ran = len(results)
                if self.session.incomplete:
                    names = ", ".join(self.session.incomplete)
                    self._note = f"; {names} could not write all that happened: any change concerns its tests"
            except (ToolkitError, sqlite3.Error) as error:
                self._note = f"; not recorded: {error}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self._store.close()

    def pytest_report_header(self) -> list[str]:
        """Say what will be left out, and what is not imported from the project itself."""
        from toolkit.tracing.copies import installed_copies

        selection = self.selection
        lines = [
            f"impacted: {original} is imported from a copy, {copy}: install it anew after a change"
            for copy, original in installed_copies(str(self._config.rootpath)).items()
        ]
        plan = (
            f"{len(selection.left_out)} of {len(selection.verdicts)} recorded tests"
            f" need not run (about {selection.saved:.1f} s)"
        )
        if selection.full:
            plan = f"everything runs ({selection.full})"
        return [*lines, f"impacted: {plan}"]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was left out, and where it can be told: whether that would have been right."""
        count = len(self._left_out or ())
        if self._mode == "selected":
            text = f"impacted: {self._ran} ran, {count} left out (about {self.selection.saved:.1f} s saved)"
        elif self._mode == "record":
            some = f"{self._ran} ran, {self.session.recorded} of them traced: nothing changed for the others"
            text = f"impacted: {some if self.session.recorded < self._ran else f'{self._ran} recorded'}"
        else:
            text = f"impacted: everything ran; {len(self.selection.would_leave_out)} would have been left out"
        terminalreporter.write_line(text + self._note)
        if self._keeper.note:
            terminalreporter.write_line(f"impacted: {self._keeper.note}")
        if self._track is not None and self._mode in {"shadow", "full"}:
            terminalreporter.write_line(f"impacted: {describe(self._track)}")


def describe(track: "Track") -> str:
    """Say how selection did so far."""
    recall = "no test failed yet" if track.recall is None else f"recall {track.recall:.1%}"
    return (
        f"judged in {track.judged} runs of everything: {track.failing} failing tests, "
        f"{track.missed} would have been missed ({recall})"
    )


def is_running(folder: Path) -> bool:
    """Whether the controller of a run lives."""
    from toolkit.tracing.children import is_running as alive

    try:
        return alive(int((folder / "pid").read_text()))
    except (OSError, ValueError):
        return False


def ignore(state: Path) -> None:
    """Keep the state folder out of version control."""
    file = state / ".gitignore"
    if not file.exists():
        file.write_text("*\n")


def options_that_matter(config: pytest.Config) -> list[str]:
    """Return options that change what tests do: warnings, plugins, ini values, the project's own."""
    options = config.known_args_namespace
    found = [
        f"{name}={getattr(options, name, None)!r}" for name in ("pythonwarnings", "override_ini", "plugins")
    ]
    parser = getattr(config, "_parser", None)
    own = getattr(getattr(parser, "_anonymous", None), "options", [])
    names = sorted(str(option.dest) for option in own)
    return found + [f"{name}={getattr(options, name, None)!r}" for name in names]
