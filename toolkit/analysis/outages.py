"""The outage shield: failures that say something about a server or machine and nothing about the tests.

An outage is one group of failures of the surroundings that befell several tests within a short time. Such
failures count neither as flakiness nor as evidence for prediction.
"""

from collections import defaultdict
from collections.abc import Sequence

from toolkit.analysis.failures import Diagnosis
from toolkit.analysis.rules import Category

LEAST_TESTS = 3
"""So many different tests make an outage; two may share a mistake of their own."""
WINDOW = 300.0
"""Seconds: the longest pause between two failures of one outage."""
OUTAGES = frozenset({Category.CONNECTIVITY, Category.RESOURCE, Category.CRASH})


def outage_of(
    failed: Sequence[tuple[str, float]],
    found: Sequence[Diagnosis],
    *,
    least: int = LEAST_TESTS,
    window: float = WINDOW,
) -> frozenset[int]:
    """Return the positions of the failures that an outage explains.

    Args:
        failed: test and Unix seconds of each failure of a run; 0 where the time is not known.
        found: what :func:`toolkit.analysis.failures.classify_all` says of them, in the same order.
        least: different tests that make an outage.
        window: seconds of the longest pause inside an outage.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, diagnosis in enumerate(found):
        if diagnosis.category in OUTAGES and diagnosis.cause.shared:
            groups[diagnosis.group].append(index)
    shielded: set[int] = set()
    for members in groups.values():
        members.sort(key=lambda index: failed[index][1])
        for burst in _bursts(members, [failed[index][1] for index in members], window):
            if len({failed[index][0] for index in burst}) >= least:
                shielded.update(burst)
    return frozenset(shielded)


def _bursts(members: Sequence[int], times: Sequence[float], window: float) -> list[list[int]]:
    bursts = [[members[0]]]
    for index, before, now in zip(members[1:], times[:-1], times[1:], strict=True):
        if now - before > window:
            bursts.append([])
        bursts[-1].append(index)
    return bursts
