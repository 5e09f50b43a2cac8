"""Change points: where a series of values moved to another level and stayed there.

PELT, the exact segmentation by pruned dynamic programming of Killick, Fearnhead and Eckley 2012 ("Optimal
detection of changepoints with a linear computational cost"), for changes of the mean. The noise is estimated
from the differences of neighbours by their median absolute deviation, which a change of level does not
inflate; single outliers are pulled in first (Hampel's filter). The penalty of each change is a multiple of
log n, as in Schwarz's criterion (Yao 1988).
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median

import msgspec

LEAST = 4
"""Values of a segment."""
PENALTY = 4.0
"""So many times log n must a change explain, in units of the variance of the noise."""
NEAR = 3
"""Values on each side that tell whether one is an outlier."""
FAR = 3.0
"""Standard deviations from which on it is one."""
_TO_SIGMA = 1.4826
_LEAST_NOISE = 1e-9


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A move from one level to another.

    Attributes:
        place: position of the first value of the new level.
        before: mean of the level before.
        after: mean of the new level.
        strength: how clear it is: the difference in standard errors.
    """

    place: int
    before: float
    after: float
    strength: float


def changes_of(
    values: Sequence[float], *, least: int = LEAST, penalty: float = PENALTY, noise: float | None = None
) -> tuple[Change, ...]:
    """Find the changes of level in a series, in order.

    Args:
        values: in order of time.
        least: values that a level has at least.
        penalty: higher finds fewer; see :data:`PENALTY`.
        noise: standard deviation within a level; None: estimated.
    """
    if len(values) < 2 * least:
        return ()
    sigma = noise_of(values) if noise is None else noise
    calm = without_outliers(values, sigma)
    if not _may_change(calm, sigma, least, penalty):
        return ()
    cuts = pelt(calm, sigma=sigma, least=least, penalty=penalty * math.log(len(values)))
    return tuple(_changes(calm, cuts, sigma))


def noise_of(values: Sequence[float]) -> float:
    """Estimate the standard deviation within levels from the differences of neighbours."""
    steps = sorted(abs(after - before) for before, after in pairwise(values))
    typical = median(steps) * _TO_SIGMA / math.sqrt(2)
    # Where most values are equal, the median is 0: then the mean of the smaller nine tenths decides.
    kept = steps[: max(1, len(steps) * 9 // 10)]
    return max(typical, sum(kept) / len(kept) / 2, _LEAST_NOISE, max(map(abs, values)) * _LEAST_NOISE)


def without_outliers(values: Sequence[float], sigma: float) -> list[float]:
    """Pull values that stand far from all their neighbours to the median of those."""
    if max(values) - min(values) <= FAR * sigma:
        return list(values)
    calm = []
    for place, value in enumerate(values):
        near = median(values[max(0, place - NEAR) : place + NEAR + 1])
        calm.append(value if abs(value - near) <= FAR * sigma else near)
    return calm


def _may_change(values: Sequence[float], sigma: float, least: int, penalty: float) -> bool:
    """Tell cheaply whether a search pays: no cut of the whole or of a part explains much (CUSUM)."""
    size = len(values)
    wanted = 0.5 * penalty * math.log(size)
    parts = (values, values[: size * 2 // 3], values[size // 3 :])
    return any(_best_gain(part, least) > wanted * sigma * sigma for part in parts if len(part) >= 2 * least)


def _best_gain(values: Sequence[float], least: int) -> float:
    size = len(values)
    mean = sum(values) / size
    sums = list(accumulate(value - mean for value in values))
    return max(sums[cut - 1] ** 2 * size / (cut * (size - cut)) for cut in range(least, size - least + 1))


def pelt(values: Sequence[float], *, sigma: float, least: int, penalty: float) -> list[int]:
    """Return the cuts of the cheapest segmentation: squared deviations ÷ sigma², plus the penalties."""
    size = len(values)
    scale = 1 / (sigma * sigma)
    sums = [0.0, *accumulate(values)]
    squares = [0.0, *accumulate(value * value for value in values)]
    best = [-penalty] + [math.inf] * size
    came_from = [0] * (size + 1)
    starts = [0]
    for end in range(least, size + 1):
        costs = [
            best[start]
            + (squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)) * scale
            for start in starts
        ]
        cheapest = min(range(len(starts)), key=costs.__getitem__)
        best[end] = costs[cheapest] + penalty
        came_from[end] = starts[cheapest]
        # A start that is dearer even without the next penalty can never win again (their theorem 3.1).
        starts = [start for start, cost in zip(starts, costs, strict=True) if cost <= best[end]]
        starts.append(end - least + 1)
    cuts = []
    while size:
        size = came_from[size]
        cuts.append(size)
    return cuts[-2::-1]


def _changes(values: Sequence[float], cuts: Sequence[int], sigma: float) -> list[Change]:
    edges = [0, *cuts, len(values)]
    levels = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    found = []
    for number, cut in enumerate(cuts):
        error = sigma * math.sqrt(1 / (cut - edges[number]) + 1 / (edges[number + 2] - cut))
        step = levels[number + 1] - levels[number]
        found.append(
            Change(place=cut, before=levels[number], after=levels[number + 1], strength=abs(step) / error)
        )
    return found
