"""The journal of a run: append-only JSON lines, one file per process, readable after any crash.

A run has a folder; each process that takes part appends to a file of its own in it
(``controller.jsonl``, ``gw0.jsonl`` …). Every line is one system call on a descriptor opened for
appending, so ``kill -9`` loses at most the line being written, and no process can damage another's lines.
Reading merges all files: a torn or foreign line is reported in ``RunRecord.problems``, never dropped in
silence.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from toolkit.errors import JournalError
from toolkit.records import (
    Attempt,
    CaseResult,
    Line,
    NodeId,
    Outcome,
    RunFinished,
    RunRecord,
    RunStarted,
    TestBegun,
    TestsCollected,
    WorkerLost,
    WorkerStarted,
)

CONTROLLER = "controller"
"""Name of the file, without suffix, written by the process that steers the run."""

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def new_run_id(now: float | None = None) -> str:
    """Make a run id that sorts by time and is unique without any coordination."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() if now is None else now))
    return f"{stamp}-{secrets.token_hex(3)}"


class Journal:
    """One process's append-only file. Safe against ``kill -9``; a full disk is counted, not raised.

    A test run must not fail because its recording does: when a line cannot be written, ``dropped``
    counts it and the summary says so. While the file is open it carries a lock that dies with its process,
    so :func:`is_live` needs no clock and no process table.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.jsonl"
        self.dropped = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor: int | None = os.open(self.path, flags, 0o644)
        with contextlib.suppress(OSError):  # a file system without locks: the run merely looks finished
            _lock(self._descriptor, shared=True)
        self._torn = False

    def write(self, line: Line) -> None:
        """Append one record."""
        if self._descriptor is None:
            self.dropped += 1
            return
        data = _ENCODER.encode(line) + b"\n"
        if self._torn:  # a full disk cut the last line: begin on a fresh one
            data = b"\n" + data
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            self.dropped += 1
            return
        self._torn = written < len(data)
        if self._torn:
            self.dropped += 1

    def close(self) -> None:
        """Close the file; further lines are counted as dropped."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_live(folder: Path) -> bool:
    """Tell whether any process of this run still has its journal open, on this machine."""
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDWR)
            try:
                _lock(descriptor, shared=False)
            except BlockingIOError:
                return True
            except OSError:  # a file system without locks
                continue
            finally:
                os.close(descriptor)
    return False


if sys.platform == "win32":  # pragma: no cover - CI of this repository runs on Linux
    import msvcrt

    def _lock(descriptor: int, *, shared: bool) -> None:  # noqa: ARG001 - Windows has no shared lock
        """Lock one byte far behind the end: locks on Windows are mandatory and must not hinder readers."""
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> None:
        """Writers share the lock; who asks for it alone does not wait: BlockingIOError is the answer.

        It ends when the last copy of the descriptor closes, however its process ended: flock(2).
        """
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_lines(path: Path, problems: list[str]) -> Iterator[Line]:
    """Yield the records of one journal file; what cannot be read is added to ``problems``.

    Raises:
        JournalError: the file cannot be opened.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror or error}") from error
    with stream:
        for number, raw in enumerate(stream, start=1):
            if not raw.strip():
                continue
            try:
                yield _DECODER.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                what = "torn line" if not raw.endswith(b"\n") else f"unreadable line ({error})"
                problems.append(f"{path.name}:{number}: {what}")


def read_run(folder: Path) -> RunRecord:
    """Merge all journals of one run into one record, however the run ended.

    Raises:
        JournalError: the folder holds no journal, or the controller's first line is missing.
    """
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise JournalError(f"{folder}: no journal (*.jsonl) in this folder", hint="pass the folder of a run")
    problems: list[str] = []
    lines = [line for path in paths for line in read_lines(path, problems)]
    return merge(lines, problems=problems, where=str(folder))


def merge(lines: Iterable[Line], *, problems: Iterable[str] = (), where: str = "journal") -> RunRecord:
    """Build the run record out of lines in any order.

    A test that begun without an attempt was running when its process died: it gets an attempt with the
    outcome ``crashed``. A test that was collected and never begun is ``missing``.
    """
    header: RunStarted | None = None
    end: RunFinished | None = None
    collected: dict[NodeId, None] = {}
    deselected = 0
    attempts: list[Attempt] = []
    begun: list[TestBegun] = []
    lost: list[WorkerLost] = []
    for line in lines:
        match line:
            case Attempt():
                attempts.append(line)
            case TestBegun():
                begun.append(line)
            case TestsCollected():
                collected.update(dict.fromkeys(line.tests))
                deselected = max(deselected, line.deselected)
            case WorkerLost():
                lost.append(line)
            case RunStarted():
                header = header or line
            case RunFinished():
                end = line
            case WorkerStarted():
                pass
    if header is None:
        raise JournalError(f"{where}: the line that says which run this is (kind: run) is missing")
    attempts.extend(_crashed(begun, attempts))
    cases = _cases(attempts)
    known = {case.test for case in cases}
    return RunRecord(
        header=header,
        cases=cases,
        finished=None if end is None else end.finished,
        exit_code=None if end is None else end.exit_code,
        deselected=deselected,
        lost=tuple(lost),
        missing=tuple(test for test in collected if test not in known),
        problems=tuple(problems),
    )


def _crashed(begun: list[TestBegun], attempts: list[Attempt]) -> Iterator[Attempt]:
    done = {(attempt.test, attempt.worker, attempt.number) for attempt in attempts}
    for line in begun:
        if (line.test, line.worker, line.number) not in done:
            yield Attempt(
                test=line.test,
                number=line.number,
                outcome=Outcome.CRASHED,
                worker=line.worker,
                started=line.started,
                reason=f"the process of worker {line.worker} ended while it ran this test",
            )


def _cases(attempts: list[Attempt]) -> tuple[CaseResult, ...]:
    by_test: dict[NodeId, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.started):
        by_test.setdefault(attempt.test, []).append(attempt)
    return tuple(CaseResult(test=test, attempts=tuple(tries)) for test, tries in by_test.items())
