"""What this process has used so far: CPU time and peak memory, read as cheaply as the platform allows."""

import contextlib
import os
import sys
import time
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of ``ru_maxrss``: getrusage(2) of each system."""


class Meter:
    """Reads CPU time and peak memory: a system call before a test and two after, one more after a wait.

    On Linux the peak is set back at the beginning of each attempt by writing 5 to ``/proc/self/clear_refs``
    (proc(5)), so it is that attempt's own. Where that is not possible, it is the highest peak so far, which
    an earlier test may have caused; on Windows it is None.

    Linux counts into ``ru_maxrss`` the peak of the process that called execve(2) (a large parent, say), and
    that cannot be set back. A reading that is not above it says nothing, so then ``VmHWM`` is read instead.

    The peak belongs to the process: who sets it back within an attempt notes it for the others (``fold``).
    """

    def __init__(self) -> None:
        self._children = 0.0
        self._folded = 0  # bytes: peak before somebody else set it back
        self._reset: int | None = None
        with contextlib.suppress(OSError):
            self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY)
        self._floor = -1  # bytes
        if self._reset is not None:
            self.start()
            self._floor = self.read()[1] or -1

    def start(self, used: float | None = None) -> float:
        """Set the peak back; return the CPU seconds used until now.

        Args:
            used: what :meth:`read` has said a moment ago, to save a call.
        """
        self._folded = 0
        if self._reset is not None:
            try:
                os.write(self._reset, b"5")
            except OSError:  # a kernel or sandbox that forbids it
                self.close()
        return self._cpu() if used is None else used

    if resource is None:

        def read(self) -> tuple[float, int | None]:
            """Return CPU seconds of this process, and None for the peak."""
            return self._cpu(), None

        def _cpu(self) -> float:
            return time.process_time()

    else:

        def read(self) -> tuple[float, int | None]:
            """Return CPU seconds (with children that were waited for) and peak resident memory in bytes."""
            own = resource.getrusage(resource.RUSAGE_SELF)
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            self._children = children.ru_utime + children.ru_stime
            peak = own.ru_maxrss * _UNIT
            used = own.ru_utime + own.ru_stime + self._children
            return used, max(peak if peak > self._floor else _own_peak(peak), self._folded)

        def _cpu(self) -> float:
            """Return CPU seconds; of the children, those known at the last reading, to save a call."""
            return time.process_time() + self._children

    def fold(self, peak: int) -> None:
        """Take note of a peak of this attempt that is about to be set back by somebody else."""
        self._folded = max(self._folded, peak)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._reset is not None:
            os.close(self._reset)
            self._reset = None


def _own_peak(otherwise: int) -> int:
    """Return ``VmHWM`` in bytes: the peak of this program alone (proc_pid_status(5))."""
    try:
        status = Path("/proc/self/status").read_bytes()
        return int(status.partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    except (OSError, ValueError, IndexError):
        return otherwise
