"""What still has to be sent to a worker, and what to send next."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from toolkit.records import NodeId
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.units import Unit, make_units

CRITICAL_SHARE = 0.25
"""A job is critical, and goes first, when it takes this share of the time that all pending work needs on all
workers together. 1 would be just in time with perfect estimates; 0 would be longest-first throughout."""

HOT_RISK = 0.3
"""Jobs at least this likely to fail are overtaken only by one that takes the whole remaining time."""

Takes = Callable[[Unit], bool]
"""Tells whether a worker may run a unit now."""


class Pool:
    """Pending units in order, with the longest jobs at hand.

    Long jobs overtake the order when they would otherwise become the tail: the rule of *longest processing
    time first* (Graham 1969) applied only when it matters.

    Args:
        jobs: all of them but serial ones, in the wanted order.
        overtake: whether long jobs may leave the order.
        apart: jobs with different values here never share a unit (workers that collected differently).
    """

    def __init__(
        self, jobs: Sequence[Job], *, overtake: bool = True, apart: Mapping[NodeId, str] | None = None
    ) -> None:
        self._overtake = overtake
        self._apart = apart or {}
        self._fresh: deque[Unit] = deque()
        self._started: dict[int, Unit] = {}
        self._unit_of: dict[NodeId, Unit] = {}
        self._longest: list[tuple[float, int, Unit, Job | None]] = []
        self._rank = itertools.count()
        self.left = 0.0
        self.count = 0
        for unit in make_units(jobs, self._apart):
            self._fresh.append(unit)
            self._enter(unit)
        heapq.heapify(self._longest)

    def __len__(self) -> int:
        return self.count

    def give_back(self, jobs: Sequence[Job]) -> None:
        """Take jobs back that a lost worker did not run; they come first."""
        for unit in reversed(make_units(jobs, self._apart)):
            self._fresh.appendleft(unit)
            self._enter(unit)
        heapq.heapify(self._longest)

    def abandon(self, unit: Unit) -> None:
        """The worker of a unit is gone: anyone may go on with it."""
        if self._started.pop(id(unit), None) is not None and unit.jobs:
            unit.owner = None
            self._fresh.appendleft(unit)
            if unit.whole:
                heapq.heappush(self._longest, (-unit.left, next(self._rank), unit, None))

    def choose(self, current: Unit | None, takes: Takes, workers: int) -> tuple[Unit, Job | None] | None:
        """Choose what a worker does next.

        Args:
            current: the unit that the worker is in.
            takes: whether this worker may run a unit now.
            workers: how many share the pending work.

        Returns:
            The unit to go on with, or a unit and the one job to take out of it; None: nothing fits now.
        """
        going_on = current is not None and current.jobs and takes(current)
        if current is not None and going_on and current.whole:
            return current, None
        critical = self._critical(takes, workers, current)
        if critical is not None:
            return critical
        if current is not None and going_on:
            return current, None
        unit = next((unit for unit in self._waiting() if takes(unit)), None)
        if unit is not None:
            return unit, None
        unit = self._split(takes)
        return None if unit is None else (unit, None)

    def take(self, unit: Unit, job: Job | None, owner: object) -> Job:
        """Remove a job: the given one, else the next of the unit, which then belongs to ``owner``."""
        if job is None:
            if unit.owner is not owner:
                unit.owner = owner
                self._started[id(unit)] = unit
            taken = unit.take()
        else:
            unit.remove(job)
            taken = job
        if not unit.jobs:
            self._started.pop(id(unit), None)
        del self._unit_of[taken.test]
        self.count -= 1
        self.left = max(self.left - taken.duration, 0.0) if self.count else 0.0
        return taken

    def drop(self, tests: Iterable[NodeId]) -> list[Job]:
        """Remove jobs for good, because no worker can run them."""
        dropped = []
        for test in tests:
            unit = self._unit_of[test]
            job = next(job for job in unit.jobs if job.test == test)
            dropped.append(self.take(unit, job, None))
        return dropped

    def tests(self) -> list[NodeId]:
        """All pending tests."""
        return list(self._unit_of)

    def _enter(self, unit: Unit) -> None:
        for job in unit.jobs:
            self._unit_of[job.test] = unit
            if not unit.whole:
                self._longest.append((-job.duration, next(self._rank), unit, job))
        if unit.whole:
            self._longest.append((-unit.left, next(self._rank), unit, None))
        self.count += len(unit.jobs)
        self.left += unit.left

    def _waiting(self) -> Iterable[Unit]:
        while self._fresh and (self._fresh[0].owner is not None or not self._fresh[0].jobs):
            self._fresh.popleft()
        return (unit for unit in self._fresh if unit.owner is None and unit.jobs)

    def _critical(self, takes: Takes, workers: int, current: Unit | None) -> tuple[Unit, Job | None] | None:
        if not self._overtake:
            return None
        upcoming = next(iter(self._waiting()), current)
        hot = upcoming is not None and bool(upcoming.jobs) and upcoming.jobs[0].risk >= HOT_RISK
        threshold = (1.0 if hot else CRITICAL_SHARE) * self.left / max(workers, 1)
        passed = []
        found: tuple[Unit, Job | None] | None = None
        while self._longest and -self._longest[0][0] >= threshold:
            entry = self._longest[0]
            _, _, unit, job = entry
            if self._stale(unit, job):
                heapq.heappop(self._longest)
                continue
            if takes(unit) and (job is None or unit is current or job.duration > unit.cost):
                mine = unit.owner is None or unit is current
                found = (unit, None if job is None or (mine and job is unit.jobs[0]) else job)
                break
            passed.append(heapq.heappop(self._longest))
        for entry in passed:
            heapq.heappush(self._longest, entry)
        return found

    def _stale(self, unit: Unit, job: Job | None) -> bool:
        if job is None:
            return unit.owner is not None or not unit.jobs
        return self._unit_of.get(job.test) is not unit

    def _split(self, takes: Takes) -> Unit | None:
        parts = [unit for unit in self._started.values() if not unit.whole and len(unit.jobs) > 1]
        parts = [unit for unit in parts if unit.left / 2 > unit.cost and takes(unit)]
        if not parts:
            return self._leftover(takes)
        half = max(parts, key=lambda unit: unit.left).halve()
        for job in half.jobs:
            self._unit_of[job.test] = half
            heapq.heappush(self._longest, (-job.duration, next(self._rank), half, job))
        return half

    def _leftover(self, takes: Takes) -> Unit | None:
        """A started unit with one job that is not sent yet: whoever is free may have it."""
        for unit in self._started.values():
            if not unit.whole and len(unit.jobs) == 1 and unit.left > unit.cost and takes(unit):
                return unit
        return None
