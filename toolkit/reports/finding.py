"""Paths on a command line → report files, each once."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from toolkit.reports.summary import Unread

OTHER_KINDS = frozenset(
    {
        "coverage",
        "report",
        "checkstyle",
        "pmd",
        "BugCollection",
        "issues",
        "project",
        "testng-results",
        "robot",
    }
)
"""Root elements of other XML that lies beside JUnit files: left out of folders, refused as a file."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where to read, and what cannot be read."""

    files: tuple[Path, ...]
    from_folders: frozenset[Path]
    bad: tuple[Unread, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(_size(path) for path in self.files)


def find_reports(paths: Iterable[Path]) -> Found:
    """Look for files: a file is taken as it is, a folder gives all its ``*.xml``, at any depth.

    Links to folders are not followed, and a file reached by two ways is taken once.
    """
    files: dict[str, Path] = {}
    from_folders: set[Path] = set()
    bad: list[Unread] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in _walk(path) if os.path.realpath(file) not in files]
            if not inside and not any(_walk(path)):
                bad.append(Unread(path=str(path), reason="no *.xml in this folder"))
            from_folders.update(inside)
        elif path.exists():
            inside = [path]
        else:
            inside = []
            bad.append(Unread(path=str(path), reason="does not exist"))
        for file in inside:
            files.setdefault(os.path.realpath(file), file)
    return Found(files=tuple(files.values()), from_folders=frozenset(from_folders), bad=tuple(bad))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            if name.lower().endswith(".xml") and path.is_file():
                yield path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
