"""What the processes of one run share: made by whoever asks first, removed by whoever lets go last.

Each resource has a file with its value and its holders, changed only under a lock that the kernel drops with
its holder. A holder that was killed is not counted; what a run left behind whose processes are all dead is
removed by the next one that asks for a resource of the same name.
"""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases.locks import try_lock
from toolkit.leases.owners import Owner, judge
from toolkit.leases.store import write_private

Make = Callable[[], Any]
Remove = Callable[[Any], object]
PAUSE = 0.05
"""Seconds between two looks at what other processes do."""
PATIENCE = 600.0
"""Seconds to wait while another process makes or removes the same resource."""
ATTEMPTS = 100
"""So many times a folder is made again that others remove in the moment in which it is needed."""
PRESENT = "present"
NO_LOCK = Path(os.devnull, "none")
"""These owners keep no lock: one in another container of the machine cannot be judged and counts as alive."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """One resource: its value as JSON, and who holds it."""

    name: str
    value: msgspec.Raw
    holders: tuple[Owner, ...]


class Shares:
    """What this process shares with the others of its run.

    Args:
        folder: of all runs of the project.
        run: what the processes of one run have in common.
        owner: this process.
    """

    def __init__(self, folder: Path, run: str, owner: Owner) -> None:
        self._runs = folder
        self._folder = folder / _file_name(run)
        self._owner = owner
        self._held: dict[str, Remove] = {}

    def arrive(self) -> None:
        """Say that this process may ask for something later: the last holder waits for it."""
        self._forget_the_dead()
        with contextlib.suppress(OSError):  # a folder that cannot be written: then nobody waits for us
            for _ in range(ATTEMPTS):
                (self._folder / PRESENT).mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):  # somebody has just removed the empty folder
                    write_private(self._folder / PRESENT / self._owner.id, msgspec.json.encode(self._owner))
                    return

    def leave(self) -> None:
        """Say that this process will ask for nothing more."""
        (self._folder / PRESENT / self._owner.id).unlink(missing_ok=True)
        self._remove_if_empty()

    def hold(self, name: str, make: Make, remove: Remove) -> Any:
        """Return the value of a resource; make it if no living process of the run did.

        Args:
            name: the same in all processes that share it.
            make: makes it and returns what JSON can carry; called by one process at a time.
            remove: takes the value, in whichever process is the last.

        Raises:
            UsageError: the value cannot be written as JSON; it was removed at once.
            EnvironmentFailed: another process keeps it locked for too long, or the folder cannot be written.
        """
        if name not in self._held:
            self._remove_leftovers(name, remove)
        with _locked(self._folder, name) as file:
            shared = _read(file)
            living = () if shared is None else _alive(shared.holders)
            if shared is not None and not living:
                remove(msgspec.json.decode(shared.value))  # they were killed while they used it
                file.unlink()
                shared = None
            value = _made(name, make, remove) if shared is None else shared.value
            holders = (*(each for each in living if each.id != self._owner.id), self._owner)
            write_private(file, msgspec.json.encode(Shared(name=name, value=value, holders=holders)))
        self._held[name] = remove
        return msgspec.json.decode(value)

    def release(self, *, wait: bool = False) -> None:
        """Let go of everything in reverse order; what nobody else holds is removed.

        Args:
            wait: hold on until no other process is present that might still ask.

        Raises:
            ExceptionGroup: what the removals raised; all were tried.
        """
        problems: list[Exception] = []
        while wait and self._held and _alive(_owners_in(self._folder / PRESENT)):
            time.sleep(PAUSE)
        for name, remove in reversed(self._held.items()):
            try:
                self._let_go(name, remove)
            except Exception as error:  # noqa: BLE001 - the others are removed first
                problems.append(error)
        self._held.clear()
        self._remove_if_empty()
        if problems:
            raise ExceptionGroup("shared resources could not be removed", problems)

    def _let_go(self, name: str, remove: Remove) -> None:
        with _locked(self._folder, name) as file:
            shared = _read(file)
            if shared is None:
                return
            others = tuple(each for each in _alive(shared.holders) if each.id != self._owner.id)
            if others:
                write_private(file, msgspec.json.encode(msgspec.structs.replace(shared, holders=others)))
                return
            try:
                remove(msgspec.json.decode(shared.value))
            finally:  # only now: who makes it anew must not do so before it is gone
                file.unlink()
                with contextlib.suppress(OSError):  # Windows keeps a file that is open
                    _lock_of(file).unlink()

    def _remove_leftovers(self, name: str, remove: Remove) -> None:
        """Remove what dead runs left under this name."""
        for folder in self._other_runs():
            if not (folder / f"{_file_name(name)}.json").exists():
                continue
            with _locked(folder, name) as file:
                shared = _read(file)
                if shared is not None and not _alive(shared.holders):
                    file.unlink()  # first: what cannot be removed is tried once, not before every run
                    remove(msgspec.json.decode(shared.value))
            self._forget_the_dead()

    def _forget_the_dead(self) -> None:
        for folder in self._other_runs():
            if not any(folder.glob("*.json")) and not _alive(_owners_in(folder / PRESENT)):
                _remove_unused(folder)

    def _other_runs(self) -> list[Path]:
        if not self._runs.is_dir():
            return []
        return [each for each in self._runs.iterdir() if each != self._folder and each.is_dir()]

    def _remove_if_empty(self) -> None:
        _remove_the_absent(self._folder / PRESENT)
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def _made(name: str, make: Make, remove: Remove) -> msgspec.Raw:
    value = make()
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError) as error:
        remove(value)
        raise UsageError(
            f"shared resource {name!r}: its value goes to other processes as JSON, and cannot: {error}",
            hint="return text, numbers, lists and dictionaries: an address, not a connection",
        ) from error


def _alive(owners: tuple[Owner, ...]) -> tuple[Owner, ...]:
    """Return those whose death is not proven."""
    return tuple(each for each in owners if judge(each, NO_LOCK).state != "dead")


def _owners_in(folder: Path) -> tuple[Owner, ...]:
    return tuple(owner for file in folder.glob("[!.]*") for owner in _owner_in(file))


def _owner_in(file: Path) -> tuple[Owner, ...]:
    try:
        return (msgspec.json.decode(file.read_bytes(), type=Owner),)
    except (OSError, msgspec.MsgspecError):
        return ()


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a run, unless somebody comes into it or holds a lock in it."""
    _remove_the_absent(folder / PRESENT)
    with contextlib.suppress(OSError):
        for file in folder.glob("*.lock"):
            _unlink_if_free(file)
        folder.rmdir()


def _remove_the_absent(folder: Path) -> None:
    """Remove what dead processes said of their presence, and the folder when nobody else said so."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if not _alive(_owner_in(file)):
                file.unlink(missing_ok=True)
        folder.rmdir()


def _unlink_if_free(file: Path) -> None:
    """Remove a lock that nobody holds, while we hold it: whoever waits for it sees that it is another one."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        if try_lock(descriptor) and _is_still(descriptor, file):
            file.unlink()
    finally:
        os.close(descriptor)


def _read(file: Path) -> Shared | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Shared)
    except FileNotFoundError:
        return None


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[Path]:
    """Hold the lock of a resource and yield the file that describes it."""
    file = folder / f"{_file_name(name)}.json"
    descriptor = _lock(file, name)
    try:
        yield file
    finally:
        os.close(descriptor)


def _lock(file: Path, name: str) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(_lock_of(file), os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # the last one has just removed the folder
            continue
        except OSError as error:
            raise EnvironmentFailed(f"{file.parent}: cannot be written: {error.strerror or error}") from error
        if try_lock(descriptor) and _is_still(descriptor, _lock_of(file)):
            return descriptor
        os.close(descriptor)
        time.sleep(PAUSE)
    raise EnvironmentFailed(
        f"shared resource {name!r}: another process has been making or removing it for {PATIENCE:.0f} s",
        hint=f"look at what it does; {_lock_of(file)} is locked",
    )


def _lock_of(file: Path) -> Path:
    return file.with_suffix(".lock")


def _is_still(descriptor: int, path: Path) -> bool:
    """Tell whether a locked file still has its name: the last one removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _file_name(name: str) -> str:
    digest = hashlib.blake2s(name.encode(), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name)[:40]}-{digest}"
