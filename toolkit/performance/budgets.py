"""What a block may cost."""

import re

import msgspec

from toolkit.errors import UsageError
from toolkit.performance.usage import Usage, load

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def in_bytes(size: int | str) -> int:
    """Turn ``"20m"`` or a number into bytes.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(size, int):
        return size
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?", size.strip().lower())
    if found is None:
        raise UsageError(f'{size!r}: expected bytes, such as 20_000_000 or "20m"')
    return int(float(found[1]) * UNITS[found[2]])


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Upper limits; None: any amount. Times in seconds, sizes in bytes."""

    wall: float | None = None
    cpu: float | None = None
    """Of the process and its descendants: independent of what else the machine does."""
    memory: int | None = None
    """Growth of resident memory at its highest over that of the beginning."""
    traced: int | None = None
    """Growth of Python's objects at its highest."""
    read: int | None = None
    written: int | None = None
    threads: int | None = None
    processes: int | None = None

    def exceeded(self, usage: Usage, *, start_memory: int) -> list[str]:
        """Return a line for each limit that was passed.

        Args:
            usage: what the block used.
            start_memory: resident bytes at the beginning.
        """
        found = {
            "wall": usage.wall,
            "cpu": usage.all_cpu,
            "memory": usage.peak_memory - start_memory,
            "traced": usage.traced or 0,
            "read": usage.read,
            "written": usage.written,
            "threads": usage.threads,
            "processes": usage.processes,
        }
        lines = []
        for name, value in found.items():
            limit = getattr(self, name)
            if limit is not None and value > limit:
                times = f", {value / limit:.1f} times" if limit else ""
                remark = f"; CPU {usage.all_cpu:.3f} s, {load()}" if name == "wall" else ""
                lines.append(f"{name}: {_shown(name, value)} of {_shown(name, limit)}{times}{remark}")
        return lines


def _shown(name: str, value: float) -> str:
    if name in {"wall", "cpu"}:
        return f"{value:.3f} s"
    if name in {"threads", "processes"}:
        return f"{value:.0f}"
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value:.0f} B"  # noqa: PLR2004 - from here on in MB


def as_budget(
    *,
    wall: float | None = None,
    cpu: float | None = None,
    memory: int | str | None = None,
    traced: int | str | None = None,
    read: int | str | None = None,
    written: int | str | None = None,
    threads: int | None = None,
    processes: int | None = None,
) -> Budget:
    """Make a budget; sizes may be written as ``"20m"``."""
    sizes = {"memory": memory, "traced": traced, "read": read, "written": written}
    return Budget(
        wall=wall,
        cpu=cpu,
        threads=threads,
        processes=processes,
        **{name: None if size is None else in_bytes(size) for name, size in sizes.items()},
    )
