"""Finding the few of many tests that make another one fail: delta debugging.

Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE Transactions on
Software Engineering 28(2), 2002: the algorithm *ddmin*.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def minimise(suspects: Sequence[T], shows: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return a part of the suspects, in order, that still shows the effect, and no smaller one by one.

    Args:
        suspects: together they show it (this is not tried again).
        shows: tries a part. Called about ``2 log2(n)`` times when one suspect is guilty.
    """
    tried: dict[tuple[T, ...], bool] = {}

    def does(part: Sequence[T]) -> bool:
        key = tuple(part)
        if key not in tried:
            tried[key] = shows(part)
        return tried[key]

    guilty = list(suspects)
    pieces = 2
    while len(guilty) > 1:
        smaller = next((part for part in _candidates(guilty, pieces) if does(part)), None)
        if smaller is not None:
            pieces = max(pieces - 1, 2) if len(smaller) > len(guilty) / pieces + 1 else 2
            guilty = smaller
        elif pieces >= len(guilty):
            break
        else:
            pieces = min(pieces * 2, len(guilty))
    return guilty


def _candidates(items: list[T], pieces: int) -> Iterator[list[T]]:
    """Yield each piece alone (the later ones first: polluters are often near), then all without each."""
    bounds = [len(items) * number // pieces for number in range(pieces + 1)]
    slices = [slice(low, high) for low, high in pairwise(bounds) if low < high]
    for part in reversed(slices):
        yield items[part]
    if pieces > 2:  # noqa: PLR2004 - with two pieces, all without one is the other
        for part in slices:
            yield items[: part.start] + items[part.stop :]
