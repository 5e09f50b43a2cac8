"""In which order: smart, fast-first, longest-first, declared, random.

Every order keeps jobs with a shared set-up (module and class fixtures, groups) together, because pulling
them apart runs the set-up again; ``declared`` changes nothing at all.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import get_args

from toolkit.config.profiles import Order
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.pool import HOT_RISK

ORDERS: tuple[str, ...] = get_args(Order)


def parse_order(text: str) -> tuple[str, int | None]:
    """Split ``random:42`` into name and seed.

    Raises:
        UsageError: there is no such order, or the seed is no number.
    """
    name, colon, seed = text.partition(":")
    if name not in ORDERS:
        raise UsageError(unknown("order", name, ORDERS))
    if not colon:
        return name, None
    if name != "random" or not seed.isdecimal():
        raise UsageError(f"order {text!r}: only random takes a seed, a whole number: random:42")
    return name, int(seed)


def overtakes(name: str) -> bool:
    """Tell whether long tests may leave an order so that they do not become the tail on several workers."""
    return name in {"smart", "longest-first"}


def arrange(jobs: Sequence[Job], name: str, *, seed: int = 0) -> list[Job]:
    """Put jobs into an order.

    Args:
        jobs: as collected.
        name: one of :data:`ORDERS`.
            ``smart``: likely to fail and new first, then file by file, quick files first.
            ``fast-first`` and ``longest-first``: by time. ``declared``: as collected.
            ``random``: files, classes and tests shuffled, each within the one that it belongs to.
        seed: of the random order; the same seed gives the same order on every machine, and tests keep their
            relative order when others are left out.
    """
    if name == "declared":
        return list(jobs)
    if name == "random":
        return sorted(jobs, key=lambda job: _shuffled(job, seed))
    blocks = _smart(_blocks(jobs)) if name == "smart" else sorted(_blocks(jobs), key=_BY_NAME[name])
    return [job for block in blocks for job in block]


def _blocks(jobs: Sequence[Job]) -> list[list[Job]]:
    """Split into neighbours with one set-up, jobs of one group, and single jobs."""
    blocks: list[list[Job]] = []
    groups: dict[str, list[Job]] = {}
    previous = ""
    for job in jobs:
        if job.group and job.group in groups:
            groups[job.group].append(job)
        elif not job.group and job.affinity and job.affinity == previous:
            blocks[-1].append(job)
        else:
            blocks.append([job])
            if job.group:
                groups[job.group] = blocks[-1]
        previous = "" if job.group else job.affinity
    return blocks


def _seconds(block: Sequence[Job]) -> float:
    return sum(job.duration for job in block)


def _smart(blocks: Sequence[list[Job]]) -> list[list[Job]]:
    """Put what is likely to fail first; what is left stays together by file, in its declared order."""
    hot: list[list[Job]] = []
    files: dict[str, list[Job]] = {}
    for block in blocks:
        if any(job.risk >= HOT_RISK for job in block):
            hot.append(block)
        else:
            files.setdefault(block[0].file, []).extend(block)
    quick_first = sorted(files.values(), key=lambda block: _magnitude(_seconds(block) / len(block)))
    return [*sorted(hot, key=lambda block: -_urgency(block)), *quick_first]


def _urgency(block: Sequence[Job]) -> float:
    return max(job.risk if job.urgency is None else job.urgency for job in block)


def _magnitude(seconds: float) -> float:
    """Round to a power of two from a millisecond on: what is equally quick stays in the declared order."""
    return float(round(math.log2(max(seconds, 1e-3))))


_BY_NAME: dict[str, Callable[[Sequence[Job]], tuple[float, ...]]] = {
    "fast-first": lambda block: (_seconds(block) / len(block),),
    "longest-first": lambda block: (-_seconds(block),),
}


def _shuffled(job: Job, seed: int) -> tuple[bytes, ...]:
    """A key per level: the file, the shared set-up, the class, the test."""
    path, _, name = job.test.partition("::")
    scope = name.rpartition("::")[0]
    if job.group:
        return _draw(seed, job.group), _draw(seed, job.test)
    return (
        _draw(seed, path),
        _draw(seed, job.affinity),
        _draw(seed, f"{path}::{scope}"),
        _draw(seed, job.test),
    )


def _draw(seed: int, text: str) -> bytes:
    return hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).digest()
