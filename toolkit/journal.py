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
from collections.abc import Container, Iterable, Iterator
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
    WorkerFinished,
    WorkerLost,
    WorkerStarted,
)

MAIN = "main"
"""The worker's name in a run without workers: the controller runs the tests."""

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

    def write(self, *lines: Line) -> None:
        """Append records; several are written in one piece."""
        if self._descriptor is None:
            self.dropped += len(lines)
            return
        data = _encode(lines)
        if self._torn:  # a full disk cut the last line: begin on a fresh one
            data = b"\n" + data
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            self.dropped += len(lines)
            return
        if written < len(data):
            self.dropped += len(lines) - data.count(b"\n", int(self._torn), written + 1)
        self._torn = written < len(data)

    def close(self) -> None:
        """Close the file; further lines are counted as dropped."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _encode(lines: Iterable[Line]) -> bytes:
    try:
        return _ENCODER.encode_lines(lines)
    except UnicodeEncodeError:  # undecodable bytes of a file name or of captured output
        return _ENCODER.encode_lines(_printable(msgspec.to_builtins(line)) for line in lines)


def _printable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {_printable(key): _printable(item) for key, item in value.items()}
        case list() | tuple():
            return [_printable(item) for item in value]
        case _:
            return value


def is_live(folder: Path) -> bool:
    """Tell whether any process of this run still has its journal open, on this machine."""
    return any(_is_open(path) for path in folder.glob("*.jsonl"))


def _is_torn(path: Path) -> bool:
    """Tell whether a journal ends in the middle of a line, as a full disk leaves it."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - 1, 0))
        return stream.read() not in {b"", b"\n"}


def _is_open(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # just removed, or on a read-only disk: nobody writes there
        return False
    try:
        _lock(descriptor, shared=False)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
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
    """Merge all journals of one run into one record, however the run ended, or while it still goes on.

    Raises:
        JournalError: the folder holds no journal, or the controller's first line is missing.
    """
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise JournalError(f"{folder}: no journal (*.jsonl) in this folder", hint="pass the folder of a run")
    doubtful = {
        MAIN if path.stem == CONTROLLER else path.stem for path in paths if _is_open(path) or _is_torn(path)
    }
    problems: list[str] = []
    lines = [line for path in paths for line in read_lines(path, problems)]
    return merge(lines, problems=problems, where=str(folder), doubtful=doubtful)


def merge(
    lines: Iterable[Line],
    *,
    problems: Iterable[str] = (),
    where: str = "journal",
    doubtful: Container[str] = (),
) -> RunRecord:
    """Build the run record out of lines in any order.

    A test that was the last to begin in its process, without an attempt, was running when that died: it
    gets an attempt with the outcome ``crashed``. If the process ended by itself (Ctrl-C, ``pytest.exit``),
    still lives, or lost lines to a full disk, the test has no result; like a test that was collected and
    never begun it is ``missing``.

    Args:
        lines: of all journals of one run.
        problems: what could not be read, for the record.
        where: names the run in an error.
        doubtful: workers that still live or whose last line is torn, so that its end proves nothing.

    Raises:
        JournalError: the line that says which run this is is missing.
    """
    sorted_lines = _Lines()
    for line in lines:
        sorted_lines.add(line)
    header = sorted_lines.header
    if header is None:
        raise JournalError(f"{where}: the line that says which run this is (kind: run) is missing")
    cases = _cases([*sorted_lines.attempts, *_crashed(sorted_lines, doubtful)])
    known = {case.test for case in cases}
    end = sorted_lines.end
    return RunRecord(
        header=header,
        cases=cases,
        finished=None if end is None else end.finished,
        exit_code=None if end is None else end.exit_code,
        deselected=sorted_lines.deselected,
        lost=tuple(sorted_lines.lost),
        missing=tuple(test for test in sorted_lines.collected if test not in known),
        problems=(*problems, *_dropped(sorted_lines)),
    )


class _Lines:
    """The lines of a run, by kind."""

    def __init__(self) -> None:
        self.header: RunStarted | None = None
        self.end: RunFinished | None = None
        self.collected: dict[NodeId, None] = {}
        self.deselected = 0
        self.attempts: list[Attempt] = []
        self.begun: list[TestBegun] = []
        self.lost: list[WorkerLost] = []
        self.ended: list[WorkerFinished] = []

    def add(self, line: Line) -> None:
        match line:
            case Attempt():
                self.attempts.append(line)
            case TestBegun():
                self.begun.append(line)
            case TestsCollected():
                self.collected.update(dict.fromkeys(line.tests))
                self.deselected = max(self.deselected, line.deselected)
            case WorkerLost():
                self.lost.append(line)
            case WorkerFinished():
                self.ended.append(line)
            case RunStarted():
                self.header = self.header or line
            case RunFinished():
                self.end = line
            case WorkerStarted():
                pass


def _crashed(lines: _Lines, doubtful: Container[str]) -> Iterator[Attempt]:
    done = {(attempt.test, attempt.worker, attempt.number) for attempt in lines.attempts}
    ended = {line.worker for line in lines.ended}
    reasons = {line.worker: line.reason for line in lines.lost}
    last = {line.worker: line for line in sorted(lines.begun, key=lambda line: line.started)}
    for line in last.values():
        gone = line.worker in reasons or (line.worker not in ended and line.worker not in doubtful)
        if gone and (line.test, line.worker, line.number) not in done:
            why = reasons.get(line.worker) or "it ended without a word"
            yield Attempt(
                test=line.test,
                number=line.number,
                outcome=Outcome.CRASHED,
                worker=line.worker,
                started=line.started,
                reason=f"the process of worker {line.worker} died while it ran this test: {why}",
            )


def _dropped(lines: _Lines) -> Iterator[str]:
    for line in lines.ended:
        if line.dropped:
            yield f"{line.worker}: {line.dropped} lines could not be written"


def _cases(attempts: list[Attempt]) -> tuple[CaseResult, ...]:
    by_test: dict[NodeId, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: (attempt.started, attempt.number)):
        by_test.setdefault(attempt.test, []).append(attempt)
    return tuple(CaseResult(test=test, attempts=_numbered(tries)) for test, tries in by_test.items())


def _numbered(tries: list[Attempt]) -> tuple[Attempt, ...]:
    """Number the tries of one test in the order of time: each worker that runs it counts from one."""
    if len(tries) == 1 or all(found.number == number for number, found in enumerate(tries, start=1)):
        return tuple(tries)
    return tuple(msgspec.structs.replace(found, number=number) for number, found in enumerate(tries, start=1))
