"""From the journals of a run to its record and the history, whoever was killed on the way.

A run's folder stays until its record is in the history; the file ``imported`` in it says so. What an earlier
run left behind, because pytest, Nox or the machine died, is taken up by the next one.
"""

import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import msgspec

from toolkit.config import Config
from toolkit.errors import JournalError, ToolkitError
from toolkit.journal import is_live, new_run_id, read_run
from toolkit.records import RunRecord

IMPORTED = "imported"
KEPT_RUNS = 50
"""How many folders of imported runs are kept; older ones are removed."""

PATIENCE = 10.0
"""Seconds to wait for the workers of a killed pytest to notice and end."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run about to begin: its identity, its folder, and the variables that tell both to the tests."""

    name: str
    profile: str
    build: str
    folder: Path
    environment: str = "local"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the test process."""
        return {
            "TOOLKIT_RUN_ID": self.folder.name,
            "TOOLKIT_RUN_DIR": str(self.folder),
            "TOOLKIT_BUILD": self.build,
            "TOOLKIT_PROFILE": self.profile,
            "TOOLKIT_ENV": self.environment,
        }


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run after its process ended."""

    folder: Path
    record: RunRecord | None = None
    problem: str = ""
    """Why there is no record, or why it is not in the history yet."""


def runs_folder(config: Config) -> Path:
    """Return the folder of all runs, made on first use and kept out of version control."""
    folder = config.state_dir / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    ignore = config.state_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def begin_run(config: Config, *, name: str, profile: str, build: str) -> Run:
    """Give a new run its identity and folder."""
    folder = runs_folder(config) / new_run_id()
    folder.mkdir()
    return Run(name=name, profile=profile, build=build, folder=folder, environment=config.environment)


def settle(config: Config, folder: Path, *, patience: float = PATIENCE) -> Settled:
    """Read the journals of an ended run and import them. Never raises for a damaged run or history.

    Args:
        config: says where the history is.
        folder: of the run.
        patience: seconds to wait for processes that still write.
    """
    if not _wait_until_quiet(folder, patience):
        return Settled(folder=folder, problem="its processes still run; it is imported when they are gone")
    try:
        record = read_run(folder)
    except JournalError as error:
        return Settled(folder=folder, problem=error.message)
    problem = _import(config, record)
    if not problem:
        (folder / IMPORTED).touch()
    return Settled(folder=folder, record=record, problem=problem)


def settle_earlier(config: Config) -> Iterator[Settled]:
    """Import what earlier runs left behind; yields each that was not finished business."""
    for folder in sorted(runs_folder(config).iterdir()):
        if folder.is_dir() and not (folder / IMPORTED).exists() and any(folder.glob("*.jsonl")):
            yield settle(config, folder, patience=0)


def runs_of_build(config: Config, build: str) -> list[tuple[Path, RunRecord]]:
    """Read all runs that share a build, oldest first: what the merged reports are made of."""
    runs: list[tuple[Path, RunRecord]] = []
    for folder in sorted(runs_folder(config).iterdir()):
        try:
            record = read_run(folder) if folder.is_dir() else None
        except JournalError:
            continue
        if record is not None and record.header.build == build:
            runs.append((folder, record))
    return runs


def prune_runs(config: Config, *, keep: int = KEPT_RUNS) -> int:
    """Remove the oldest folders of imported runs beyond ``keep``; returns how many."""
    imported = sorted(path.parent for path in runs_folder(config).glob(f"*/{IMPORTED}"))
    old = imported[:-keep] if keep else imported
    for folder in old:
        remove_run(folder)
    return len(old)


def remove_run(folder: Path) -> None:
    """Remove the folder of one run."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    folder.rmdir()


def _wait_until_quiet(folder: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while is_live(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
    return True


def _import(config: Config, record: RunRecord) -> str:
    """Import one record; returns why it could not be done, nothing when it was."""
    try:
        from toolkit.history.store import open_history

        with open_history(config.history_url) as history:
            history.import_run(record)
    except (ToolkitError, OSError, ImportError) as error:
        return f"not in the history yet: {error}"
    return ""


def current_build(environ: MutableMapping[str, str]) -> str:
    """Return the name that all runs of this nox command, or of this CI pipeline, share.

    It is put into the environment, so that the processes of ``nox -j`` inherit it.
    """
    return environ.setdefault("TOOLKIT_BUILD", new_run_id())
