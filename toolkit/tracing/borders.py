"""Which paths belong to the project: the border between what is watched and what is not."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping

OUTSIDE = frozenset(
    {
        ".eggs",
        ".git",
        ".hg",
        ".hypothesis",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".toolkit",
        ".tox",
        "__pycache__",
        "dist-packages",
        "node_modules",
        "site-packages",
    },
)
"""Names of folders that are never the project's own code or data, wherever they are."""


class Borders:
    """Tells which files are the project's; answers are remembered.

    Args:
        root: absolute folder of the project.
        outside: more absolute folders under ``root`` that are not the project's, such as its virtual
            environment; the running interpreter's own folders are always among them.
        copies: folders and files outside → those of the project that they were copied from, relative to it.
    """

    def __init__(
        self, root: str, outside: Iterable[str] = (), copies: Mapping[str, str] | None = None
    ) -> None:
        self.root = os.path.realpath(root)
        self._given = os.path.abspath(root)
        self._outside = tuple(
            folder.rstrip(os.sep) + os.sep
            for folder in {*outside, *_interpreter_folders()}
            if folder and not (self.root + os.sep).startswith(folder.rstrip(os.sep) + os.sep)
        )
        library = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
        self._library: tuple[str, ...] = () if (self.root + os.sep).startswith(library) else (library,)
        self._copies = dict(copies or {})
        self._known: dict[str, str | None] = {}

    def relative(self, path: str) -> str | None:
        """Return the path relative to the root with ``/``, or None when it is not the project's."""
        answer = self._known.get(path, "")
        if answer == "":  # not asked yet
            if path.startswith("<"):  # made at run time; the names may be many
                return None
            answer = self._relative(path, os.path.realpath)
            if os.path.isabs(path):  # a relative one depends on the working folder
                self._known[path] = answer
        return answer

    def learn(self, paths: Iterable[str]) -> None:
        """Find out about many paths while nobody turns folders into links: each folder is looked at once."""
        folders: dict[str, str] = {}
        for path in paths:
            if path not in self._known and os.path.isabs(path):
                self._known[path] = self._relative(path, lambda file: _real(file, folders))

    def _relative(self, path: str, real: Callable[[str], str]) -> str | None:
        if not path:
            return None
        absolute = os.path.normpath(os.path.join(os.getcwd(), path))
        if self._copies:
            original = self.original(absolute)
            if original is not None and os.path.exists(os.path.join(self.root, original)):
                return original
        if absolute.startswith(self._library) and "-packages" not in absolute:  # nobody puts links there
            return None
        inside = self._inside(absolute, self._given) or self._inside(real(absolute), self.root)
        if inside is None or any(part in OUTSIDE for part in inside.split("/")):
            return None
        return inside

    def original(self, path: str) -> str | None:
        """Return where a file in an installed copy of the project would come from; None for all others."""
        real = os.path.realpath(path) if self._copies else path
        for copy, original in self._copies.items():
            if real == copy or real.startswith(copy + os.sep):
                return (original + real[len(copy) :]).replace(os.sep, "/")
        return None

    def _inside(self, path: str, root: str) -> str | None:
        if path == root:
            return "."
        prefix = root.rstrip(os.sep) + os.sep
        if not path.startswith(prefix) or path.startswith(self._outside):
            return None
        return path[len(prefix) :].replace(os.sep, "/")


def _real(path: str, folders: dict[str, str]) -> str:
    """Return where a normalised absolute path leads; remembers where folders lead."""
    if sys.platform == "win32":  # there, the name itself may be a short form of another one
        return os.path.realpath(path)
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    found = os.path.join(folders[folder], name)
    return os.path.realpath(found) if os.path.islink(found) else found


def _interpreter_folders() -> set[str]:
    return {
        form(folder)
        for folder in (sys.prefix, sys.base_prefix, sys.exec_prefix)
        for form in (os.path.abspath, os.path.realpath)
    }
