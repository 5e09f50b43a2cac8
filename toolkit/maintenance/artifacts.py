"""What runs leave on the disk: journals, data files of coverage, reports, pipelines; and their age."""

import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from toolkit.config import Config
from toolkit.errors import ChangesUnknown
from toolkit.history.imports import RUNS
from toolkit.impact.changes import tracked_files
from toolkit.journal import is_live
from toolkit.maintenance.sweeping import Limits, Spared, Swept, files_in_use, newest_change, sweep_folder

_DAY = 86_400.0


def sweep_artifacts(config: Config, *, now: float, known: Collection[str], dry_run: bool = False) -> Swept:
    """Remove old artifacts of a project.

    Args:
        config: of the project; ``maintenance`` says how old is old.
        now: Unix seconds.
        known: ids of the runs that the history has whole, or had: other journals are not yet taken in.
        dry_run: only tell.

    Raises:
        RuntimeUnavailable: this system cannot do it safely.
        ChangesUnknown: there is a repository, but git does not tell which files are in it.
    """
    ages = config.maintenance
    temporary = Limits(
        before=now - ages.days * _DAY, in_use=files_in_use(), tracked=_tracked(config.root), dry_run=dry_run
    )
    reports = replace(temporary, before=now - ages.report_days * _DAY)
    done = _sweep_runs(config, temporary, known)
    done += sweep_folder(config.root, (), temporary, names=_coverage_data(config.root))
    for folder in ages.temporary:
        done += sweep_folder(config.root, _parts(folder), temporary)
    done += sweep_folder(config.root, (*_parts(config.state), PIPELINES), reports)
    return done + sweep_folder(config.root, _parts(config.reports), reports)


def _tracked(root: Path) -> frozenset[str]:
    """Return what git tracks: a package of the project may be named ``reports``, too."""
    try:
        return frozenset(tracked_files(root))
    except ChangesUnknown:
        if any((folder / ".git").exists() for folder in (root, *root.parents)):
            raise
        return frozenset()


PIPELINES = "pipelines"
"""Folder of the pipelines' states and logs under the state folder."""


def _parts(folder: str) -> tuple[str, ...]:
    return PurePosixPath(folder.replace(os.sep, "/")).parts or (folder,)


def _coverage_data(root: Path) -> set[str]:
    """Return the data files that processes left for ``coverage combine``."""
    return {path.name for path in root.glob(".coverage.*")}


def _sweep_runs(config: Config, limits: Limits, known: Collection[str]) -> Swept:
    """Remove the journals of whole runs: never one file of a run and not the other."""
    folder = (*_parts(config.state), RUNS)
    going: list[str] = []
    spared: list[Spared] = []
    for name in _names(config.state_dir / RUNS):
        newest = newest_change(config.root, (*folder, name))
        if newest is not None and newest >= limits.before:
            continue
        why = _reason_to_keep(config.state_dir / RUNS / name, newest, known)
        if why:
            spared.append(Spared(path="/".join((*folder, name)), why=why))
        else:
            going.append(name)
    return sweep_folder(config.root, folder, limits, names=going) + Swept(spared=tuple(spared))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _reason_to_keep(folder: Path, newest: float | None, known: Collection[str]) -> str:
    if newest is None:
        return "it is a link or cannot be opened"
    if is_live(folder):
        return "this run still goes on"
    if folder.name not in known:
        return "the history does not have this run"
    return ""
