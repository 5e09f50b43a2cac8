"""How long jobs take on several workers: the real dispatcher, in virtual time."""

import heapq
import itertools
from collections.abc import Sequence

import msgspec

from toolkit.scheduling.dispatch import Dispatch
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.seats import Order as Sending
from toolkit.scheduling.units import make_units

SIMULATED = 5_000
"""More jobs than this are so many that the bound tells enough."""


def makespan(jobs: Sequence[Job], workers: int, *, overtake: bool = True) -> float:
    """Return the seconds from the first job's start to the last one's end.

    Args:
        jobs: in the order that they are given out.
        workers: 0 or 1: one after the other.
        overtake: whether long jobs may leave the order.
    """
    if workers <= 1:
        return sum(job.duration for job in jobs)
    if len(jobs) > SIMULATED:
        return bound(jobs, workers)
    return _simulate(Dispatch(jobs, overtake=overtake), workers)


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds the time of jobs on any number of workers, in seconds.

    Attributes:
        serial: of the jobs that run alone.
        parallel: of the others.
        longest: of these, the longest single one.
        chain: of these, the longest group or chain of one resource.
    """

    serial: float
    parallel: float
    longest: float
    chain: float

    def bound(self, workers: int) -> float:
        """No schedule is shorter: serial jobs, then the mean load, the longest job or the longest chain."""
        return self.serial + max(self.parallel / max(workers, 1), self.longest, self.chain)


def outline(jobs: Sequence[Job]) -> Outline:
    """Sum up jobs; linear."""
    others = [job for job in jobs if not job.serial]
    bound_together = [job for job in others if job.group or job.uses]
    durations = [job.duration for job in others]
    return Outline(
        serial=sum(job.duration for job in jobs if job.serial) if len(others) < len(jobs) else 0.0,
        parallel=sum(durations),
        longest=max(durations, default=0.0),
        chain=max((unit.left for unit in make_units(bound_together)), default=0.0),
    )


def bound(jobs: Sequence[Job], workers: int) -> float:
    """No schedule of these jobs on so many workers is shorter."""
    return outline(jobs).bound(workers)


def _simulate(dispatch: Dispatch, workers: int) -> float:
    for worker in range(workers):
        dispatch.join(worker)
    agenda: list[tuple[float, int, int]] = []
    count = itertools.count()
    busy: set[int] = set()
    now = 0.0

    def start(worker: int) -> None:
        seat = dispatch.seats[worker]
        ready = len(seat.queue) > 1 or (seat.closing and seat.queue)
        if ready and worker not in busy:
            busy.add(worker)
            job = seat.queue[0]
            heapq.heappush(agenda, (now + (job.duration if job else 0.0), next(count), worker))

    def carry_out(sendings: Sequence[Sending]) -> None:
        for sending in sendings:
            start(sending.worker)  # type: ignore[arg-type]  # the workers are our numbers

    carry_out(dispatch.advance())
    while agenda:
        now, _, worker = heapq.heappop(agenda)
        busy.discard(worker)
        job = dispatch.seats[worker].queue[0]
        sendings = dispatch.done(worker, job.test if job else None, job.duration if job else 0.0)
        start(worker)
        carry_out(sendings)
    return now
