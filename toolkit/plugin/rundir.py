"""Where the journals of this session go, and how the other processes of the run learn it."""

import contextlib
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from toolkit.journal import CONTROLLER, new_run_id

RUN_DIR = "TOOLKIT_RUN_DIR"
"""Names the folder of the journals of a run; set by whoever starts pytest on purpose to record it."""
RUN_ID = "TOOLKIT_RUN_ID"


def claim(folder: Path) -> bool:
    """Make a folder the one of this session; False: another session has it already.

    A test that starts pytest hands its environment down: the inner session must not write into the outer
    one's journals, so the first to create the controller's file has the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{CONTROLLER}.jsonl").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def choose(state: Path, environ: Mapping[str, str]) -> tuple[Path, str, bool]:
    """Return the folder of this session's journals, the run's id, and whether somebody else imports them.

    Raises:
        OSError: no folder can be made (a read-only or full disk).
    """
    given = environ.get(RUN_DIR)
    if given and claim(Path(given)):
        folder = Path(given).resolve()
        return folder, environ.get(RUN_ID) or folder.name, True
    runs = prepare_state(state) / "runs"
    while True:
        run = new_run_id()
        if claim(runs / run):
            return runs / run, run, False


def abandon(folder: Path) -> None:
    """Give up a claimed folder in which nothing was recorded."""
    with contextlib.suppress(OSError):
        (folder / f"{CONTROLLER}.jsonl").unlink()
        folder.rmdir()


def prepare_state(state: Path) -> Path:
    """Create the state folder, invisible to version control."""
    state.mkdir(parents=True, exist_ok=True)
    ignore = state / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return state


class Announcement:
    """The run's folder and id in the environment, for all that the session starts; taken back at the end."""

    def __init__(self, environ: MutableMapping[str, str], folder: Path, run: str) -> None:
        self._environ = environ
        self._before = {name: environ.get(name) for name in (RUN_DIR, RUN_ID)}
        environ.update({RUN_DIR: os.fspath(folder), RUN_ID: run})

    def take_back(self) -> None:
        """Restore what was there before."""
        for name, value in self._before.items():
            if value is None:
                self._environ.pop(name, None)
            else:
                self._environ[name] = value
