"""Advisory file locks that the kernel drops when their holder dies, however it dies."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":  # pragma: no cover - the other branch is tested
    import msvcrt

    def try_lock(descriptor: int, *, shared: bool = False) -> bool:  # noqa: ARG001 - one signature
        """Lock an open file without waiting; Windows knows no shared locks here."""
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # a byte that holds no data, so readers are not refused
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(descriptor: int, *, shared: bool = False) -> bool:
        """Lock an open file without waiting; tell whether that was possible (flock(2))."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def is_locked(path: Path) -> bool | None:
    """Tell whether somebody holds the lock of a file; None: there is no such file.

    Asks with a shared lock, so that two askers do not take each other for the holder.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except OSError:
        return True  # not ours to judge: the safe answer
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
