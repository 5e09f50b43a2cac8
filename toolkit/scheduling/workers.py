"""How many workers pay off: from measured CPU time, waiting time and the price of a worker.

xdist is not free: every worker imports and collects everything, and every test is reported to the
controller, which is one process. For ten thousand tests of a millisecond, two workers on two cores took
1.7 times as long as no workers at all. So "auto" is the count with the shortest predicted time.
"""

from collections.abc import Sequence

import msgspec

from toolkit.scheduling.jobs import Job
from toolkit.scheduling.makespan import SIMULATED, makespan, outline

MOST_PER_CORE = 4
"""Tests that wait (for servers, disks, sleeps) may share a core, but at most so many."""

WORTHWHILE = 0.97
"""A larger count must take at most this share of the time of a smaller one to be chosen."""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run costs beside the tests, in seconds. The defaults were measured on a 2-core machine."""

    collection: float = 0.5
    """From the start to the first test without workers."""
    start: float | None = None
    """The same with one worker per core; None: a process's start and the collection in each."""
    end: float = 0.2
    """Ending the workers, one per core."""
    worker: float = 0.35
    """Starting one worker process, before it collects."""
    test: float = 0.0006
    """pytest's own work per test, CPU."""
    report: float = 0.0005
    """What a worker needs per test to report it, CPU."""
    controller: float = 0.0011
    """What the controller needs per test, CPU; there is only one of it."""

    def scaled(self, factor: float) -> "Costs":
        """Return the costs per test on a machine that is so much slower."""
        return msgspec.structs.replace(
            self, test=self.test * factor, report=self.report * factor, controller=self.controller * factor
        )

    def with_collection(self, seconds: float) -> "Costs":
        """Return the costs with a measured time to the first test without workers."""
        return msgspec.structs.replace(self, collection=seconds)

    def with_start(self, seconds: float) -> "Costs":
        """Return the costs with a measured time to the first test with workers."""
        return msgspec.structs.replace(self, start=seconds)


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """How long a run would take with so many workers, in seconds from its start."""

    workers: int
    seconds: float


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The number of workers, and why."""

    workers: int
    seconds: float
    compared: tuple[Prediction, ...]

    @property
    def reason(self) -> str:
        """One line for the terminal."""
        others = ", ".join(f"{row.workers}: {row.seconds:.1f} s" for row in self.compared)
        return f"{self.workers} workers, predicted from earlier runs ({others})"


class Workload:
    """Jobs whose time is predicted for several numbers of workers.

    Args:
        jobs: what will run.
        cores: of the machine.
        costs: of the machine.
        simulate: whether to simulate the schedule, if the jobs are few enough; else its bound counts.
    """

    def __init__(self, jobs: Sequence[Job], cores: int, costs: Costs, *, simulate: bool = True) -> None:
        self._jobs = jobs
        self._simulate = simulate and len(jobs) <= SIMULATED
        self._cores = cores
        self._costs = costs
        self._outline = outline(jobs)
        self._cpu = sum(
            job.duration if job.cpu is None else min(job.cpu, job.duration * cores) for job in jobs
        )

    def seconds(self, workers: int) -> float:
        """Return the predicted seconds of a run.

        It is no shorter than the schedule, the CPU work on all cores, and the work of the controller.
        """
        count, costs, cores = len(self._jobs), self._costs, self._cores
        if workers == 0:
            total = self._outline.serial + self._outline.parallel
            return costs.collection + total + count * costs.test
        per_test = costs.test + costs.report
        crowd = max(1.0, workers / cores)
        start = costs.worker + costs.collection if costs.start is None else costs.start
        around = (start + costs.end) * crowd
        schedule = self._schedule(workers) + count * per_test / workers
        work = (self._cpu + count * (per_test + costs.controller)) / cores
        return around + max(schedule, work, count * costs.controller)

    def _schedule(self, workers: int) -> float:
        return makespan(self._jobs, workers) if self._simulate else self._outline.bound(workers)


def predict(jobs: Sequence[Job], workers: int, *, cores: int, costs: Costs, simulate: bool = True) -> float:
    """Return the predicted seconds of a run of these jobs on one machine. See :class:`Workload`."""
    return Workload(jobs, cores, costs, simulate=simulate).seconds(workers)


def choose_workers(
    jobs: Sequence[Job],
    *,
    cores: int,
    costs: Costs | None = None,
    most: int | None = None,
    simulate: bool = True,
) -> Choice:
    """Choose the number of workers with the shortest predicted time; of nearly equal ones the smallest.

    Args:
        jobs: what will run.
        cores: of this machine, at least 1.
        costs: of this machine; None: the defaults.
        most: never more than this.
        simulate: see :class:`Workload`.
    """
    costs = costs or Costs()
    load = Workload(jobs, cores, costs, simulate=simulate)
    rows = [
        Prediction(workers=workers, seconds=load.seconds(workers))
        for workers in _candidates(jobs, cores, most)
    ]
    best = rows[0]
    for row in rows[1:]:
        if row.seconds < best.seconds * WORTHWHILE:
            best = row
    return Choice(workers=best.workers, seconds=best.seconds, compared=tuple(rows))


def _candidates(jobs: Sequence[Job], cores: int, most: int | None) -> list[int]:
    """0, then 2 up to the cores, and beyond where tests mostly wait; many cores in steps."""
    highest = max(cores, min(round(cores / max(_busy_share(jobs), 0.01)), cores * MOST_PER_CORE))
    highest = min(highest, len(jobs), highest if most is None else most)
    counts = range(2, highest + 1)
    steps = [count for count in counts if count <= _EVERY or count in {cores, highest} or count % 4 == 0]
    return [0, *steps]


_EVERY = 8


def _busy_share(jobs: Sequence[Job]) -> float:
    """Share of their time in which tests with measured CPU time keep a core busy; 1 when unknown."""
    measured = [job for job in jobs if job.cpu is not None and job.duration > 0]
    seconds = sum(job.duration for job in measured)
    if len(measured) < len(jobs) / 2 or not seconds:
        return 1.0
    return min(sum(job.cpu or 0.0 for job in measured) / seconds, 1.0)
