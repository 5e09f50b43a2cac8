"""Streaks in a row of outcomes: are failures scattered by chance, or did something break for a while?

``clustering`` is the exact runs test of Wald and Wolfowitz 1940 ("On a test whether two samples are from the
same population"), one-sided: few changes of outcome mean that failures stand together.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import comb

import msgspec


class Streak(msgspec.Struct, frozen=True, kw_only=True):
    """Failures without a success between them: positions ``start`` … ``end``, the end excluded."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many failures."""
        return self.end - self.start


def streaks(bad: Sequence[bool]) -> list[Streak]:
    """Return the maximal streaks of failures, in order."""
    found: list[Streak] = []
    start: int | None = None
    for place, failed in enumerate((*bad, False)):
        if failed and start is None:
            start = place
        elif not failed and start is not None:
            found.append(Streak(start=start, end=place))
            start = None
    return found


def changes(bad: Sequence[bool]) -> int:
    """Return how often the outcome changes."""
    return sum(before != after for before, after in pairwise(bad))


def clustering(bad: Sequence[bool]) -> float:
    """Return the probability of so few changes, or fewer, if the failures were scattered by chance.

    1 where one outcome only was seen.
    """
    failures, successes = sum(bad), len(bad) - sum(bad)
    if not failures or not successes:
        return 1.0
    ways = sum(_ways(runs, failures, successes) for runs in range(2, changes(bad) + 2))
    return ways / comb(failures + successes, failures)


def _ways(runs: int, failures: int, successes: int) -> int:
    """Count the arrangements with exactly so many runs of equal outcomes."""
    half, odd = divmod(runs, 2)
    one = comb(failures - 1, half - 1) * comb(successes - 1, half - 1 + odd)
    other = comb(failures - 1, half - 1 + odd) * comb(successes - 1, half - 1)
    return one + other
