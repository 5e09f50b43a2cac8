"""Memory and CPU ceilings of embedded servers, as far as the platform lets us without a container."""

import contextlib
import math
import os
import sys

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_memory(text: str) -> int:
    """Turn ``512m`` into bytes; the text was validated by the configuration."""
    return int(text[:-1]) * UNITS[text[-1]]


def limit(pid: int, *, memory: str | None, cpus: float | None) -> None:
    """Put ceilings on a process and the children it will have (Linux; elsewhere nothing happens).

    Memory is the private data of each process (RLIMIT_DATA, getrlimit(2)), CPUs are whole cores
    (sched_setaffinity(2)). Containers have exact limits.
    """
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(ProcessLookupError):
        if memory is not None:
            size = parse_memory(memory)
            resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))
        if cpus is not None:
            mine = sorted(os.sched_getaffinity(pid))
            os.sched_setaffinity(pid, mine[: max(1, math.ceil(cpus))])
