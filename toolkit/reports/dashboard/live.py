"""The dashboard of runs that still go on, read from their journals and made again when these have grown."""

import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from toolkit.config import Config
from toolkit.errors import JournalError
from toolkit.history.imports import RUNS, import_pending
from toolkit.history.store import open_history
from toolkit.journal import CONTROLLER, MAIN, is_live, read_run
from toolkit.records import Attempt, Line, NodeId, RunRecord, TestBegun
from toolkit.reports.dashboard.benchmarks import Judged
from toolkit.reports.dashboard.columns import packed_columns
from toolkit.reports.dashboard.facts import Progress
from toolkit.reports.dashboard.outlook import Outlook
from toolkit.reports.dashboard.profiles import profiles_for
from toolkit.reports.dashboard.services import services_up
from toolkit.reports.dashboard.sources import newest_build, read_coverage, read_sources
from toolkit.reports.dashboard.strain import read_strain
from toolkit.reports.dashboard.telling import tell
from toolkit.reports.prometheus import metrics_text

TAIL = 256 * 1024
"""Bytes at the end of a journal in which the running test is looked for."""
_NOTHING = zlib.compress(b"\x02\0\0\0{}  ")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows at one moment.

    Attributes:
        etag: changes with the content.
        facts: JSON.
        tests: columns of all tests, see :mod:`toolkit.reports.dashboard.columns`.
    """

    etag: str
    facts: bytes
    tests: bytes


class LiveBoard:
    """Makes snapshots of a project's newest build, and only when something has changed.

    Args:
        config: of the project.
        judged: tells what the gates say of benchmarks.
    """

    def __init__(self, config: Config, *, judged: Callable[[], Judged] = Judged) -> None:
        self._config, self._judged = config, judged
        self._marks: tuple[object, ...] = ()
        self._made = 0
        self._metrics = ""
        self._outlook: Outlook | None = None
        self._metrics_mark: object = None
        self.snapshot = Snapshot(etag='"0"', facts=b"null", tests=_NOTHING)

    def look(self) -> Snapshot:
        """Return what there is now.

        Raises:
            ToolkitError: the history cannot be read.
        """
        folders = newest_folders(self._config.state_dir / RUNS)
        marks = tuple(_mark(path) for folder in folders for path in sorted(folder.glob("*.jsonl")))
        marks += (_mark(Path(self._config.history_url)),)
        if marks != self._marks or not self._made:
            self._made += 1
            self.snapshot = self._snapshot(folders)
            self._marks = marks
        return self.snapshot

    def metrics(self) -> str:
        """Return the Prometheus metrics of the history, with the runs that have ended since.

        Raises:
            MissingExtra: prometheus_client is not installed.
        """
        with open_history(self._config.history_url) as history:
            import_pending(history, self._config.state_dir)
            held = history.totals()
            mark = (held.runs, held.attempts)
            if mark != self._metrics_mark or not self._metrics:
                self._metrics = metrics_text(history)
                self._metrics_mark = mark
            return self._metrics

    def _snapshot(self, folders: list[Path]) -> Snapshot:
        config, now = self._config, time.time()
        with open_history(config.history_url) as history:
            records = list(_readable(folders)) or list(newest_build(history))
            running = next((folder for folder in reversed(folders) if is_live(folder)), None)
            durations = history.durations() if running else {}
            progress = None if running is None else progress_of(running, durations, now)
            sources = read_sources(
                history,
                records,
                created=now,
                title=config.project,
                coverage=read_coverage(config.reports_dir / "coverage.json"),
                services=services_up(config),
                strain=read_strain(config.reports_dir),
                judged=self._judged(),
                profiles=profiles_for(config.reports_dir, config.reports_dir / "dashboard.html"),
                progress=progress,
                outlook=self._outlook if running else None,
            )
            self._outlook = sources.outlook  # while a run goes on the history does not change
        told = tell(sources)
        return Snapshot(
            etag=f'"{os.getpid()}-{self._made}"',
            facts=msgspec.json.encode(told.facts),
            tests=packed_columns(told, sources),
        )


def newest_folders(home: Path) -> list[Path]:
    """Return the journals' folder of the newest run and of the runs of its build, oldest first."""
    folders = sorted((folder for folder in home.glob("*") if folder.is_dir()), reverse=True)[:50]
    records = [(folder, record) for folder in folders if (record := _header_only(folder)) is not None]
    if not records:
        return []
    build = records[0][1].header.build
    return [folder for folder, record in reversed(records) if build and record.header.build == build] or [
        records[0][0]
    ]


def _header_only(folder: Path) -> RunRecord | None:
    """Read the first line of the controller's journal: enough to know which run it is."""
    try:
        with (folder / f"{CONTROLLER}.jsonl").open("rb") as stream:
            header = msgspec.json.decode(stream.readline(), type=Line)
    except (OSError, msgspec.MsgspecError):
        return None
    return RunRecord(header=header, cases=()) if hasattr(header, "build") else None


def _readable(folders: list[Path]) -> Iterator[RunRecord]:
    for folder in folders:
        try:
            yield read_run(folder)
        except JournalError:  # it was moved into the history and cleaned away a moment ago
            continue


def _mark(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), found.st_size, found.st_mtime_ns


def progress_of(folder: Path, durations: Mapping[NodeId, float], now: float) -> Progress:
    """Tell how far a run is.

    Args:
        folder: of its journals.
        durations: typical seconds of tests, for the estimate.
        now: Unix seconds.
    """
    record = read_run(folder)
    running = tuple(running_tests(folder))
    wanted = len(record.cases) + len(record.missing)
    known = [durations[test] for test in record.missing if test in durations]
    workers = max(record.header.workers, 1)
    remaining = sum(known) / workers * (len(record.missing) / len(known)) if known else None
    return Progress(
        run=record.header.run,
        done=len(record.cases),
        wanted=wanted,
        bad=sum(case.counted_as.bad for case in record.cases),
        elapsed=max(now - record.header.started, 0.0),
        remaining=remaining if record.missing else 0.0,
        running=running,
    )


def running_tests(folder: Path) -> Iterator[tuple[str, NodeId, float]]:
    """Yield worker, test and start of every test that has begun and not ended."""
    for path in sorted(folder.glob("*.jsonl")):
        begun: dict[NodeId, TestBegun] = {}
        for line in _tail(path):
            if isinstance(line, TestBegun):
                begun[line.test] = line
            elif isinstance(line, Attempt):
                begun.pop(line.test, None)
        worker = MAIN if path.stem == CONTROLLER else path.stem
        yield from ((worker, line.test, line.started) for line in list(begun.values())[-1:])


def _tail(path: Path) -> Iterator[Line]:
    """Yield the records at the end of a journal that is being written; a torn one is left out."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - TAIL, 0))
        rows = stream.read().split(b"\n")
    for raw in rows[1:] if size > TAIL else rows:
        try:
            yield msgspec.json.decode(raw, type=Line)
        except msgspec.MsgspecError:
            continue
