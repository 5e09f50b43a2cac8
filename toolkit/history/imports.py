"""Journals, JUnit files and exports on disk → history. What cannot be read is named, the rest is taken in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import InputError
from toolkit.history.export import is_export, read_export
from toolkit.history.store import History
from toolkit.journal import is_live, read_run

RUNS = "runs"
"""Folder of the journals under the state folder: one folder per run, named by its id."""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder, or a part of one, that could not be taken in."""

    path: str
    reason: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did."""

    new: tuple[str, ...] = ()  # run ids that were taken in
    known: tuple[str, ...] = ()  # run ids that were there already
    unreadable: tuple[Unreadable, ...] = ()


class Tally:
    """What an import has done so far."""

    def __init__(self) -> None:
        self._runs: dict[str, bool] = {}
        self._unreadable: list[Unreadable] = []

    def note(self, run: str, *, new: bool) -> None:
        """Count one run."""
        self._runs[run] = new or self._runs.get(run, False)

    def reject(self, path: Path, reason: str) -> None:
        """Name something that cannot be read."""
        self._unreadable.append(Unreadable(path=str(path), reason=reason))

    def result(self) -> Imported:
        """Return the sum."""
        return Imported(
            new=tuple(run for run, new in self._runs.items() if new),
            known=tuple(run for run, new in self._runs.items() if not new),
            unreadable=tuple(self._unreadable),
        )


def import_pending(history: History, state_dir: Path) -> Imported:
    """Take in every run under the state folder that the history lacks or has only in part.

    So a run whose import failed (full disk, killed process, server away) is made up for by the next one.
    Unchanged journals are not read again; runs that were pruned stay out; a run that is still going on is
    left for later.
    """
    known = history.sizes()
    tally = Tally()
    for folder in _run_folders(state_dir / RUNS):
        if journal_size(folder) > known.get(folder.name, -1) and not is_live(folder):
            _import_one(history, folder, tally)
    return tally.result()


def import_paths(history: History, paths: Sequence[Path]) -> Imported:
    """Take in what the user names: folders of journals, JUnit files, exports, and folders that contain such.

    In a folder, ``*.xml`` and ``*.gz`` are looked at; a file named by itself may have any name.

    Raises:
        InputError: a path does not exist; nothing was taken in.
    """
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        raise InputError(f"{', '.join(absent)}: no such file or folder")
    tally = Tally()
    for path in paths:
        for found in _inputs(path):
            _import_one(history, found, tally)
    return tally.result()


def _inputs(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    if any(path.glob("*.jsonl")):
        yield path
    for inner in sorted(path.iterdir()):
        if inner.suffix.lower() in {".xml", ".gz"} or (inner.is_dir() and not inner.is_symlink()):
            yield from _inputs(inner)


def _import_one(history: History, path: Path, tally: Tally) -> None:
    try:
        if path.is_dir():
            _import_journals(history, path, tally, journal_size(path))
        elif is_export(path):
            _import_export(history, path, tally)
        else:
            _import_junit(history, path, tally)
    except InputError as error:
        tally.reject(path, str(error).removeprefix(f"{path}: "))
    except OSError as error:
        tally.reject(path, error.strerror or str(error))


def _import_junit(history: History, path: Path, tally: Tally) -> None:
    from toolkit.junit.runs import read_runs  # the plugin imports this module at every start

    for record in read_runs(path):
        tally.note(record.header.run, new=history.import_run(record, origin="junit"))


def _import_journals(history: History, folder: Path, tally: Tally, size: int) -> None:
    record = read_run(folder)
    tally.note(record.header.run, new=history.import_run(record, size=size))


def _import_export(history: History, path: Path, tally: Tally) -> None:
    for line in read_export(path, lambda reason: tally.reject(path, reason)):
        new = history.import_run(line.record, origin=line.origin)
        tally.note(line.record.header.run, new=new)


def _run_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def journal_size(folder: Path) -> int:
    """Return the bytes of all journals in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))
