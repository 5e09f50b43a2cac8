"""What this process and its descendants use at this moment.

Linux: from /proc, where one look costs some hundred microseconds; elsewhere through psutil.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.errors import MissingExtra
from toolkit.services.faults.throttle import family

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Descendants(NamedTuple):
    """All child processes and theirs."""

    memory: int
    """Resident bytes of all together; pages that they share count for each."""
    cpu: dict[int, float]
    """Process → CPU seconds so far."""


def descendants() -> Descendants:
    """Look at all child processes and theirs."""
    if sys.platform != "linux":
        return _by_psutil()
    cpu: dict[int, float] = {}
    memory = 0
    for pid in family(os.getpid())[1:]:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has just ended
            continue
        cpu[pid] = (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime: proc_pid_stat(5)
        memory += int(fields[21]) * PAGE
    return Descendants(memory, cpu)


def resident() -> int:
    """Return the resident bytes of this process."""
    if sys.platform != "linux":
        return int(_psutil().Process().memory_info().rss)
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * PAGE


def peak() -> int:
    """Return the highest resident bytes since they were set back (VmHWM, Linux), elsewhere those now."""
    try:
        status = Path("/proc/self/status").read_bytes()
        return int(status.partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    except (OSError, IndexError):
        return resident()


def forget_peak() -> None:
    """Set the peak back to what is resident now (proc(5), clear_refs); elsewhere nothing happens."""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:  # noqa: PTH123 - without a buffer
            file.write(b"5")
    except OSError:
        return


def io() -> tuple[int, int]:
    """Return bytes read and written so far by system calls, of waited-for children too (proc_pid_io(5))."""
    try:
        fields = Path("/proc/self/io").read_bytes().split()
        return int(fields[1]), int(fields[3])
    except (OSError, IndexError):
        return 0, 0


def threads() -> int:
    """Return how many threads run Python code."""
    return threading.active_count()


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise MissingExtra("performance_tracker", extra="performance", package="psutil") from error
    return psutil


def _by_psutil() -> Descendants:
    library = _psutil()
    cpu: dict[int, float] = {}
    memory = 0
    for child in library.Process().children(recursive=True):
        try:
            times = child.cpu_times()
            memory += child.memory_info().rss
        except library.Error:
            continue
        cpu[child.pid] = times.user + times.system
    return Descendants(memory, cpu)
