"""Lease files: one small JSON file per owner and per thing, readable after any crash.

The folder is the user's and machine-wide, not the project's: what a dead run left is found even when its
project was deleted. Files are written under a temporary name and moved into place.
"""

import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import msgspec

from toolkit.errors import EnvironmentFailed
from toolkit.leases.locks import try_lock
from toolkit.leases.owners import Owner, OwnerKind, Verdict, judge, new_owner

APPLICATION = "nox-invoke-toolkit"


class Lease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing, who owns it and what is needed to remove it.

    ``what`` is for whoever releases this ``kind``. It holds no secrets.
    """

    id: str
    kind: str
    """"process", "folder", "compose", "database" …: chooses the function that releases it."""
    name: str
    """What a person calls it."""
    owner: Owner
    what: dict[str, str] = {}
    project: str = ""
    """Absolute root of the project that asked for it."""
    made: float = 0.0


def state_home(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for state on this machine (XDG base directories; macOS and Windows alike).

    ``TOOLKIT_STATE_HOME`` overrides it.
    """
    if environ.get("TOOLKIT_STATE_HOME"):
        return Path(environ["TOOLKIT_STATE_HOME"])
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / APPLICATION
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / APPLICATION
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / APPLICATION


class LeaseStore:
    """The lease files of one user on one machine. Holds the locks of the owners that it made.

    Use as a context manager, or let the process end: the kernel drops the locks either way.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[str, int] = {}
        for part in ("owners", "leases"):
            _private_folder(folder / part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the owners made here: their locks are dropped, what they still own is left to a sweep."""
        owning = {lease.owner.id for lease in self.leases()} if self._locks else set()
        while self._locks:
            owner, descriptor = self._locks.popitem()
            if owner not in owning:
                (self.folder / "owners" / f"{owner}.json").unlink(missing_ok=True)
            os.close(descriptor)

    def owner(self, kind: OwnerKind = "process", *, pid: int | None = None, run: str = "") -> Owner:
        """Make an owner: this process, another one that is alive (``session``), or the user.

        Raises:
            EnvironmentFailed: the state folder cannot be written.
        """
        owner = new_owner(kind, pid=pid, run=run)
        if kind == "process":
            self._locks[owner.id] = self._publish(owner)
        return owner

    def _publish(self, owner: Owner) -> int:
        path = self._lock_path(owner)
        hidden = path.with_name(f".{path.name}")
        try:
            descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try_lock(descriptor)  # before it has its name, so nobody ever sees it without its lock
            os.write(descriptor, msgspec.json.encode(owner))
            hidden.rename(path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        return descriptor

    def intend(
        self, owner: Owner, kind: str, name: str, *, what: Mapping[str, str] | None = None, project: str = ""
    ) -> Lease:
        """Write down that a thing is about to be created. Create it only after this returned.

        Raises:
            EnvironmentFailed: the lease cannot be written; nothing may be created then.
        """
        lease = Lease(
            id=secrets.token_hex(8),
            kind=kind,
            name=name,
            owner=owner,
            what=dict(what or {}),
            project=project,
            made=time.time(),
        )
        return self._write(lease)

    def update(self, lease: Lease, *, owner: Owner | None = None, **what: str) -> Lease:
        """Add what became known about the thing, or hand it to another owner."""
        known = {**lease.what, **what}
        return self._write(msgspec.structs.replace(lease, what=known, owner=owner or lease.owner))

    def _write(self, lease: Lease) -> Lease:
        path = self.path(lease.id)
        try:
            write_private(path, msgspec.json.encode(lease))
        except OSError as error:
            raise _cannot_write(path, error) from error
        return lease

    def forget(self, lease: Lease) -> None:
        """Remove the lease of a thing that is gone."""
        self.path(lease.id).unlink(missing_ok=True)

    def touch(self, lease: Lease) -> None:
        """Give a sign of life, for kinds that are judged by its age."""
        self.path(lease.id).touch()

    def path(self, lease_id: str) -> Path:
        """Return the file of a lease."""
        return self.folder / "leases" / f"{lease_id}.json"

    def _lock_path(self, owner: Owner) -> Path:
        return self.folder / "owners" / f"{owner.id}.json"

    def leases(self, damaged: list[Path] | None = None) -> Iterator[Lease]:
        """Yield all leases, newest first. Unreadable files are added to ``damaged``, never removed."""
        found = []
        for path in (self.folder / "leases").glob("*.json"):
            lease = read_lease(path)
            if lease is not None:
                found.append(lease)
            elif path.exists() and damaged is not None:
                damaged.append(path)
        yield from sorted(found, key=lambda lease: (lease.made, lease.id), reverse=True)

    def judge(self, owner: Owner) -> Verdict:
        """Tell whether an owner lives, and how we know."""
        return judge(owner, self._lock_path(owner))

    def forget_dead_owners(self) -> None:
        """Remove the lock files of dead owners to whom nothing belongs any more."""
        owning = {lease.owner.id for lease in self.leases()}
        for path in (self.folder / "owners").glob("*.json"):
            try:
                owner = msgspec.json.decode(path.read_bytes(), type=Owner)
            except (OSError, msgspec.MsgspecError):
                continue
            if owner.id not in owning and self.judge(owner).state == "dead":
                path.unlink(missing_ok=True)


def open_leases(environ: Mapping[str, str] | None = None) -> LeaseStore:
    """Open the lease files of this user on this machine.

    Raises:
        EnvironmentFailed: the folder cannot be made or written.
    """
    return LeaseStore(state_home(os.environ if environ is None else environ))


def read_lease(path: Path) -> Lease | None:
    """Read one lease file; None: it is gone or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lease)
    except (OSError, msgspec.MsgspecError):
        return None


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file or none, readable by its owner alone from the first byte.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        hidden.touch(mode=0o600, exist_ok=False)
        hidden.write_bytes(data)
        hidden.replace(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def _private_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"{path}: the lease cannot be written: {error.strerror or error}; nothing was created",
        hint="free some space, or set TOOLKIT_STATE_HOME to a folder that can be written",
    )
