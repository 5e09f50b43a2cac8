"""Finding the files of tests."""

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from toolkit.errors import UsageError

PATTERNS = ("test_*.py", "*_test.py", "tests.py", "conftest.py")
"""Names under which pytest and unittest find tests, and fixtures."""
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"})
"""Folders that are never looked into, beside hidden ones."""


def find_files(paths: Sequence[Path], root: Path, exclude: Sequence[str] = ()) -> list[Path]:
    """Return the files to check: those named, and those with the name of a test in folders that are named.

    Args:
        paths: files and folders.
        root: of the project; ``exclude`` is relative to it.
        exclude: globs; ``tests/data/*`` also covers what is deeper.

    Raises:
        UsageError: a path does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"{path}: there is no such file or folder", hint="name files or folders of tests"
            )
        candidates: Iterable[Path] = [path] if path.is_file() else _below(path)
        for file in candidates:
            if not excluded(shown(file, root), exclude):
                found[file.absolute()] = None
    return list(found)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name in SKIPPED))
        for name in sorted(names):
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in PATTERNS):
                yield Path(place, name)


def shown(path: Path, root: Path) -> str:
    """Return a path as reports name it: relative to the project, with ``/``; what is no text is escaped."""
    absolute = path.absolute()
    name = (absolute.relative_to(root) if absolute.is_relative_to(root) else absolute).as_posix()
    return name.encode("utf-8", "backslashreplace").decode()


def excluded(path: str, globs: Iterable[str]) -> bool:
    """Tell whether a path, or a folder above it, matches one of the globs."""
    return any(fnmatch.fnmatchcase(path, glob) or path.startswith(glob.rstrip("/*") + "/") for glob in globs)
