"""Folders for the data of embedded servers: in memory where there is room, each named by its lease."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from toolkit.errors import EnvironmentFailed, OwnershipError
from toolkit.leases.owners import Owner
from toolkit.leases.store import APPLICATION, Lease, LeaseStore, read_lease, write_private

COPY = "lease.json"
"""Copy of the lease inside of its folder, should the lease file be lost."""

ROOM = 1 << 30
"""Bytes that must be free in memory-backed storage; a container's default of 64 MB is too little."""


def data_root(environ: Mapping[str, str], fallback: Path) -> Path:
    """Choose where data goes: ``TOOLKIT_DATA_HOME``, /dev/shm when it has room, else the fallback.

    Raises:
        EnvironmentFailed: the folder cannot be made, or it belongs to somebody else.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    if environ.get("TOOLKIT_DATA_HOME"):
        root = Path(environ["TOOLKIT_DATA_HOME"])
    elif sys.platform == "linux" and os.access(memory, os.W_OK) and _free(memory) >= ROOM:
        root = memory / f"toolkit-{os.getuid()}"
    else:
        root = fallback
    try:
        # Others may pass through, not look: a server that refuses to run as root has its folder in here.
        root.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise EnvironmentFailed(f"{root}: cannot be made: {error.strerror or error}") from error
    _refuse_foreign(root)
    return root.absolute()


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _refuse_foreign(root: Path) -> None:
    if root.is_symlink() or (sys.platform != "win32" and root.stat().st_uid != os.getuid()):
        raise OwnershipError(
            f"{root}: belongs to somebody else or is a link",
            hint="set TOOLKIT_DATA_HOME to a folder of your own",
        )


def cache_home(environ: Mapping[str, str]) -> Path:
    """Return the user's cache folder (XDG base directories); ``TOOLKIT_CACHE_HOME`` overrides it."""
    if environ.get("TOOLKIT_CACHE_HOME"):
        return Path(environ["TOOLKIT_CACHE_HOME"])
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / APPLICATION / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / APPLICATION
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / APPLICATION


def leased_folder(
    store: LeaseStore, owner: Owner, name: str, root: Path, *, project: str = "", environment: str = ""
) -> tuple[Path, Lease]:
    """Make an empty private folder whose name is the id of its lease, which is written before."""
    what = {"root": str(root), "environment": environment}
    lease = store.intend(owner, "folder", name, what=what, project=project)
    path = root / lease.id
    try:
        path.mkdir(mode=0o700)
        write_private(path / COPY, msgspec.json.encode(lease))
    except OSError as error:
        raise EnvironmentFailed(f"{path}: cannot be made: {error.strerror or error}") from error
    return path, lease


def lost_folders(root: Path, known: Collection[str]) -> Iterator[Lease]:
    """Yield the leases of folders whose lease file is gone, from the copy inside of each.

    Args:
        root: where folders of leases are made.
        known: ids of leases that have a file: they are judged by it.
    """
    for path in root.glob(f"*/{COPY}"):
        lease = read_lease(path)
        if lease is not None and lease.id == path.parent.name and lease.id not in known:
            yield msgspec.structs.replace(lease, what={**lease.what, "root": str(root)})


def remove_folder(lease: Lease) -> None:
    """Remove the folder of a lease: the one below its root that bears the lease's id, never a link.

    Raises:
        OwnershipError: the root is not ours any more.
    """
    root = Path(lease.what["root"])
    path = root / lease.id
    if not path.exists() or path.is_symlink():
        return
    _refuse_foreign(root)
    forget_shared_memory(path / "data" / "postmaster.pid")
    shutil.rmtree(path)


def forget_shared_memory(pid_file: Path) -> None:
    """Remove the System V segment of a PostgreSQL that was killed; a stopped one has removed it itself.

    The seventh line of ``postmaster.pid`` holds its key and id. It goes only if that very server made it and
    nobody is attached (``/proc/sysvipc/shm``, proc(5)).
    """
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
        table = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
        pid, segment = lines[0].strip(), lines[6].split()[1]
    except (OSError, IndexError):
        return
    for row in table:
        fields = row.split()  # key, shmid, perms, size, cpid, lpid, nattch …
        if fields[1] == segment and fields[4] == pid and fields[6] == "0" and shutil.which("ipcrm"):
            subprocess.run(["ipcrm", "--shmem-id", segment], check=False, capture_output=True, timeout=10)
