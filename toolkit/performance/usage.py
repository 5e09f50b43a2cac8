"""What a block of code used."""

import os

import msgspec

LEAST = 0.01
"""Seconds below which a share of the processor is noise: a tick of the kernel's clock is up to 10 ms."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a block used; the whole process counts, whichever thread did it. Seconds and bytes."""

    wall: float
    cpu: float
    """Of this process, all its threads."""
    children_cpu: float
    """Of child processes and theirs: those that were waited for, and those that still run."""
    peak_memory: int
    """Highest resident memory of this process within the block."""
    memory: int
    """Resident memory at the end more than at the beginning; may be negative."""
    children_memory: int = 0
    """Highest resident memory of all descendants together, as sampled."""
    traced: int | None = None
    """Highest memory that Python objects took more than at the beginning; None: not asked for."""
    read: int = 0
    """Bytes that were read, from caches too; of descendants once they were waited for. 0 where not known."""
    written: int = 0
    threads: int = 0
    """Most threads at a time more than at the beginning, as sampled."""
    processes: int = 0
    """Most descendants at a time, as sampled."""

    @property
    def all_cpu(self) -> float:
        """CPU seconds of the process and its descendants."""
        return self.cpu + self.children_cpu

    @property
    def share(self) -> float | None:
        """Cores kept busy; None: the block was too short to tell."""
        return None if self.wall < LEAST else self.all_cpu / self.wall

    def measures(self, name: str) -> dict[str, float]:
        """Name → value for the record of the test."""
        found = {
            "wall_s": self.wall,
            "cpu_s": self.all_cpu,
            "peak_memory_b": self.peak_memory,
            "memory_b": self.memory,
            "read_b": self.read,
            "written_b": self.written,
        }
        if self.traced is not None:
            found["traced_b"] = self.traced
        return {f"perf.{name}.{key}": float(value) for key, value in found.items()}


def load() -> str:
    """Say how busy the machine is, for the message of a time that was exceeded."""
    try:
        return f"{os.getloadavg()[0]:.1f} processes wanted one of {os.cpu_count()} cores in the last minute"
    except OSError:
        return ""
