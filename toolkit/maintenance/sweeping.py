"""Removing old files below a folder: nothing through links, on other file systems, or in use.

Names are never looked up twice. Each folder is opened relative to the one above it, as a folder and not as a
link (openat(2) with O_NOFOLLOW and O_DIRECTORY), and what is removed is named relative to the open folder. So
nobody can turn a path aside while it is walked, and names may hold anything, line breaks too.
"""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from toolkit.errors import RuntimeUnavailable

Identity = tuple[int, int]
"""Device and number of a file."""

POSSIBLE = (
    os.unlink in os.supports_dir_fd
    and os.rmdir in os.supports_dir_fd
    and os.open in os.supports_dir_fd
    and os.stat in os.supports_dir_fd
    and os.listdir in os.supports_fd
    and hasattr(os, "O_NOFOLLOW")
)
"""Whether this system can name files relative to open folders."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A file, link or folder that is gone, or would be. Bytes that are no text are escaped in the path."""

    path: str
    size: int = 0
    """Bytes; of a link or a folder 0."""


class Spared(msgspec.Struct, frozen=True, kw_only=True):
    """What is old and stays all the same, and why."""

    path: str
    why: str


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep did, or would do."""

    removed: tuple[Removed, ...] = ()
    spared: tuple[Spared, ...] = ()

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(removed=self.removed + other.removed, spared=self.spared + other.spared)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep may remove."""

    before: float
    """Unix seconds: only what was last changed before."""
    in_use: frozenset[Identity] = frozenset()
    """Files and folders that some process has open."""
    tracked: frozenset[str] = frozenset()
    """What version control has, relative to the project's root, with ``/``: it is no garbage, however old."""
    dry_run: bool = False


def sweep_folder(
    root: Path, parts: Collection[str], limits: Limits, *, names: Collection[str] | None = None
) -> Swept:
    """Remove the old files and links below a folder of the project, and the old folders that are empty then.

    The folder itself stays.

    Args:
        root: of the project.
        parts: the way from there to the folder, name by name; none of them may be a link or ``..``.
        limits: what may go.
        names: only these entries of the folder; None: all.

    Raises:
        RuntimeUnavailable: this system cannot do it safely (Windows).
    """
    _require_possible()
    opened: list[int] = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in parts:
            if part in {"", ".", ".."} or "/" in part:
                return Swept(spared=(Spared(path=_shown(*parts), why=f"{part!r} is no name of a folder"),))
            opened.append(_open_folder(part, opened[-1]))
        sweep = _Sweep(_mount_of(opened[0]), os.fstat(opened[0]).st_dev, limits)
        if sweep.is_elsewhere(opened[-1]):
            return Swept(spared=(Spared(path=_shown(*parts), why="another file system is mounted there"),))
        sweep.inside(opened[-1], tuple(parts), names)
        return Swept(removed=tuple(sweep.removed), spared=tuple(sweep.spared))
    except FileNotFoundError:
        return Swept()
    except OSError as error:  # ELOOP, ENOTDIR: a link, or no folder
        why = f"it is a link or cannot be opened: {error.strerror}"
        return Swept(spared=(Spared(path=_shown(*parts), why=why),))
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)


def _require_possible() -> None:
    if not POSSIBLE:
        raise RuntimeUnavailable(
            "old files cannot be removed safely here: folders cannot be opened relative to each other",
            hint="remove them by hand",
        )


def _open_folder(name: str, above: int) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=above)


def _mount_of(descriptor: int) -> str:
    """Return the number of the mount that an open folder is on, where the kernel tells (Linux).

    A folder that is mounted over another one of the same file system is on the same device.
    """
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("mnt_id:")), "")


def _shown(*parts: str) -> str:
    return "/".join(parts).encode("utf-8", "backslashreplace").decode()


class _Sweep:
    """A walk from one open folder down."""

    def __init__(self, mount: str, device: int, limits: Limits) -> None:
        self.mount = mount
        self.device = device
        self.limits = limits
        self.removed: list[Removed] = []
        self.spared: list[Spared] = []

    def is_elsewhere(self, folder: int) -> bool:
        return os.fstat(folder).st_dev != self.device or _mount_of(folder) != self.mount

    def inside(self, folder: int, way: tuple[str, ...], names: Collection[str] | None = None) -> int:
        """Sweep an open folder; return how many entries stay."""
        stay = 0
        for name in sorted(os.listdir(folder)):
            if names is not None and name not in names:
                continue
            try:
                stay += not self.entry(name, folder, (*way, name))
            except FileNotFoundError:
                continue  # somebody else removed it
            except OSError as error:
                stay += 1
                self.spare((*way, name), error.strerror or str(error))
        return stay

    def entry(self, name: str, folder: int, way: tuple[str, ...]) -> bool:
        """Sweep one entry; return whether it is gone (in a dry run: would be)."""
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        tracked = "/".join(way) in self.limits.tracked  # a folder: a submodule
        if stat.S_ISDIR(found.st_mode) and not tracked:
            return self.folder(name, folder, way, found)
        if found.st_mtime >= self.limits.before:
            return False
        if tracked:
            return self.spare(way, "version control has it")
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            return self.spare(way, "no file, folder or link")
        if (found.st_dev, found.st_ino) in self.limits.in_use:
            return self.spare(way, "in use")
        if not self.limits.dry_run:
            os.unlink(name, dir_fd=folder)
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        self.removed.append(Removed(path=_shown(*way), size=size))
        return True

    def folder(self, name: str, above: int, way: tuple[str, ...], found: os.stat_result) -> bool:
        """Sweep what is in a folder, then the folder itself when it is empty, old and not in use."""
        if len(way) > _DEPTH:
            return self.spare(way, f"deeper than {_DEPTH} folders")
        descriptor = _open_folder(name, above)
        try:
            if self.is_elsewhere(descriptor):
                return self.spare(way, "another file system is mounted there")
            opened = os.fstat(descriptor)
            if (opened.st_dev, opened.st_ino) != (found.st_dev, found.st_ino):
                return self.spare(way, "it was replaced meanwhile")
            if self.inside(descriptor, way) or found.st_mtime >= self.limits.before:
                return False
        finally:
            os.close(descriptor)
        if (found.st_dev, found.st_ino) in self.limits.in_use:
            return self.spare(way, "in use")
        if not self.limits.dry_run:
            os.rmdir(name, dir_fd=above)
        self.removed.append(Removed(path=_shown(*way) + "/"))
        return True

    def spare(self, way: tuple[str, ...], why: str) -> bool:
        self.spared.append(Spared(path=_shown(*way), why=why))
        return False


def files_in_use() -> frozenset[Identity]:
    """Return what processes have open, work in, or run from, as far as one may see (Linux)."""
    found: set[Identity] = set()
    for process in Path("/proc").glob("[0-9]*"):
        for link in _links_of(process):
            try:
                state = os.stat(link)
            except OSError:  # gone, or not ours to see
                continue
            found.add((state.st_dev, state.st_ino))
    return frozenset(found)


def _links_of(process: Path) -> Iterator[Path]:
    yield from (process / name for name in ("cwd", "exe", "root"))
    try:
        yield from (process / "fd").iterdir()
    except OSError:
        return


_DEPTH = 200
"""Folders in folders; each needs an open descriptor, of which a process has about a thousand."""


def newest_change(root: Path, parts: Collection[str]) -> float | None:
    """Return when something in a folder was last changed; None: it is no folder, or a link is on the way.

    Raises:
        RuntimeUnavailable: see :func:`sweep_folder`.
    """
    _require_possible()
    times: list[float] = []
    opened: list[int] = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        opened.extend(_open_folder(part, opened[-1]) for part in parts)
        _times(opened[-1], times)
    except (OSError, RecursionError):
        return None
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)
    return max(times)


def _times(folder: int, times: list[float]) -> None:
    times.append(os.fstat(folder).st_mtime)
    for name in os.listdir(folder):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        times.append(found.st_mtime)
        if stat.S_ISDIR(found.st_mode):
            inner = _open_folder(name, folder)
            try:
                _times(inner, times)
            finally:
                os.close(inner)
