"""Times in buckets whose width is a thousandth of their value: many millions in a few kilobytes, mergeable.

The idea is that of HdrHistogram (Gil Tene): a logarithmic scale, so that a relative error holds everywhere.
It imports nothing of the package: the generator loads it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

LEAST = 1e-6
"""Seconds: shorter ones are this long."""
STEP = 1.001
_LOG = math.log(STEP)


class Histogram:
    """Counts times in seconds."""

    def __init__(
        self, counts: Mapping[int, int] | None = None, *, total: float = 0.0, most: float = 0.0
    ) -> None:
        self.counts: Counter[int] = Counter(counts or {})
        self.total, self.most = total, most

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[round(math.log(max(seconds, LEAST)) / _LOG)] += 1
        self.total += seconds
        self.most = max(self.most, seconds)

    def merge(self, others: Iterable["Histogram"]) -> None:
        """Count those of others, too."""
        for other in others:
            self.counts.update(other.counts)
            self.total += other.total
            self.most = max(self.most, other.most)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.counts.total()

    @property
    def mean(self) -> float:
        """The mean; 0 without any."""
        return self.total / self.count if self.counts else 0.0

    def percentile(self, percent: float) -> float:
        """Return the smallest time that so many percent do not exceed (nearest rank); 0 without any."""
        wanted = math.ceil(self.count * percent / 100)
        seen = 0
        for place in sorted(self.counts):
            seen += self.counts[place]
            if seen >= wanted:
                return min(STEP**place, self.most)
        return 0.0

    def as_json(self) -> dict[str, object]:
        """Return what JSON can carry."""
        counts = {str(place): count for place, count in self.counts.items()}
        return {"counts": counts, "total": self.total, "most": self.most}


def from_json(value: Mapping[str, object]) -> Histogram:
    """Read what :meth:`Histogram.as_json` returned."""
    counts: Mapping[str, int] = value["counts"]  # type: ignore[assignment]
    total, most = float(str(value["total"])), float(str(value["most"]))
    return Histogram({int(place): count for place, count in counts.items()}, total=total, most=most)
