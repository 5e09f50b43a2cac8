"""How much memory and CPU the tests of a run may need together, and which of them must wait for it.

Only tests that need more than their share wait: the others fit in any combination. Nobody waits for ever: one
heavy test may always run, and a test that does not fit beside the others runs alone.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from toolkit.records import NodeId
from toolkit.scheduling.jobs import Job

SEVERAL_CORES = 1.25
"""A test that keeps more cores busy than this has threads or processes of its own."""

MEGABYTE = 1024 * 1024


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests of a run may need together on this machine."""

    memory: int = 2048 * MEGABYTE
    """Bytes of all worker processes together."""
    cores: float = 1.6
    """Cores that tests with several threads or processes may keep busy together."""


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """What a heavy test needs beyond what every test may have."""

    memory: float = 0.0
    cores: float = 0.0


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Which tests are heavy, and how much of it fits.

    Attributes:
        weights: of the heavy tests.
        room: how much they may weigh together.
        alone: tests that fit only when nothing else runs.
        beyond: those of them that exceed the ceiling even alone.
    """

    weights: Mapping[NodeId, Weight] = {}
    room: Weight = Weight()
    alone: frozenset[NodeId] = frozenset()
    beyond: frozenset[NodeId] = frozenset()

    def fits(self, wanted: Weight, used: Iterable[Weight]) -> bool:
        """Tell whether one more heavy test may start beside those that run."""
        running = list(used)
        if not running:
            return True
        memory = wanted.memory + sum(weight.memory for weight in running)
        cores = wanted.cores + sum(weight.cores for weight in running)
        return memory <= self.room.memory and cores <= self.room.cores

    def of(self, jobs: Iterable[Job | None]) -> Weight | None:
        """Return the weight of jobs that run one after the other; None: none of them is heavy."""
        found = [self.weights[job.test] for job in jobs if job is not None and job.test in self.weights]
        if not found:
            return None
        return Weight(
            memory=max(weight.memory for weight in found), cores=max(weight.cores for weight in found)
        )


def weigh(jobs: Sequence[Job], workers: int, ceiling: Ceiling) -> Load:
    """Find the heavy tests among those whose needs were measured.

    A worker's share of the memory is the ceiling divided by the workers. Tests within it are light; the
    largest of them says what every other worker may hold while a heavy one runs.
    """
    share = ceiling.memory / max(workers, 1)
    light = max((job.memory for job in jobs if job.memory is not None and job.memory <= share), default=0)
    room = Weight(memory=ceiling.memory - light * max(workers, 1), cores=ceiling.cores)
    weights: dict[NodeId, Weight] = {}
    for job in jobs:
        memory = max((job.memory or 0) - light, 0) if (job.memory or 0) > share else 0
        cores = busy_cores(job)
        if memory or cores > SEVERAL_CORES:
            weights[job.test] = Weight(memory=memory, cores=cores if cores > SEVERAL_CORES else 0.0)
    alone = {test for test, weight in weights.items() if weight.memory > room.memory}
    memory_of = {job.test: job.memory or 0 for job in jobs}
    return Load(
        weights={test: weight for test, weight in weights.items() if test not in alone},
        room=room,
        alone=frozenset(alone),
        beyond=frozenset(test for test in alone if memory_of[test] > ceiling.memory),
    )


def busy_cores(job: Job) -> float:
    """Return how many cores a test kept busy on average; 0 when unknown or too short to tell."""
    if job.cpu is None or job.duration < _TOO_SHORT:
        return 0.0
    return job.cpu / job.duration


_TOO_SHORT = 0.2


def put_alone(jobs: Sequence[Job], load: Load) -> list[Job]:
    """Make the tests serial that fit only when nothing else runs."""
    if not load.alone:
        return list(jobs)
    return [msgspec.structs.replace(job, serial=True) if job.test in load.alone else job for job in jobs]
