"""What this process has used so far: CPU time and peak memory, read as cheaply as the platform allows."""

import contextlib
import os
import sys
import time

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of ``ru_maxrss``: getrusage(2) of each system."""


class Meter:
    """Reads CPU time and peak memory: two system calls before and two after, a microsecond each.

    On Linux the peak is set back at the beginning of each attempt by writing 5 to ``/proc/self/clear_refs``
    (proc(5)), so it is that attempt's own. Where that is not possible, it is the highest peak so far, which
    an earlier test may have caused; on Windows it is None.
    """

    def __init__(self) -> None:
        self._children = 0.0
        self._reset: int | None = None
        with contextlib.suppress(OSError):
            self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def start(self) -> float:
        """Set the peak back; return the CPU seconds used until now."""
        if self._reset is not None:
            try:
                os.write(self._reset, b"5")
            except OSError:  # a kernel or sandbox that forbids it
                self.close()
        return self._cpu()

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
            return time.process_time() + self._children, own.ru_maxrss * _UNIT

        def _cpu(self) -> float:
            """Return CPU seconds; of the children, those known at the last reading, to save a call."""
            return time.process_time() + self._children

    def close(self) -> None:
        """Give the descriptor back."""
        if self._reset is not None:
            os.close(self._reset)
            self._reset = None
