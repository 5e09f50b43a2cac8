"""Packages of the project that are imported from a copy, as ``pip install .`` makes one.

Their files lie outside of the project, but it is the project's code that runs there: it counts as the file
that it was copied from. Whether both are the same is seen from the hash of what was really executed.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder

from toolkit.tracing.borders import OUTSIDE

SOURCE_FOLDERS = ("", "src", "lib", "python")
"""Folders of a project in which its top-level packages usually are."""

INSTALLED = ("site-packages", "dist-packages")
"""Names of folders that packages are installed into."""


def installed_copies(root: str) -> dict[str, str]:
    """Find the packages and modules of a project that Python would import from an installed copy.

    Args:
        root: absolute folder of the project.

    Returns:
        Absolute folder (or file) of the copy → its original, relative to the root, with ``/``.
    """
    found: dict[str, str] = {}
    for name, original in _top_levels(root):
        for copy in _places(name):
            if _is_installed(copy) and _has_python(os.path.join(root, original)):
                found.setdefault(os.path.realpath(copy), original)
    return found


def _top_levels(root: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of what may be a top-level package or module of the project."""
    for base in SOURCE_FOLDERS:
        try:
            entries = sorted(os.listdir(os.path.join(root, base)))
        except OSError:
            continue
        for entry in entries:
            name = entry.removesuffix(".py")
            if name.isidentifier() and name not in OUTSIDE:
                yield name, f"{base}/{entry}" if base else entry


def _has_python(path: str) -> bool:
    """Whether it is a Python file, or a folder with some, perhaps in a folder of its own."""
    if path.endswith(".py"):
        return True
    for folder, folders, names in os.walk(path):
        if any(name.endswith(".py") for name in names):
            return True
        if os.path.dirname(folder) == path:
            folders.clear()
    return False


def _places(name: str) -> list[str]:
    """Return the folders or the file that a top-level name is imported from."""
    if name in sys.stdlib_module_names:
        return []
    try:
        spec = PathFinder.find_spec(name)
    except (ImportError, ValueError, OSError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return list(spec.submodule_search_locations)
    return [spec.origin] if spec.origin else []


def _is_installed(path: str) -> bool:
    return any(part in INSTALLED for part in path.split(os.sep))
