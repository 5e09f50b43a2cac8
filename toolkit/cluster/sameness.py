"""Do code and environment match on every machine? If not: in what do they differ?"""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import msgspec

IGNORED = frozenset(
    {".git", ".toolkit", ".nox", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", "reports"}
)
"""Folders that are nobody's code, for projects without git."""

SHOWN = 5


class Sameness(msgspec.Struct, frozen=True, kw_only=True):
    """What must be equal on all machines of a run."""

    python: str
    packages: Mapping[str, str]
    """Distribution → version."""
    files: Mapping[str, str]
    """Path in the project → digest of its content."""

    @property
    def digest(self) -> str:
        """One value for everything."""
        return hashlib.blake2b(msgspec.json.encode(self, order="deterministic"), digest_size=8).hexdigest()


def here(root: Path) -> Sameness:
    """Describe this process's Python, its packages and the project's files."""
    return Sameness(
        python=f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}",
        packages={
            str(found.metadata["Name"]).lower().replace("_", "-"): found.version
            for found in metadata.distributions()
            if found.metadata["Name"]
        },
        files={path: _digest(root / path) for path in sorted(project_files(root))},
    )


def project_files(root: Path) -> Iterator[str]:
    """Yield the project's files: what git knows or would take, else all but caches."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except OSError:
        listed = None
    if listed is not None and listed.returncode == 0:
        names = {name for name in listed.stdout.decode(errors="surrogateescape").split("\0") if name}
        yield from (name for name in names if (root / name).is_file())
        return
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        if path.is_file() and not IGNORED.intersection(inside.parts):
            yield inside.as_posix()


def _digest(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def differences(mine: Sameness, theirs: Sameness) -> list[str]:
    """Say in what another machine differs; nothing when it does not."""
    found = []
    if mine.python != theirs.python:
        found.append(f"Python is {theirs.python}, here {mine.python}")
    found += _compared("package", mine.packages, theirs.packages)
    found += _compared("file", mine.files, theirs.files, values=False)
    return found


def _compared(
    what: str, mine: Mapping[str, str], theirs: Mapping[str, str], *, values: bool = True
) -> list[str]:
    lines = []
    for name in sorted(mine.keys() | theirs.keys()):
        here_is, there_is = mine.get(name), theirs.get(name)
        if here_is == there_is:
            continue
        if there_is is None:
            lines.append(f"{what} {name} is missing there")
        elif here_is is None:
            lines.append(f"{what} {name} is only there")
        else:
            lines.append(f"{what} {name} differs" + (f": {there_is}, here {here_is}" if values else ""))
    return [*lines[:SHOWN], f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else lines
