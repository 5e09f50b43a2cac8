"""Order dependence told from the record: which test must run before another one for it to fail, or to pass.

A test depends on the order when some other test stood before it, on the same worker, in every run in which it
failed and in none in which it passed (a *polluter*), or the other way round (a *helper*): the terms are those
of Lam and others 2019 ("iDFlakies"). That this happens by chance has a probability of at most
1 ÷ C(runs, failures) for each of the other tests, so it is believed only when that, times their number, is
small. A test with several polluters, each enough by itself, is not recognised here: ``tests.bisect`` finds
them.
"""

from array import array
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


class _Order:
    """Where each test ran in one run, as one number: comparing two of them tells which ran first where."""

    def __init__(self, places: Places, numbers: dict[NodeId, int]) -> None:
        workers = {
            worker: number for number, worker in enumerate(sorted({place[0] for place in places.values()}))
        }
        found = {numbers.setdefault(test, len(numbers)): place for test, place in places.items()}
        self.tests = len(places)
        self._codes = array("q", [_ABSENT]) * len(numbers)
        for number, (worker, turn) in found.items():
            self._codes[number] = workers[worker] * _WORKER + turn

    def has(self, test: int) -> bool:
        """Tell whether the test ran."""
        return test < len(self._codes) and self._codes[test] != _ABSENT

    def before(self, test: int, among: Iterable[int] | None = None) -> list[int]:
        """Return the tests that ran before this one on its worker."""
        codes, mine = self._codes, self._codes[test]
        first = mine - mine % _WORKER
        if among is None:
            return [other for other, code in enumerate(codes) if first <= code < mine]
        size = len(codes)
        return [other for other in among if other < size and first <= codes[other] < mine]


_ABSENT = -1
_WORKER = 2**32


def dependences(
    outcomes: Mapping[NodeId, Mapping[str, bool]], places_of: Callable[[str], Places]
) -> dict[NodeId, Dependence]:
    """Find the tests that depend on what runs before them.

    Args:
        outcomes: test → run → whether its first try failed; without outages.
        places_of: returns where each test of a run ran; called once per run.
    """
    asked = {test: row for test, row in outcomes.items() if _enough(row.values())}
    numbers: dict[NodeId, int] = {}
    orders = {
        run: _Order(places_of(run), numbers) for run in sorted({run for row in asked.values() for run in row})
    }
    names = list(numbers)
    found = {}
    for test, row in asked.items():
        ran = {
            run: failed for run, failed in row.items() if test in numbers and orders[run].has(numbers[test])
        }
        one = _dependence(numbers.get(test, 0), ran, orders)
        if one is not None:
            found[test] = Dependence(
                kind=one[0],
                tests=tuple(sorted(names[number] for number in one[1])),
                runs=len(ran),
                failures=sum(ran.values()),
            )
    return found


def _enough(failed: Collection[bool]) -> bool:
    return LEAST_OF_EACH <= sum(failed) <= len(failed) - LEAST_OF_EACH


def _dependence(
    test: int, outcomes: Mapping[str, bool], orders: Mapping[str, _Order]
) -> tuple[str, list[int]] | None:
    tests = max((orders[run].tests for run in outcomes), default=0)
    if not _enough(outcomes.values()) or tests / comb(len(outcomes), sum(outcomes.values())) > BELIEVED:
        return None
    for kind, wanted in (("polluter", True), ("helper", False)):
        left: list[int] | None = None
        for run in (run for run, failed in outcomes.items() if failed is wanted):
            left = orders[run].before(test, left)
        for run in (run for run, failed in outcomes.items() if failed is not wanted):
            gone = set(orders[run].before(test, left))
            left = [other for other in left or () if other not in gone]
        if left:
            return kind, left
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
