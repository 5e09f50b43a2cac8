"""From what is proposed to what is written: steps that can be shown, checked and done. None overwrites."""

import os
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.adopt.files import NOXFILE, TASKS, layout_files, table_text
from toolkit.adopt.proposal import Proposal
from toolkit.config.needs import read_document
from toolkit.errors import InputError
from toolkit.services.compose import shipped_files

Action = Literal["create", "append", "keep"]

OWN_NOXFILE = "toolkit_noxfile.py"
"""Written where the project has sessions of its own already."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One file, and what happens to it."""

    action: Action
    path: str
    """Relative to the project root."""
    text: str = ""
    """What is created or appended."""
    why: str = ""
    """What else there is to say."""


def plan_steps(proposal: Proposal, *, layout: bool = False, compose: bool = False) -> list[Step]:
    """Return what is to be done, in order; a project that is set up has only steps that keep.

    Args:
        proposal: what was found.
        layout: add the full layout of tests.
        compose: add the compose files, to be used by hand or changed.
    """
    root = proposal.layout.root
    steps = [_noxfile(root), _tasks(root), _table(proposal, layout=layout)]
    more = layout_files(proposal) if layout else {}
    if compose:
        more |= {f"compose/{file.name}": file.read_text(encoding="utf-8") for file in _shipped()}
    steps += [_created(root, path, text) for path, text in more.items()]
    return steps


def _shipped() -> Iterator[Path]:
    yield from sorted(path for path in shipped_files().iterdir() if path.is_file())


def _created(root: Path, path: str, text: str) -> Step:
    if os.path.lexists(root / path):
        return Step(action="keep", path=path, why="it is there already")
    return Step(action="create", path=path, text=text)


def _noxfile(root: Path) -> Step:
    file = root / "noxfile.py"
    if not os.path.lexists(file):
        return Step(action="create", path="noxfile.py", text=NOXFILE)
    if b"toolkit.sessions" in _contents(file):
        return Step(action="keep", path="noxfile.py", why="it has the sessions of the toolkit")
    step = _created(root, OWN_NOXFILE, NOXFILE)
    why = f"noxfile.py has sessions of its own and is left alone: nox -f {OWN_NOXFILE} -s unit"
    return msgspec.structs.replace(step, why=why)


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}; nothing was written") from error


def _tasks(root: Path) -> Step:
    file = root / "tasks.py"
    if not os.path.lexists(file):
        return Step(action="create", path="tasks.py", text=TASKS)
    ours = b"toolkit.tasks" in _contents(file)
    why = "it has the tasks of the toolkit" if ours else "it is yours; the same tasks: toolkit --list"
    return Step(action="keep", path="tasks.py", why=why)


def _table(proposal: Proposal, *, layout: bool) -> Step:
    root = proposal.layout.root
    if "toolkit" in read_document(root).get("tool", {}):
        return Step(action="keep", path="pyproject.toml", why="it has a [tool.toolkit] table")
    text = table_text(proposal, layout=layout)
    if not (root / "pyproject.toml").is_file():
        return Step(action="create", path="pyproject.toml", text=text)
    step = Step(action="append", path="pyproject.toml", text=text)
    appended((root / step.path).read_bytes(), text, root / step.path)
    return step


def appended(before: bytes, text: str, file: Path) -> bytes:
    """Return the contents of a TOML file with a table at its end; what was there stays byte for byte.

    Raises:
        InputError: the table cannot be appended: ``tool`` is written inline, so that it cannot be extended.
    """
    newline = "\r\n" if b"\r\n" in before else "\n"
    gap = "" if not before.strip() else "\n" if before.endswith(b"\n") else "\n\n"
    after = before + f"{gap}{text}".replace("\n", newline).encode()
    try:
        new = tomllib.loads(after.decode())
        old = tomllib.loads(before.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file}: a [tool.toolkit] table cannot be appended: {error}",
            hint="write `tool` as tables ([tool.name]) instead of an inline table, then try again",
        ) from error
    new["tool"].pop("toolkit")
    if new != {"tool": {}, **old}:
        raise InputError(f"{file}: appending a table would change what is there; nothing was written")
    return after


def perform(root: Path, steps: Iterable[Step]) -> None:
    """Do the steps. A file that has appeared meanwhile is not overwritten.

    Raises:
        InputError: a file that was to be created is there, or one cannot be written; says what was done.
    """
    done: list[str] = []
    for step in steps:
        try:
            _perform(root / step.path, step)
        except OSError as error:
            raise InputError(
                f"{root / step.path}: {error.strerror or error}; "
                f"{f'written before: {chr(44).join(done)}' if done else 'nothing was written'}",
                hint="mend it and run init again: what is there is kept",
            ) from error
        done += () if step.action == "keep" else (step.path,)


def _perform(file: Path, step: Step) -> None:
    if step.action == "create":
        file.parent.mkdir(parents=True, exist_ok=True)
        _create(file, step.text)
    elif step.action == "append":
        _replace(file.resolve(), appended(file.read_bytes(), step.text, file))


def _create(file: Path, text: str) -> None:
    """Write a new file; half of one would be taken for the user's the next time, so it goes again."""
    stream = file.open("x", encoding="utf-8", newline="\n")
    try:
        with stream:
            stream.write(text)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _replace(file: Path, content: bytes) -> None:
    """Put new contents in the place of a file, at once and with its permissions."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            stream.write(content)
        shutil.copymode(file, name)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def undo_commands(root: Path, steps: Sequence[Step]) -> list[str]:
    """Return the commands that take the steps back; none where git does not know the file as it was."""
    created = [step.path for step in steps if step.action == "create"]
    changed = [step.path for step in steps if step.action == "append" and _is_committed(root, step.path)]
    git = (
        "git" if root == Path.cwd() else f"git -C {shlex.quote(str(root))}"
    )  # else it is done to this folder
    commands = [f"{git} restore {shlex.join(changed)}"] if changed else []
    return [*commands, *([f"{git} clean -f -- {shlex.join(created)}"] if created and _in_git(root) else [])]


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _in_git(root: Path) -> bool:
    return _git(root, "rev-parse", "--git-dir") is not None


def _is_committed(root: Path, path: str) -> bool:
    """Tell whether git has the file as it is now."""
    known = _git(root, "ls-files", "--", path)
    return bool(known) and _git(root, "status", "--porcelain", "--", path) == ""
