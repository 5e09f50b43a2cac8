"""N complete, disjoint, balanced parts for N machines.

The parts depend on nothing but the jobs given and N: machines that read the same plan file and collect the
same tests make the same parts, a repeated machine gets the same tests, and without measured durations all
tests weigh the same. Sources: *longest processing time first* (Graham, "Bounds on multiprocessing timing
anomalies", 1969) and *multifit* (Coffman, Garey, Johnson, "An application of bin-packing to multiprocessor
scheduling", 1978).
"""

import heapq
import re
import zlib
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter

from toolkit.errors import UsageError
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.units import setup_cost

LEAST_SECONDS = 1e-4
"""A test weighs at least this, so that a thousand tests of nothing still weigh something."""

GOOD_ENOUGH = 1.01
"""Parts this near to the lower bound are not refined by pulling shared set-ups apart."""

Part = tuple[float, NodeId, tuple[int, ...]]
"""Weight, its first test, positions of its jobs."""


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``2/8``: the second of eight.

    Raises:
        UsageError: it has another form, or the number is not between 1 and the count.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"shard {text!r}: expected K/N with K from 1 to N, for example 2/8")
    return int(match[1]), int(match[2])


def lower_bound(weights: Sequence[float], count: int) -> float:
    """No ``count`` machines can be done earlier: the mean load, or the longest single job."""
    return max(sum(weights) / count, max(weights, default=0.0))


def split(jobs: Sequence[Job], count: int) -> list[list[NodeId]]:
    """Split jobs into ``count`` parts of about equal time.

    Every job is in exactly one part; jobs of a group are together; those with a shared set-up are kept
    together unless that would cost balance; no part is empty when there are enough jobs (or groups).

    Returns:
        The parts, each in the order of ``jobs``.
    """
    return [[job.test for job in part] for part in split_jobs(jobs, count)]


def split_jobs(jobs: Sequence[Job], count: int) -> list[list[Job]]:
    """Do the same as :func:`split`, with the jobs themselves."""
    best: list[list[Part]] = []
    best_span = float("inf")
    bound = lower_bound([_weight(job) for job in jobs], count)
    for limit in (bound, bound / 4, bound / 16, 0.0):
        parts = _parts(jobs, limit)
        shards = pack(parts, count)
        span = max((sum(part[0] for part in shard) for shard in shards), default=0.0)
        better = span < best_span * (1 - 1e-9)
        if better or sum(map(bool, shards)) > sum(map(bool, best)):
            best, best_span = shards, span
        if all(best) and best_span <= bound * GOOD_ENOUGH:
            break
    return [
        [jobs[number] for number in sorted(chain.from_iterable(map(_POSITIONS, shard)))] for shard in best
    ]


_POSITIONS = itemgetter(2)


def pack(parts: Sequence[Part], count: int) -> list[list[Part]]:
    """Distribute weights over bins so that the heaviest is light: the better of LPT and multifit."""
    ordered = sorted(parts, key=_heaviest_first)
    greedy = _longest_first(ordered, count)
    high = max((sum(part[0] for part in shard) for shard in greedy), default=0.0)
    low = lower_bound([part[0] for part in ordered], count)
    best = greedy
    if len(parts) * count <= 2_000_000:  # noqa: PLR2004 - first fit takes parts times bins
        for _ in range(12):
            if high <= low * 1.002:
                break
            middle = (low + high) / 2
            fitted = _first_fit(ordered, count, middle)
            if fitted is None:
                low = middle
            else:
                best, high = fitted, max(sum(part[0] for part in shard) for shard in fitted)
    return _fill_empty(best)


def _weight(job: Job) -> float:
    return max(LEAST_SECONDS, job.duration)


def _heaviest_first(part: Part) -> tuple[float, int, NodeId]:
    """Parts of one weight are mixed, in the same way on every machine: neighbours are often alike."""
    return -part[0], zlib.crc32(part[1].encode()), part[1]


def _parts(jobs: Sequence[Job], limit: float) -> list[Part]:
    """Put together what belongs together, in pieces of at most ``limit`` seconds (groups are never cut)."""
    together: dict[str, list[int]] = {}
    parts: list[Part] = []
    for number, job in enumerate(jobs):
        if job.group or job.affinity:
            key = f"group {job.group}" if job.group else f"affinity {job.affinity}"
            together.setdefault(key, []).append(number)
        else:
            parts.append((_weight(job), job.test, (number,)))
    for key, members in together.items():
        pieces = [members] if key.startswith("group ") else _cut(jobs, members, limit)
        cost = setup_cost([jobs[number] for number in members])
        for order, piece in enumerate(pieces):
            weight = sum(_weight(jobs[number]) for number in piece) + (cost if order else 0.0)
            parts.append((weight, jobs[piece[0]].test, tuple(piece)))
    return parts


def _cut(jobs: Sequence[Job], numbers: Iterable[int], limit: float) -> list[list[int]]:
    pieces: list[list[int]] = [[]]
    seconds = 0.0
    for number in numbers:
        weight = _weight(jobs[number])
        if pieces[-1] and seconds + weight > limit:
            pieces.append([])
            seconds = 0.0
        pieces[-1].append(number)
        seconds += weight
    return pieces


def _longest_first(ordered: Sequence[Part], count: int) -> list[list[Part]]:
    shards: list[list[Part]] = [[] for _ in range(count)]
    loads = [(0.0, number) for number in range(count)]
    for part in ordered:
        load, number = loads[0]
        shards[number].append(part)
        heapq.heapreplace(loads, (load + part[0], number))
    return shards


def _first_fit(ordered: Sequence[Part], count: int, capacity: float) -> list[list[Part]] | None:
    shards: list[list[Part]] = [[] for _ in range(count)]
    room = [capacity] * count
    for part in ordered:
        number = next((number for number in range(count) if room[number] >= part[0]), None)
        if number is None:
            return None
        shards[number].append(part)
        room[number] -= part[0]
    return shards


def _fill_empty(shards: list[list[Part]]) -> list[list[Part]]:
    """Move the lightest part of the fullest bin into an empty one, while there is a bin with two."""
    for shard in shards:
        if not shard:
            giver = max(shards, key=len)
            if len(giver) > 1:
                shard.append(giver.pop(min(range(len(giver)), key=lambda number: giver[number][0])))
    return shards
