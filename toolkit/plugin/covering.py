"""Coverage with ``--impacted``: what each test executes is noted, what left-out tests execute is added.

Only where coverage is measured, by ``coverage run`` or pytest-cov. Contexts in coverage's own data would
cost a database row for each line of each test, so what coverage hands over is split before it gets
there. That looks at two attributes which coverage does not document; a version without them means that
nothing is remembered, and then nothing is left out.
"""

import contextlib
import os
import re
import sqlite3
import sys
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toolkit.plugin.measurement import measured

if TYPE_CHECKING:
    from toolkit.impact.inputs import Traced
    from toolkit.impact.memory import CoverageMemory
    from toolkit.impact.remembering import Remembered
    from toolkit.impact.trails import ProcessTrail
    from toolkit.records import NodeId
    from toolkit.tracing.tracer import Tracer

CONTEXT = "remembered"
"""Coverage's name for the context of what left-out tests executed; the report marks its lines."""

_PID = re.compile(r"\.(?:pid)?(\d+)\.X")
"""In the name of a data file, after the host."""


class Splitter:
    """Stands between coverage's collector and its data, and splits by the tracer's contexts.

    Args:
        coverage: the measurement of this process.
        file: gets what every context executed.
    """

    def __init__(self, coverage: Any, file: Path) -> None:
        from toolkit.impact.covered import CoveredWriter
        from toolkit.impact.remembering import settings_digest

        collector = coverage._collector  # noqa: SLF001 - see the head of this file
        self._collector = collector
        self._data = collector.covdata
        self._arcs = bool(coverage.get_option("run:branch"))
        self._writer = CoveredWriter(file, settings_digest(coverage.get_option), arcs=self._arcs)
        self._rearm = "sysmon" in str(collector.tracer_name()).lower()
        self._current = 0
        self._holding = False
        self._fresh: dict[str, set[Any]] = {}  # coverage has not got it yet
        self._owed = False  # also when that is empty: it makes the data know whether these are arcs or lines
        self._passed_on: dict[str, set[Any]] = {}
        self._tracers: dict[str, str] = {}
        self._executed: dict[str, set[Any]] = {}
        self._whole = True
        self._ours = True  # False after the end, and in a child made by fork
        collector.covdata = self
        self._flush()
        self._executed = {}  # before the first context: nobody's
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _flush(self) -> None:
        """Take what the collector has, without a touch of coverage's data file.

        A test must not seem to open it. And it must not be there before all workers have started: each one
        of pytest-cov's that starts begins as if it steered the run, and with ``parallel`` (``patch =
        subprocess`` implies it) it then erases all data files, those of the other workers too.
        """
        self._holding = True
        try:
            self._collector.flush_data()
        finally:
            self._holding = False

    def switch(self, number: int) -> None:
        """What is executed from now on belongs to another context."""
        if not self._ours:
            return
        self._whole = self._whole and self._collector.covdata is self
        self._flush()
        self._write()
        self._current = number
        if self._rearm:
            sys.monitoring.restart_events()

    def stop(self) -> None:
        """Write the rest."""
        if self._ours:
            self.switch(self._current)
            self.pass_on()
            self._ours = False
            self._writer.end(complete=self._whole)

    def _write(self) -> None:
        if self._executed:
            self._writer.context(self._current, self._executed)
            self._executed = {}

    def _forked(self) -> None:
        """In a child made by fork: it has data of its own, and none of it was passed on."""
        self._ours = False
        self._fresh, self._passed_on, self._owed = {}, {}, False

    # -- what the collector asks of data ---------------------------------------------------------------------

    def add_arcs(self, arc_data: Mapping[str, Collection[Any]]) -> None:
        """Take arcs."""
        self._take(arc_data)

    def add_lines(self, line_data: Mapping[str, Collection[Any]]) -> None:
        """Take lines."""
        self._take(line_data)

    def add_file_tracers(self, file_tracers: Mapping[str, str]) -> None:
        """Take the names of plugins."""
        if self._ours:
            self._writer.tracers(file_tracers)
        self._tracers.update(file_tracers)
        if not self._holding:
            self.pass_on()

    def set_context(self, context: str | None) -> None:
        """From here on, everything belongs to another context of coverage's own (``--cov-context``)."""
        self.pass_on()
        self._passed_on = {}
        self._data.set_context(context)

    def _take(self, found: Mapping[str, Collection[Any]]) -> None:
        self._owed = True
        for path, items in found.items():
            if items and self._ours:
                self._executed.setdefault(path, set()).update(items)
            passed_on = self._passed_on.get(path)
            new = set(items) if passed_on is None else set(items) - passed_on
            if new or passed_on is None:
                self._fresh.setdefault(path, set()).update(new)
                self._passed_on.setdefault(path, set()).update(new)
        if not self._holding:
            self.pass_on()

    def pass_on(self) -> None:
        """Give coverage what it has not got yet."""
        if self._owed:
            (self._data.add_arcs if self._arcs else self._data.add_lines)(self._fresh)
            self._fresh, self._owed = {}, False  # not before: should it fail, it is passed on later
        if self._tracers:
            self._data.add_file_tracers(self._tracers)
            self._tracers = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)


class CoverageSplit:
    """The hooks around a splitter, in a process that runs tests with ``--impacted``."""

    def __init__(self, tracer: "Tracer", file: Path) -> None:
        self._tracer = tracer
        self._file = file
        self._splitter: Splitter | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Begin: by now whoever measures has begun."""
        coverage = measured()
        if coverage is not None and can_split(coverage):
            self._splitter = Splitter(coverage, self._file)
            self._tracer.switched = self._splitter.switch

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Have coverage complete before anybody reports it."""
        try:
            return (yield)
        finally:
            if self._splitter is not None:
                self._splitter.pass_on()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the rest."""
        if self._splitter is not None:
            self._tracer.switched = None
            self._splitter.stop()


def _modified(file: Path) -> float:
    """Return when a file was changed; of one that is gone meanwhile (combined by another run): never."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def can_split(coverage: Any) -> bool:
    """Whether this version of coverage can be asked what each test executed."""
    collector = getattr(coverage, "_collector", None)
    names = ("covdata", "flush_data", "tracer_name")
    return all(hasattr(collector, name) for name in names)


class CoverageKeeper:
    """In the process that the user started: plans with the memory, adds to the data, keeps what was measured.

    Args:
        root: of the project.
        environment: of the run.
        folder: of its trails.
    """

    def __init__(self, root: Path, environment: str, folder: Path) -> None:
        self._root = root
        self._environment = environment
        self._folder = folder
        self._began = folder.stat().st_mtime
        self.coverage: Any = None
        self.note = ""

    def begin(self) -> bool:
        """Look whether coverage is measured; call when it must have begun."""
        self.coverage = measured()
        return self.coverage is not None

    def tests(self) -> "set[NodeId]":
        """Return the tests whose coverage is remembered."""
        from toolkit.impact.remembering import settings_digest

        if not can_split(self.coverage):
            self.note = "this version of coverage cannot tell what each test executed: nothing is left out"
            return set()
        settings = settings_digest(self.coverage.get_option)
        try:
            with self._memory() as memory:
                return memory.tests(self._environment, settings)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error, "nothing is left out")
            return set()

    def add(self, left_out: "Collection[NodeId]") -> None:
        """Add what left-out tests would have executed to the measurement of this process."""
        from toolkit.impact.remembering import recall

        if not left_out:
            return
        arcs = bool(self.coverage.get_option("run:branch"))
        try:
            with self._memory() as memory:
                found = recall(memory, self._environment, self._root, left_out, arcs=arcs)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error, "the coverage of left-out tests is missing here; run once more")
            return
        self._add_to_data(found, arcs=arcs)
        carried = f", carried through changes of {_counted(found.changed)}" if found.changed else ""
        self.note = f"coverage of left-out tests remembered for {_counted(len(found.executed))}{carried}"

    def _add_to_data(self, found: "Remembered", *, arcs: bool) -> None:
        """Under a context of its own, so that reports can mark it."""
        static = self.coverage.get_option("run:context") or ""
        data = self.coverage.get_data()
        names = {path: self._name(path) for path in found.executed}
        data.set_context(f"{static}|{CONTEXT}" if static else CONTEXT)
        try:
            add = data.add_arcs if arcs else data.add_lines
            add({names[path]: items for path, items in found.executed.items()})
            data.add_file_tracers({names[path]: tracer for path, tracer in found.tracers.items()})
        finally:
            data.set_context(static)

    def _name(self, path: str) -> str:
        if Path(path).is_absolute() or self.coverage.get_option("run:relative_files"):
            return path
        return str(self._root / path)

    def take_children(self) -> None:
        """Take what Python processes executed that tests started: before anybody combines their data."""
        from toolkit.tracing.trail import SUFFIX, read_trail

        pids: dict[int, str] = {}
        for file in self._folder.glob(f"*{SUFFIX}"):
            first = next(read_trail(file), None)
            if first is not None and first[0] == "start" and first[4]:
                pids[int(first[1])] = file.name.removesuffix(SUFFIX)
        if pids:
            for pid, data in self._data_files():
                if pid in pids:
                    self._take_child(pids[pid], data)

    def _data_files(self) -> Iterator[tuple[int, Path]]:
        base = Path(self.coverage.get_option("run:data_file")).absolute()
        for file in base.parent.glob(f"{base.name}.*"):
            found = _PID.search(file.name)
            if found and _modified(file) >= self._began:
                yield int(found[1]), file

    def _take_child(self, name: str, file: Path) -> None:
        from coverage import CoverageData
        from coverage.exceptions import CoverageException

        from toolkit.impact.covered import SUFFIX, WHOLE, CoveredWriter

        data = CoverageData(basename=str(file))
        with contextlib.suppress(CoverageException):
            data.read()
            arcs = data.has_arcs()
            writer = CoveredWriter(self._folder / f"{name}{SUFFIX}", "", arcs=arcs)
            read: Any = data.arcs if arcs else data.lines
            writer.context(WHOLE, {path: read(path) or () for path in data.measured_files()})
            writer.end()
        data.close()

    def keep(self, trails: "Iterable[ProcessTrail]", traced: "Traced") -> None:
        """Remember what the tests of this run executed; forget those that ran without coverage."""
        if self.coverage is None and not memory_file(self._root).exists():
            return
        from toolkit.impact.remembering import remember_run

        try:
            with self._memory() as memory:
                remember_run(memory, self._environment, self._root, self._folder, list(trails), traced)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error, "that of this run is not remembered")

    def _give_up(self, error: Exception, consequence: str) -> None:
        """Say that the memory cannot be used; should it be damaged, begin it anew."""
        from toolkit.impact.memory import is_damage, remove_memory

        what = "cannot be used"
        if is_damage(error):
            what = "is damaged and begun anew"
            with contextlib.suppress(OSError):
                remove_memory(memory_file(self._root))
        said = f"remembered coverage {what} ({error}): {consequence}"
        self.note = f"{self.note}; {said}" if self.note else said

    def _memory(self) -> "CoverageMemory":
        from toolkit.impact.memory import open_memory

        return open_memory(memory_file(self._root))


def memory_file(root: Path) -> Path:
    """Return where the coverage of the tests of a project is remembered."""
    from toolkit.impact.memory import MEMORY_NAME

    return root / ".toolkit" / MEMORY_NAME


def _counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def covered_file(folder: Path, name: str) -> Path:
    """Return where a process writes what its contexts executed."""
    from toolkit.impact.covered import SUFFIX

    return folder / f"{name}{SUFFIX}"
