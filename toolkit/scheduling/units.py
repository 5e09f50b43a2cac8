"""Jobs that belong together: groups, set-up affinity, chains of one exclusive resource."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from toolkit.records import NodeId
from toolkit.scheduling.jobs import UNKNOWN_COST, Job


class Unit:
    """Jobs that one worker should run one after the other.

    Attributes:
        key: what they have in common.
        jobs: those that were not sent to a worker yet, in order.
        locks: exclusive resources that whoever runs any of them must own.
        whole: whether it must stay on one worker (a group, a chain of a resource).
        cost: seconds that it costs to run a part of it on another worker (shared set-up).
        left: seconds of the jobs not sent yet.
        owner: the worker that runs it now.
    """

    __slots__ = ("cost", "jobs", "key", "left", "locks", "owner", "whole")

    def __init__(
        self,
        key: str,
        jobs: Iterable[Job],
        *,
        locks: frozenset[str] = frozenset(),
        whole: bool = False,
        cost: float = 0.0,
    ) -> None:
        self.key = key
        self.jobs = deque(jobs)
        self.locks = locks
        self.whole = whole
        self.cost = cost
        self.left = sum(job.duration for job in self.jobs)
        self.owner: object = None

    def __repr__(self) -> str:
        return f"Unit({self.key!r}, {len(self.jobs)} jobs, {self.left:.3g} s)"

    def take(self) -> Job:
        """Remove the next job."""
        job = self.jobs.popleft()
        self.left = self.left - job.duration if self.jobs else 0.0
        return job

    def remove(self, job: Job) -> None:
        """Remove one job from wherever it stands."""
        self.jobs.remove(job)
        self.left = self.left - job.duration if self.jobs else 0.0

    def give_back(self, jobs: Sequence[Job]) -> None:
        """Put jobs back in front, in their order."""
        self.jobs.extendleft(reversed(jobs))
        self.left += sum(job.duration for job in jobs)

    def halve(self) -> "Unit":
        """Split off the later half (by time) as a unit of its own."""
        half = self.left / 2
        moved: deque[Job] = deque()
        seconds = 0.0
        while len(self.jobs) > 1 and (not moved or seconds + self.jobs[-1].duration <= half):
            job = self.jobs.pop()
            moved.appendleft(job)
            seconds += job.duration
        self.left -= seconds
        return Unit(self.key, moved, locks=self.locks, cost=self.cost)


def make_units(jobs: Sequence[Job], apart: Mapping[NodeId, str] | None = None) -> list[Unit]:
    """Put jobs together, in the order of the first of each unit. Serial jobs must not be among them.

    Jobs with different values in ``apart`` are never put together. Else:

    * Jobs of an ``xdist_group`` form one whole unit, wherever they stand.
    * Jobs that use the same exclusive resources form one whole unit: a chain.
    * Neighbours that share a set-up, else neighbours of one file, form a unit that may be split.
    """
    apart = apart or {}
    found: dict[str, list[Job]] = {}
    previous = ""
    count = 0
    for job in jobs:
        key = _key(job) + apart.get(job.test, "")
        if key != previous and not _is_whole(job):
            count += 1
        found.setdefault(key if _is_whole(job) else f"{count} {key}", []).append(job)
        previous = key
    return [_unit(key, members) for key, members in found.items()]


def _is_whole(job: Job) -> bool:
    return bool(job.group or job.uses)


def _key(job: Job) -> str:
    if job.group:
        return f"group {job.group}"
    if job.uses:
        return f"uses {' '.join(sorted(set(job.uses)))}"
    return job.affinity or job.file


def _unit(key: str, jobs: list[Job]) -> Unit:
    locks = frozenset(name for job in jobs for name in job.uses)
    return Unit(key, jobs, locks=locks, whole=_is_whole(jobs[0]), cost=setup_cost(jobs))


def setup_cost(jobs: Sequence[Job]) -> float:
    """Estimate the seconds of the set-up that jobs share.

    The one that ran first paid for all: the largest measured set-up minus the usual one.
    """
    if not jobs[0].affinity:
        return 0.0
    measured = [job.setup for job in jobs if job.known]
    if not measured:
        return UNKNOWN_COST
    import statistics

    return max(measured) - (statistics.median(measured) if len(measured) > 1 else 0.0)
