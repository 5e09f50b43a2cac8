"""Order dependence told from the record: which test must run before another one for it to fail, or to pass.

A test depends on the order when some other test stood before it, on the same worker, in every run in which it
failed and in none in which it passed (a *polluter*), or the other way round (a *helper*): the terms are those
of Lam and others 2019 ("iDFlakies"). That this happens by chance has a probability of at most
1 ÷ C(runs, failures) for each of the other tests, so it is believed only when that, times their number, is
small. A test with several polluters, each enough by itself, is not recognised here: ``tests.bisect`` finds
them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import comb

import msgspec

from toolkit.records import NodeId

BELIEVED = 0.01
LEAST_OF_EACH = 3
"""Runs with each outcome."""

Places = Mapping[NodeId, tuple[str, int]]
"""Of one run: test → worker and turn on it."""


class Dependence(msgspec.Struct, frozen=True, kw_only=True):
    """What a test depends on; ``kind``: ``polluter`` (it fails after these) or ``helper`` (it passes so)."""

    kind: str
    tests: tuple[NodeId, ...]
    runs: int
    failures: int


class _Candidate:
    """What is left of the tests that could explain one test, run by run."""

    def __init__(self) -> None:
        self.counts = {True: 0, False: 0}
        self.common: dict[bool, set[NodeId] | None] = {True: None, False: None}
        self.elsewhere: dict[bool, set[NodeId]] = {True: set(), False: set()}

    def learn(self, before: set[NodeId], *, failed: bool) -> None:
        """Take in one run: what stood before the test, and how it ended."""
        self.counts[failed] += 1
        common = self.common[failed]
        self.common[failed] = before if common is None else common & before
        other = self.common[not failed]
        if other is None:
            self.elsewhere[failed] |= before
        else:
            self.common[not failed] = other - before

    def explanations(self, *, failed: bool) -> set[NodeId]:
        """Return the tests that stood before it in all runs that ended so, and in no other."""
        return (self.common[failed] or set()) - self.elsewhere[not failed]


def dependences(
    outcomes: Mapping[NodeId, Mapping[str, bool]], places_of: Callable[[str], Places]
) -> dict[NodeId, Dependence]:
    """Find the tests that depend on what runs before them.

    Args:
        outcomes: test → run → whether its first try failed; without outages.
        places_of: returns where each test of a run ran; called once per run.
    """
    asked = {test: row for test, row in outcomes.items() if _enough(row.values())}
    found = {test: _Candidate() for test in asked}
    most = 0
    for run in sorted({run for row in asked.values() for run in row}):
        places = places_of(run)
        most = max(most, len(places))
        by_worker = _by_worker(places)
        for test, row in asked.items():
            if run in row and test in places:
                worker, turn = places[test]
                before = {other for other in by_worker[worker] if places[other][1] < turn}
                found[test].learn(before, failed=row[run])
    told = ((test, _dependence(candidate, most)) for test, candidate in found.items())
    return {test: one for test, one in told if one is not None}


def _enough(failed: Collection[bool]) -> bool:
    return LEAST_OF_EACH <= sum(failed) <= len(failed) - LEAST_OF_EACH


def _by_worker(places: Places) -> dict[str, list[NodeId]]:
    found: dict[str, list[NodeId]] = {}
    for test, (worker, _) in places.items():
        found.setdefault(worker, []).append(test)
    return found


def _dependence(one: _Candidate, tests: int) -> Dependence | None:
    failures, runs = one.counts[True], sum(one.counts.values())
    if not failures or failures == runs or tests / comb(runs, failures) > BELIEVED:
        return None
    for kind, failed in (("polluter", True), ("helper", False)):
        if found := one.explanations(failed=failed):
            return Dependence(kind=kind, tests=tuple(sorted(found)), runs=runs, failures=failures)
    return None


def told(one: Dependence) -> str:
    """Say it in words."""
    names = _listed(one.tests)
    if one.kind == "polluter":
        return f"failed whenever {names} ran before it on its worker, and only then ({one.runs} runs)"
    return f"passed whenever {names} ran before it on its worker, and only then ({one.runs} runs)"


def _listed(tests: Iterable[NodeId], most: int = 3) -> str:
    names = list(tests)
    shown = " or ".join(names[:most])
    return shown if len(names) <= most else f"{shown} or {len(names) - most} others"
