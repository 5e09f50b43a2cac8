"""What a pipeline has done so far, in files that are whole after any crash."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.config import Config
from toolkit.errors import InputError, ToolkitError, UsageError
from toolkit.leases.locks import is_locked, try_lock
from toolkit.pipeline.plan import PipelinePlan

FOLDER = "pipelines"
STATE = "state.json"
CODE = "code.json"
LOCK = "lock"

StepStatus = Literal["pending", "running", "passed", "failed", "skipped", "interrupted"]
StageStatus = Literal["pending", "running", "passed", "failed", "left out", "interrupted"]
PipelineStatus = Literal["running", "passed", "failed", "interrupted"]


class StepState(msgspec.Struct, kw_only=True):
    """What became of one step. Times are measured."""

    session: str
    status: StepStatus = "pending"
    """"skipped": Nox ran nothing of it, as for an interpreter that is not there; that is no pass."""
    started: float | None = None
    """Seconds since the epoch."""
    seconds: float | None = None
    """From the start of its process to its end, by a monotonic clock."""
    exit_code: int | None = None
    """Of Nox; negative: the signal that killed it."""
    reason: str = ""
    sessions: dict[str, str] = {}
    """Nox session → success, failed, skipped or aborted."""
    log: str = ""
    """Path of its output."""


class StageState(msgspec.Struct, kw_only=True):
    """What became of one stage."""

    name: str
    steps: list[StepState] = []
    status: StageStatus = "pending"
    seconds: float | None = None
    """From the start of its first step to the end of its last, measured; of the last try."""
    reason: str = ""


class PipelineState(msgspec.Struct, kw_only=True):
    """What became of a pipeline; ``state.json``."""

    id: str
    """Also the ``TOOLKIT_BUILD`` of all its sessions, so that their reports are merged."""
    plan: PipelinePlan
    stages: list[StageState]
    status: PipelineStatus = "running"
    started: float = 0.0
    """Seconds since the epoch."""
    seconds: float = 0.0
    """That all its tries took together, measured."""
    tries: int = 1
    """How often it was started; more than one: it was resumed."""
    format: int = 1


def new_state(identity: str, plan: PipelinePlan, started: float) -> PipelineState:
    """Return the state of a pipeline that has not begun."""
    stages = [
        StageState(
            name=stage.name,
            steps=[StepState(session=step.session) for step in stage.steps],
            status="left out" if stage.left_out else "pending",
            reason=stage.left_out,
        )
        for stage in plan.stages
    ]
    return PipelineState(id=identity, plan=plan, stages=stages, started=started)


def pipelines_folder(config: Config) -> Path:
    """Return the folder of all pipelines, made on first use and kept out of version control."""
    folder = config.state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ignore = config.state_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def save(folder: Path, state: PipelineState) -> None:
    """Write the state so that it is there, whole, after a crash of this process or of the machine.

    Raises:
        ToolkitError: it cannot be written; the one before is still there.
    """
    write_durably(folder / STATE, msgspec.json.format(msgspec.json.encode(state)))


def write_durably(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all, and wait until the disk has it (rename(2), fsync(2)).

    Only its owner may read it: the URL of a deployment may have a password.

    Raises:
        ToolkitError: it cannot be written; what was there before is untouched.
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        hidden.touch(mode=0o600)
        with hidden.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        hidden.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise ToolkitError(f"{path}: cannot be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # pragma: no cover - a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(folder: Path) -> PipelineState:
    """Read the state of a pipeline.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / STATE
    try:
        return msgspec.json.decode(path.read_bytes(), type=PipelineState)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{path}: cannot be read: {error}", hint="start anew: invoke pipeline.run"
        ) from error


def save_code(folder: Path, digests: Mapping[str, str]) -> None:
    """Keep the digests of the code that a pipeline was started with."""
    write_durably(folder / CODE, msgspec.json.encode(digests))


def load_code(folder: Path) -> dict[str, str]:
    """Read the digests of the code that a pipeline was started with.

    Raises:
        InputError: they cannot be read.
    """
    try:
        return msgspec.json.decode((folder / CODE).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{folder / CODE}: cannot be read: {error}", hint="invoke pipeline.run") from error


def find_pipeline(config: Config, name: str = "") -> Path:
    """Return the folder of a pipeline; without a name, of the newest.

    Raises:
        UsageError: there is none.
    """
    folders = _folders(config)
    if not folders:
        raise UsageError(f"{config.state_dir / FOLDER}: no pipeline yet", hint="invoke pipeline.run")
    if not name:
        return folders[0]
    found = next((folder for folder in folders if folder.name == name), None)
    if found is None:
        known = ", ".join(folder.name for folder in folders[:5])
        raise UsageError(f"no pipeline is called {name!r}; the newest are: {known}")
    return found


def _folders(config: Config) -> list[Path]:
    """Return the folders of all pipelines, newest first; their names begin with the time."""
    home = config.state_dir / FOLDER
    return sorted((path.parent for path in home.glob(f"*/{STATE}")), reverse=True)


def prune(config: Config, keep: int) -> None:
    """Remove the oldest pipelines and their logs."""
    for folder in _folders(config)[keep:]:
        shutil.rmtree(folder, ignore_errors=True)


def is_running(config: Config) -> bool:
    """Tell whether a pipeline of this project is being run now; the kernel knows, not the file."""
    return bool(is_locked(config.state_dir / FOLDER / LOCK))


@contextlib.contextmanager
def alone(config: Config) -> Iterator[None]:
    """Keep other pipelines of this project away: they would use the same environments.

    Raises:
        UsageError: one is running.
    """
    descriptor = os.open(pipelines_folder(config) / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not try_lock(descriptor):
            raise UsageError("a pipeline of this project is running", hint="invoke pipeline.show")
        yield
    finally:
        os.close(descriptor)
