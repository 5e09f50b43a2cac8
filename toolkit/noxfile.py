"""What sessions a noxfile declares, asked of Nox itself."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import InputError, MissingExtra, UsageError

FILE = "noxfile.py"

_FILTERS = ("NOXSESSION", "NOXPYTHON", "NOXTAGS")
"""Variables that choose sessions for Nox; who asks for all of them must not inherit them."""


class NoxSession(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``nox --list --json``."""

    session: str
    """As ``nox -s`` takes it and names it in reports: ``unit-3.12``."""
    name: str
    """Of the function: ``unit`` for all its Pythons."""
    description: str = ""
    python: str | bool | None = None
    tags: tuple[str, ...] = ()


def list_sessions(root: Path, *, default: bool = False) -> tuple[NoxSession, ...]:
    """List the sessions of the noxfile of a project, as declared.

    Args:
        root: of the project.
        default: only those that a bare ``nox`` runs; else every one.

    Raises:
        UsageError: the project has no noxfile.
        MissingExtra: Nox is not installed beside this.
        InputError: the noxfile cannot be loaded; its last lines say why.
    """
    if not (root / FILE).is_file():
        raise UsageError(f"{root / FILE}: there is none", hint="see the how-to 'Run sessions'")
    environ = {name: value for name, value in os.environ.items() if name not in _FILTERS}
    done = subprocess.run(
        [*nox_command(root), "--list", "--json", *(() if default else ("-k", "True"))],
        cwd=root,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if "No module named nox" in done.stderr:
        raise MissingExtra("listing sessions", extra="control", package="nox")
    line = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("[")), None)
    if done.returncode != 0 or line is None:
        last = "\n".join(f"    {text}" for text in (done.stdout + done.stderr).strip().splitlines()[-8:])
        raise InputError(f"{root / FILE}: Nox cannot list its sessions:\n{last}", hint="nox --list")
    try:
        return msgspec.json.decode(line, type=tuple[NoxSession, ...])
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{root / FILE}: it prints lines of its own among its sessions: {line[:80]}"
        ) from error


def nox_command(root: Path) -> list[str]:
    """Return the command that runs Nox on the noxfile of a project, with the Python that runs this."""
    return [sys.executable, "-m", "nox", "--noxfile", str(root / FILE)]


def meant(name: str, sessions: Iterable[NoxSession]) -> tuple[str, ...]:
    """Return the sessions that ``nox -s NAME`` runs; none: the noxfile has no such session."""
    return tuple(row.session for row in sessions if name in _names(row))


def valid_names(sessions: Sequence[NoxSession]) -> list[str]:
    """Return every word that ``nox -s`` takes, for messages."""
    return list(dict.fromkeys(word for row in sessions for word in _names(row)))


def _names(row: NoxSession) -> tuple[str, ...]:
    python = (f"{row.name}-{row.python}",) if isinstance(row.python, str) else ()
    return (row.name, row.session, *python)
