"""Has the code changed since? A digest of each file that a pipeline depends on."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from toolkit.config import Config
from toolkit.errors import ChangesUnknown
from toolkit.impact.changes import present_files

_MADE = frozenset(
    {".nox", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".benchmarks"}
)
"""Folders that tools fill while they run, in projects that ignore them or not."""

_ABSENT = "absent"


def digest_files(config: Config) -> dict[str, str]:
    """Return the digest of every file of the project by its path; what a run itself writes is left out.

    In a git work tree: all that git tracks or would track, in its submodules too. Elsewhere: sources, tests
    and what stands beside ``pyproject.toml``.
    """
    try:
        paths = tuple(_known_to_git(config.root))
    except ChangesUnknown:
        paths = tuple(_walked(config))
    made = (PurePosixPath(config.reports), PurePosixPath(config.state))
    wanted = (path for path in paths if not _is_made(PurePosixPath(path), made))
    return {path: _digest(config.root / path) for path in sorted(wanted)}


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths that are new, gone or different."""
    return tuple(path for path in sorted({*before, *now}) if before.get(path) != now.get(path))


def _is_made(path: PurePosixPath, folders: tuple[PurePosixPath, ...]) -> bool:
    if not _MADE.isdisjoint(path.parts):
        return True
    if any(folder.parts and path.is_relative_to(folder) for folder in folders):
        return True
    data = path.name == ".coverage" or path.name.startswith(".coverage.")
    return data or any(part.endswith(".egg-info") for part in path.parts)


def _known_to_git(root: Path) -> Iterator[str]:
    for path in present_files(root):
        folder = root / path
        if (
            os.path.lexists(folder / ".git") and not folder.is_symlink()
        ):  # a submodule, which is one path to git
            yield from (f"{path.rstrip('/')}/{inner}" for inner in _known_to_git(folder))
        else:
            yield path


def _walked(config: Config) -> Iterator[str]:
    for name in (*config.source, *config.tests):
        top = config.root / name
        for file in (top,) if top.is_file() else top.rglob("*"):
            if file.is_file():
                yield file.relative_to(config.root).as_posix()
    yield from (file.name for file in config.root.iterdir() if file.is_file())


def _digest(file: Path) -> str:
    try:
        if file.is_symlink():
            return hashlib.blake2b(os.fsencode(file.readlink()), digest_size=16).hexdigest()
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:  # deleted, not ours to read: the same next time unless it changes
        return _ABSENT
