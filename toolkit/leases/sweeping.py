"""Releasing what dead owners left behind, and nothing else."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from toolkit.errors import ToolkitError
from toolkit.leases.locks import try_lock
from toolkit.leases.owners import Verdict
from toolkit.leases.store import Lease, LeaseStore, read_lease

Release = Callable[[Lease], None]
"""Removes the thing of one lease; a thing that is already gone is a success. Raises when it cannot."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one lease, and why."""

    id: str
    kind: str
    name: str
    project: str
    why: str


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep released (or, in a dry run, would release), kept, and could not release."""

    released: tuple[Swept, ...] = ()
    kept: tuple[Swept, ...] = ()
    failed: tuple[Swept, ...] = ()
    dry_run: bool = False


def sweep(
    store: LeaseStore,
    releases: Mapping[str, Release],
    *,
    dry_run: bool = False,
    heartbeats: Mapping[str, float] | None = None,
) -> Sweep:
    """Release the leases of dead owners, newest first; one failure does not stop the others.

    Args:
        store: whose leases.
        releases: kind → how to remove such a thing. Leases of other kinds are kept.
        dry_run: only tell.
        heartbeats: kind → seconds; an owner that cannot be asked (another machine) is taken for dead when
            the lease has not been touched for so long. Kinds not named are kept for ever.
    """
    damaged: list[Path] = []
    released: list[Swept] = []
    kept: list[Swept] = []
    failed: list[Swept] = []
    for lease in store.leases(damaged):
        verdict = _with_heartbeat(store, lease, store.judge(lease.owner), heartbeats or {})
        if verdict.state != "dead":
            kept.append(_swept(lease, verdict.why))
        elif lease.kind not in releases:
            kept.append(_swept(lease, f"nobody here knows how to release a {lease.kind}"))
        elif dry_run:
            released.append(_swept(lease, verdict.why))
        else:
            problem = release(store, lease, releases[lease.kind])
            (failed if problem else released).append(_swept(lease, problem or verdict.why))
    if not dry_run:
        store.forget_dead_owners()
    kept.extend(_unreadable(path) for path in damaged)
    return Sweep(released=tuple(released), kept=tuple(kept), failed=tuple(failed), dry_run=dry_run)


def release(store: LeaseStore, lease: Lease, remove: Release) -> str:
    """Remove the thing of one lease, then the lease. Returns the problem; empty: gone.

    The file's lock is held meanwhile: of several sweeps one works and the others pass on.
    """
    path = store.path(lease.id)
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error)
    try:
        now = read_lease(path) if try_lock(descriptor) else None
        if now is None:
            return ""  # another sweep has it in hand
        remove(now)  # what was released just before may have changed it: undoing a fault starts a server
        store.forget(lease)
    except (ToolkitError, OSError) as error:
        return str(error)
    finally:
        os.close(descriptor)
    return ""


def _with_heartbeat(
    store: LeaseStore, lease: Lease, verdict: Verdict, heartbeats: Mapping[str, float]
) -> Verdict:
    limit = heartbeats.get(lease.kind)
    if verdict.state != "unknown" or limit is None:
        return verdict
    try:
        age = time.time() - store.path(lease.id).stat().st_mtime
    except OSError:
        return verdict
    if age <= limit:
        return verdict
    return Verdict("dead", f"{lease.owner.described()} gave no sign of life for {age:.0f} s")


def _swept(lease: Lease, why: str) -> Swept:
    return Swept(id=lease.id, kind=lease.kind, name=lease.name, project=lease.project, why=why)


def _unreadable(path: Path) -> Swept:
    why = f"{path} cannot be read; look at it and delete it by hand"
    return Swept(id=path.stem, kind="unknown", name=path.name, project="", why=why)
