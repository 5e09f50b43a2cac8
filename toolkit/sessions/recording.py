"""From the journals of a run to its record and the history, whoever was killed on the way.

Journals stay until a later run finds them in the history and they are among the oldest. What an earlier run
left behind, because pytest, Nox or the machine died, or because the history could not be reached, is taken up
by the next one.
"""

import shutil
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import msgspec

from toolkit.config import Config
from toolkit.errors import JournalError, ToolkitError
from toolkit.history.imports import RUNS, Unreadable, import_pending, journal_size
from toolkit.history.store import History, open_history
from toolkit.journal import CONTROLLER, is_live, new_run_id, read_lines, read_run
from toolkit.records import RunRecord, RunStarted

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


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier runs left behind."""

    interrupted: tuple[RunRecord, ...] = ()
    """Taken into the history now; they did not end by themselves."""
    complete: int = 0
    """So many others were taken in."""
    unreadable: tuple[Unreadable, ...] = ()
    problem: str = ""
    """Why the history could not take them."""


def runs_folder(config: Config) -> Path:
    """Return the folder of all runs, made on first use and kept out of version control."""
    folder = config.state_dir / RUNS
    folder.mkdir(parents=True, exist_ok=True)
    ignore = config.state_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def current_build(environ: MutableMapping[str, str]) -> str:
    """Return the name that all runs of this nox command, or of this CI pipeline, share.

    It is put into the environment, so that the processes of ``nox -j`` inherit it.
    """
    return environ.setdefault("TOOLKIT_BUILD", new_run_id())


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
    quiet = _wait_until_quiet(folder, patience)
    try:
        record = read_run(folder)
    except JournalError as error:
        return Settled(folder=folder, problem=error.message)
    if not quiet:
        return Settled(folder=folder, record=record, problem="some of its processes still run: not final")
    try:
        with open_history(config.history_url) as history:
            history.import_run(record, size=journal_size(folder))
    except (ToolkitError, OSError) as error:
        return Settled(folder=folder, record=record, problem=f"not in the history yet: {error}")
    return Settled(folder=folder, record=record)


def settle_earlier(config: Config) -> Earlier:
    """Import what earlier runs left behind, and remove the oldest journals that the history has.

    Never raises for damaged runs or an unreachable history: the journals stay for the next time.
    """
    try:
        with open_history(config.history_url) as history:
            found = import_pending(history, config.state_dir)
            records = [record for run in found.new if (record := history.record(run))]
            prune_journals(config, history)
    except (ToolkitError, OSError) as error:
        return Earlier(problem=str(error))
    interrupted = tuple(record for record in records if not record.complete)
    return Earlier(
        interrupted=interrupted,
        complete=len(records) - len(interrupted),
        unreadable=tuple(bad for bad in found.unreadable if any(Path(bad.path).glob("*.jsonl"))),
    )


def prune_journals(config: Config, history: History, *, keep: int = KEPT_RUNS) -> int:
    """Remove the oldest folders of runs that the history has, beyond ``keep``; return how many."""
    known = history.sizes()
    folders = sorted(path for path in runs_folder(config).iterdir() if path.name in known)
    safe = [
        folder for folder in folders if known[folder.name] >= journal_size(folder) and not is_live(folder)
    ]
    old = safe[:-keep] if keep else safe
    for folder in old:
        remove_run(folder)
    return len(old)


def remove_run(folder: Path) -> None:
    """Remove the folder of one run."""
    shutil.rmtree(folder, ignore_errors=True)


def runs_of_build(config: Config, build: str | None) -> Iterator[tuple[Path, RunRecord]]:
    """Read all runs that share a build, oldest first; None: every run whose journals are there."""
    for folder in sorted(runs_folder(config).iterdir()):
        try:
            if build is None or build_of(folder) == build:
                yield folder, read_run(folder)
        except JournalError:
            continue


def build_of(folder: Path) -> str | None:
    """Return the build of a run without reading all of it; None: its journals do not say.

    Raises:
        JournalError: it has no controller's journal.
    """
    lines = read_lines(folder / f"{CONTROLLER}.jsonl", [])
    return next((line.build for line in lines if isinstance(line, RunStarted)), None)


def _wait_until_quiet(folder: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while is_live(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True
