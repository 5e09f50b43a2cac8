"""The files of a project, as they are on disk or as they were at a commit."""

import io
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from toolkit.tracing.borders import OUTSIDE


class Tree(Protocol):
    """Files by path relative to the project root, with ``/``."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None when there is none."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        ...

    def names(self, folder: str) -> list[str] | None:
        """Return the names in a folder; None when there is none."""
        ...

    def files(self) -> list[str]:
        """Return all files of the project: those git knows or would add, else all outside of caches."""
        ...


class DiskTree:
    """What is on disk.

    Args:
        root: absolute folder of the project.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._start = os.fspath(root)
        self._files: list[str] | None = None

    def read(self, path: str) -> bytes | None:
        """See :class:`Tree`."""
        try:
            with io.FileIO(f"{self._start}/{path}") as stream:
                return stream.readall()
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """See :class:`Tree`."""
        return (self.root / path).exists()

    def names(self, folder: str) -> list[str] | None:
        """See :class:`Tree`."""
        try:
            return [item.name for item in (self.root / folder).iterdir()]
        except OSError:
            return None

    def files(self) -> list[str]:
        """See :class:`Tree`."""
        if self._files is None:
            self._files = sorted(_git_files(self.root) or _walk(self.root))
        return self._files


class PastTree:
    """What was there at a commit: what is on disk, but for the files that changed since.

    Args:
        disk: what is there now.
        old: path of each file that changed → its content then; None: it did not exist.
    """

    def __init__(self, disk: Tree, old: Mapping[str, bytes | None]) -> None:
        self._disk = disk
        self._old = old

    def read(self, path: str) -> bytes | None:
        """See :class:`Tree`."""
        return self._old[path] if path in self._old else self._disk.read(path)

    def exists(self, path: str) -> bool:
        """See :class:`Tree`."""
        return self._old[path] is not None if path in self._old else self._disk.exists(path)

    def names(self, folder: str) -> list[str] | None:
        """See :class:`Tree`."""
        names = set(self._disk.names(folder) or ())
        inside = {path: old for path, old in self._old.items() if _parent(path) == folder}
        names -= {PurePosixPath(path).name for path, old in inside.items() if old is None}
        names |= {PurePosixPath(path).name for path, old in inside.items() if old is not None}
        return sorted(names) or None

    def files(self) -> list[str]:
        """See :class:`Tree`."""
        then = {path for path, old in self._old.items() if old is not None}
        return sorted((set(self._disk.files()) - set(self._old)) | then)


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()


def _git_files(root: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [name for name in dict.fromkeys(names) if name and not OUTSIDE.intersection(name.split("/"))]


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name for name in folders if name not in OUTSIDE and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        yield from (prefix + name for name in names if not name.endswith(".pyc") and _is_file(folder, name))


def _is_file(folder: str, name: str) -> bool:
    """Whether it can be read to its end, which a pipe cannot; what has a suffix is taken for a file."""
    return "." in name or Path(folder, name).is_file()
