"""Is new code slower than old? Benchmarks of both, interleaved in one job, against the job's own noise.

Two jobs cannot be compared: machines differ by tens of percent, while within one job the same code repeats to
a fraction of a percent. So one job measures three arms in blocks: the old code, a second copy of the old
code, and the new code, each in a process of its own. Within a block the three take turns of milliseconds,
in random order, see :mod:`toolkit.gates.lockstep`; each block has fresh processes (randomised blocks: Fisher
1935, "The Design of Experiments"; for benchmarks: Kalibera and Jones 2013, "Rigorous benchmarking in
reasonable time"; pairs in one cloud machine: Bulej et al. 2020, "Duet benchmarking").

What the two copies of the old code differ by is noise by definition: layout of memory, paths, neighbours
(Mytkowicz et al. 2009, "Producing wrong data without doing anything obviously wrong!"). It sets the floor
below which a difference means nothing. A benchmark is slower when the ratio of new to old is above the floor
by the signed-rank test (Wilcoxon 1945), exact, with the correction of Holm (1979) for many benchmarks. The
ratio and its interval are those of Hodges and Lehmann (1963), on logarithms.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

ALPHA = 0.01
"""Probability of calling any benchmark slower in a run although none is."""
CONFIDENCE = 0.98
"""Of intervals; for the noise, both ends at 99 %."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One block: the same benchmark in three processes that took turns.

    Attributes:
        seconds: of the old code, the median of its turns.
        copies: logarithm of the ratio between the two copies of the old code: noise.
        shift: logarithm of the ratio of new code to old.
    """

    seconds: float
    copies: float
    shift: float


def block_of(base: Sequence[float], again: Sequence[float], head: Sequence[float]) -> Block:
    """Sum up the turns of a block by the medians of their ratios, round by round."""
    old = [(math.log(one) + math.log(two)) / 2 for one, two in zip(base, again, strict=True)]
    return Block(
        seconds=statistics.median(base),
        copies=statistics.median(math.log(two / one) for one, two in zip(base, again, strict=True)),
        shift=statistics.median(math.log(new) - one for new, one in zip(head, old, strict=True)),
    )


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """``performance.json``: what a comparison measured.

    Attributes:
        base: the commit of the old code.
        head: the commit of the new code.
        state: fingerprint of the new code: see ``interleaving.code_state``.
        timer: ``wall`` or ``cpu``.
        seed: of the order.
        blocks: benchmark → its blocks.
        added: benchmarks that only the new code has.
        removed: benchmarks that only the old code has.
    """

    base: str
    head: str
    state: str
    timer: str
    seed: int
    blocks: dict[str, tuple[Block, ...]]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What the blocks of one benchmark say.

    Attributes:
        ratio: new ÷ old; 1.05 is 5 % slower.
        low: lower end of its interval.
        high: upper end.
        floor: the ratio up to which a difference means nothing: noise, or too small to matter.
        noise: the ratio that the two copies of the old code may differ by.
        p: probability of such blocks if the ratio were the floor.
        slower: whether the new code is slower.
    """

    ratio: float
    low: float
    high: float
    floor: float
    noise: float
    p: float
    slower: bool = False


def blocks_needed(benchmarks: int, alpha: float = ALPHA) -> int:
    """Return how many blocks the exact test needs to call one of so many benchmarks slower; one to spare."""
    return math.ceil(math.log2(max(1, benchmarks) / alpha)) + 1


def compare(
    benchmarks: Mapping[str, Sequence[Block]], *, slowdown: float, alpha: float = ALPHA
) -> dict[str, Difference]:
    """Judge all benchmarks of a job.

    Args:
        benchmarks: name → its blocks.
        slowdown: percent that do not matter.
        alpha: see :data:`ALPHA`.
    """
    found = {name: difference(blocks, slowdown=slowdown) for name, blocks in benchmarks.items()}
    return {
        name: msgspec.structs.replace(one, slower=name in rejected({k: v.p for k, v in found.items()}, alpha))
        for name, one in found.items()
    }


def difference(blocks: Sequence[Block], *, slowdown: float) -> Difference:
    """Estimate one benchmark; ``slower`` is decided by :func:`compare`, which knows all of them."""
    shifts = [block.shift for block in blocks]
    noise = max(map(abs, interval([block.copies for block in blocks])))
    floor = max(math.log1p(slowdown / 100), noise)
    low, high = interval(shifts)
    return Difference(
        ratio=math.exp(centre(shifts)),
        low=math.exp(low),
        high=math.exp(high),
        floor=math.exp(floor),
        noise=math.exp(noise),
        p=signed_rank([shift - floor for shift in shifts]),
    )


def rejected(probabilities: Mapping[str, float], alpha: float) -> frozenset[str]:
    """Return the names whose probability is small enough among so many (Holm 1979)."""
    found = set()
    for rank, (name, p) in enumerate(sorted(probabilities.items(), key=lambda pair: pair[1])):
        if p > alpha / (len(probabilities) - rank):
            break
        found.add(name)
    return frozenset(found)


def centre(values: Sequence[float]) -> float:
    """Return the median of all averages of two values (Hodges and Lehmann 1963)."""
    averages = walsh(values)
    middle = len(averages) // 2
    return averages[middle] if len(averages) % 2 else (averages[middle - 1] + averages[middle]) / 2


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of :func:`centre` that the signed-rank test does not refuse.

    With too few values for the confidence it is as wide as the values.
    """
    averages = walsh(values)
    counts = rank_sums(tuple(range(1, len(values) + 1)))
    budget = (1 - confidence) / 2 * 2 ** len(values)
    below, skipped = 0, 0
    for count in counts:
        below += count
        if below > budget:
            break
        skipped += 1
    skipped = max(0, skipped - 1)
    return averages[skipped], averages[-1 - skipped]


def walsh(values: Sequence[float]) -> list[float]:
    """Return the averages of all pairs of values, each value with itself too, in order."""
    return sorted((one + other) / 2 for index, one in enumerate(values) for other in values[index:])


def signed_rank(values: Sequence[float]) -> float:
    """Return the probability of so large a sum of positive ranks if the values were around 0 (Wilcoxon 1945).

    Exact, one-sided; equal sizes share their rank, zeros are left out.
    """
    sizes = sorted((abs(value), value > 0) for value in values if value != 0)
    if not sizes:
        return 1.0
    ranks = shared_ranks([size for size, _ in sizes])
    observed = sum(rank for rank, (_, positive) in zip(ranks, sizes, strict=True) if positive)
    counts = rank_sums(tuple(ranks))
    return float(sum(counts[observed:]) / 2 ** len(ranks))


def shared_ranks(sizes: Sequence[float]) -> list[int]:
    """Return the ranks of sorted sizes, doubled so that shared ones are whole numbers."""
    ranks = []
    for size in sizes:
        first = sizes.index(size)
        ranks.append(2 * first + sizes.count(size) + 1)
    return ranks


@lru_cache(maxsize=64)
def rank_sums(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """Return for each sum, from 0 on, how many of the subsets of ranks have it."""
    counts = [1] + [0] * sum(ranks)
    for rank in ranks:
        for total in range(len(counts) - 1, rank - 1, -1):
            counts[total] += counts[total - rank]
    return tuple(counts)
