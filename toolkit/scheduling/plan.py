"""The plan: select, order, shard as one pure function of history, changes and configuration.

A plan file is made once and given to every machine: all of them then run the same shards, and a machine
that is repeated runs the same tests. A plan lists what is left out; a test that it has never seen always
runs.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import PlanError
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience, Job, Traits, make_jobs
from toolkit.scheduling.makespan import bound
from toolkit.scheduling.order import arrange
from toolkit.scheduling.shards import split
from toolkit.scheduling.workers import Choice, Costs, choose_workers, predict

VERSION = 1
"""Of the plan file. A file with a higher one is refused."""

MOST_SHARDS = 256
"""As many jobs as a CI matrix may have."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A test that was collected and will not run."""

    test: NodeId
    reason: str = ""


class PlannedTest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A test that will run, with what decides where and when."""

    test: NodeId
    duration: float
    """Expected seconds."""
    known: bool = False
    setup: float = 0.0
    cpu: float | None = None
    memory: int | None = None
    risk: float = 0.0
    serial: bool = False
    uses: tuple[str, ...] = ()
    group: str = ""
    affinity: str = ""
    isolated: bool = False
    reason: str = ""
    """Why it was selected; empty: everything was."""

    def job(self) -> Job:
        """Return what the scheduler takes."""
        fields = {name: getattr(self, name) for name in Job.__struct_fields__}
        return Job(**fields)


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan is for."""

    project: str = ""
    profile: str = ""
    python: str = ""
    commit: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the next run executes, in which order, where."""

    version: int = VERSION
    made: float
    about: About = About()
    order: str = "smart"
    seed: int | None = None
    workers: int = 0
    shards: int = 1
    estimate: float = 0.0
    """Predicted seconds from start to end, of the slowest shard."""
    alone: float = 0.0
    """Predicted seconds of everything in one process."""
    lower_bound: float = 0.0
    """No schedule of the tests themselves is shorter with these workers and shards."""
    tests: tuple[PlannedTest, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def jobs(self) -> list[Job]:
        """Return what the scheduler takes, in the planned order."""
        return [planned.job() for planned in self.tests]

    @property
    def digest(self) -> str:
        """Six letters that differ when the shards could differ."""
        data = msgspec.json.encode([(row.test, row.duration, row.group, row.affinity) for row in self.tests])
        return hashlib.blake2b(data, digest_size=3).hexdigest()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants of a plan.

    Attributes:
        order: see :mod:`toolkit.scheduling.order`.
        seed: of a random order.
        workers: per machine; None: as many as pay off.
        most_workers: what "as many as pay off" may choose.
        shards: machines; None: what ``target`` needs, else 1.
        target: seconds in which the run should end.
    """

    order: str = "smart"
    seed: int | None = None
    workers: int | None = None
    most_workers: int | None = None
    shards: int | None = None
    target: float | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the plan will run."""

    cores: int = 2
    costs: Costs = Costs()


def make_plan(
    traits: Iterable[Traits],
    experience: Mapping[NodeId, Experience],
    *,
    made: float,
    machine: Machine,
    wanted: Wanted | None = None,
    reasons: Mapping[NodeId, str] | None = None,
    left_out: Iterable[LeftOut] = (),
    about: About | None = None,
) -> Plan:
    """Decide what runs, in which order, on how many workers and machines.

    Args:
        traits: the tests that were selected, as collected.
        experience: what earlier runs say.
        made: Unix time of the plan.
        machine: where it will run.
        wanted: what the user asks for.
        reasons: why a test was selected.
        left_out: what was collected and will not run.
        about: what the plan is for.

    Raises:
        PlanError: the target time cannot be met with any number of shards.
    """
    wanted = wanted or Wanted()
    reasons = reasons or {}
    jobs = arrange(make_jobs(traits, experience), wanted.order, seed=wanted.seed or 0)
    choice = _workers(jobs, machine, wanted)
    shards = wanted.shards or 1
    if wanted.shards is None and wanted.target is not None:
        shards, choice = shards_for(jobs, wanted.target, machine=machine, wanted=wanted)
    estimate = estimate_shards(jobs, shards, choice.workers, machine)
    return Plan(
        made=made,
        order=wanted.order,
        seed=wanted.seed,
        workers=choice.workers,
        shards=shards,
        estimate=estimate,
        alone=predict(jobs, 0, cores=machine.cores, costs=machine.costs),
        lower_bound=bound(jobs, max(choice.workers, 1) * shards),
        tests=tuple(_planned(job, reasons.get(job.test, "")) for job in jobs),
        left_out=tuple(left_out),
        about=about or About(),
    )


def estimate_shards(jobs: Sequence[Job], shards: int, workers: int, machine: Machine) -> float:
    """Predict the seconds of the slowest shard."""
    by_test = {job.test: job for job in jobs}
    parts = split(jobs, shards) if shards > 1 else [[job.test for job in jobs]]
    times = (
        predict([by_test[test] for test in part], workers, cores=machine.cores, costs=machine.costs)
        for part in parts
    )
    return max(times, default=0.0)


def shards_for(jobs: Sequence[Job], target: float, *, machine: Machine, wanted: Wanted) -> tuple[int, Choice]:
    """Return the smallest number of machines that end within the target time, and the workers of each.

    Raises:
        PlanError: even one test per machine would take longer; names what is in the way.
    """
    low, high = 1, min(MOST_SHARDS, max(len(jobs), 1))
    if _time(jobs, high, machine, wanted)[0] > target:
        raise PlanError(_unreachable(jobs, target, high, machine), hint=_WHAT_HELPS)
    while low < high:
        middle = (low + high) // 2
        if _time(jobs, middle, machine, wanted)[0] <= target:
            high = middle
        else:
            low = middle + 1
    return high, _time(jobs, high, machine, wanted)[1]


_WHAT_HELPS = "split the test or the group that is named, make it faster, or choose a longer time"


def _time(jobs: Sequence[Job], shards: int, machine: Machine, wanted: Wanted) -> tuple[float, Choice]:
    """Predict the slowest shard when each has the workers that pay off for it."""
    by_test = {job.test: job for job in jobs}
    parts = [[by_test[test] for test in part] for part in split(jobs, shards)]
    heaviest = max(parts, key=lambda part: sum(job.duration for job in part))
    choice = _workers(heaviest, machine, wanted)
    return max(
        predict(part, choice.workers, cores=machine.cores, costs=machine.costs) for part in parts
    ), choice


def _workers(jobs: Sequence[Job], machine: Machine, wanted: Wanted) -> Choice:
    if wanted.workers is not None:
        seconds = predict(jobs, wanted.workers, cores=machine.cores, costs=machine.costs)
        return Choice(workers=wanted.workers, seconds=seconds, compared=())
    return choose_workers(jobs, cores=machine.cores, costs=machine.costs, most=wanted.most_workers)


def _unreachable(jobs: Sequence[Job], target: float, shards: int, machine: Machine) -> str:
    groups: dict[str, float] = {}
    for job in jobs:
        key = f"the group {job.group!r}" if job.group else job.test
        groups[key] = groups.get(key, 0.0) + job.duration
    name, seconds = max(groups.items(), key=lambda row: row[1], default=("nothing", 0.0))
    start = machine.costs.collection
    return (
        f"{target:.0f} s cannot be met, not even with {shards} machines: starting takes {start:.1f} s "
        f"and {name} takes {seconds:.1f} s"
    )


def _planned(job: Job, reason: str) -> PlannedTest:
    return PlannedTest(reason=reason, **{name: getattr(job, name) for name in Job.__struct_fields__})


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan file; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n")
    temporary.replace(path)


def read_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        PlanError: it cannot be read, is no plan, or was made by a newer toolkit.
    """
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except OSError as error:
        raise PlanError(f"plan {path}: cannot be read: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise PlanError(f"plan {path}: not a plan file: {error}", hint=_HOW_TO_MAKE) from error
    if plan.version > VERSION:
        raise PlanError(
            f"plan {path}: version {plan.version}, this toolkit knows {VERSION}", hint=_HOW_TO_MAKE
        )
    return plan


_HOW_TO_MAKE = "make one with: pytest --collect-only --write-plan plan.json"


def shard_of(plan: Plan | None, jobs: Sequence[Job], number: int, count: int) -> list[NodeId]:
    """Return the tests of one shard among those that were collected.

    With a plan, its durations and groups decide, so that machines agree whatever their own history says;
    without one, all tests weigh the same. Tests that the plan does not know take its median.

    Args:
        plan: read from the file that all machines share; None: none.
        jobs: what was collected and selected here, without history.
        number: from 1.
        count: of all shards.
    """
    if plan is not None:
        planned = {row.test: Experience(duration=row.duration, setup=row.setup) for row in plan.tests}
        jobs = make_jobs((_traits(job) for job in jobs), planned)
    ordered = sorted(jobs, key=lambda job: job.test)  # whatever the order of collection
    chosen = frozenset(split(ordered, count)[number - 1])
    return [job.test for job in jobs if job.test in chosen]


def _traits(job: Job) -> Traits:
    return Traits(**{name: getattr(job, name) for name in Traits.__struct_fields__})
