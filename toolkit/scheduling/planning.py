"""Making a plan: select, order, shard as one pure function of history, changes and configuration."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from toolkit.errors import PlanError
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience, Job, Traits, make_jobs
from toolkit.scheduling.makespan import SIMULATED, bound
from toolkit.scheduling.order import arrange
from toolkit.scheduling.plan import About, LeftOut, Machine, Plan, PlannedTest
from toolkit.scheduling.shards import split_jobs
from toolkit.scheduling.workers import Choice, choose_workers, predict

MOST_SHARDS = 256
"""As many jobs as a CI matrix may have."""


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
    plan = Plan(
        made=made,
        about=about or About(),
        machine=machine,
        order=wanted.order,
        seed=wanted.seed,
        tests=_planned(jobs, reasons),
        left_out=tuple(left_out),
    )
    return fit(plan, wanted)


def fit(plan: Plan, wanted: Wanted, *, cores: int | None = None) -> Plan:
    """Decide anew on how many workers and machines the tests of a plan run.

    Args:
        plan: its tests and their order stay.
        wanted: workers, shards or target time.
        cores: of each machine; None: as the plan says.

    Raises:
        PlanError: the target time cannot be met with any number of shards.
    """
    machine = plan.machine if cores is None else msgspec.structs.replace(plan.machine, cores=cores)
    jobs = plan.jobs()
    if wanted.shards is None and wanted.target is not None:
        shards = shards_for(jobs, wanted.target, machine=machine, wanted=wanted)
    else:
        shards = wanted.shards or 1
    seconds, choice = _slowest(jobs, shards, machine, wanted)
    return msgspec.structs.replace(
        plan,
        machine=machine,
        workers=choice.workers,
        shards=shards,
        estimate=seconds,
        alone=predict(jobs, 0, cores=machine.cores, costs=machine.costs),
        lower_bound=bound(jobs, max(choice.workers, 1) * shards),
    )


def shards_for(jobs: Sequence[Job], target: float, *, machine: Machine, wanted: Wanted) -> int:
    """Return the smallest number of machines that end within the target time, in seconds.

    Raises:
        PlanError: even one test per machine would take longer; names what is in the way.
    """
    low, high = 1, min(MOST_SHARDS, max(len(jobs), 1))
    if _slowest(jobs, high, machine, wanted)[0] > target:
        raise PlanError(_unreachable(jobs, target, high, machine), hint=_WHAT_HELPS)
    while low < high:
        middle = (low + high) // 2
        if _slowest(jobs, middle, machine, wanted)[0] <= target:
            high = middle
        else:
            low = middle + 1
    return high


_WHAT_HELPS = "split the test or the group that is named, make it faster, or choose a longer time"


def _slowest(jobs: Sequence[Job], shards: int, machine: Machine, wanted: Wanted) -> tuple[float, Choice]:
    """Predict the slowest shard, each with the workers that pay off for the heaviest of them."""
    parts = _parts(jobs, shards)
    heaviest = max(parts, key=lambda part: sum(job.duration for job in part))
    simulate = len(jobs) <= SIMULATED
    choice = _workers(heaviest, machine, wanted, simulate=simulate)
    return max(_seconds(parts, choice.workers, machine, simulate=simulate)), choice


def _seconds(
    parts: Iterable[Sequence[Job]], workers: int, machine: Machine, *, simulate: bool
) -> Iterator[float]:
    """Predict each shard; together they are simulated only as far as one machine's jobs would be."""
    return (
        predict(part, workers, cores=machine.cores, costs=machine.costs, simulate=simulate) for part in parts
    )


def _parts(jobs: Sequence[Job], shards: int) -> list[list[Job]]:
    if shards == 1:
        return [list(jobs)]
    return split_jobs(jobs, shards)


def predict_parts(plan: Plan) -> list[tuple[int, float]]:
    """Return the number of tests of each shard and its predicted seconds from start to end."""
    parts = _parts(plan.jobs(), plan.shards)
    simulate = len(plan.tests) <= SIMULATED
    seconds = _seconds(parts, plan.workers, plan.machine, simulate=simulate)
    return list(zip(map(len, parts), seconds, strict=True))


def _workers(jobs: Sequence[Job], machine: Machine, wanted: Wanted, *, simulate: bool) -> Choice:
    if wanted.workers is not None:
        (seconds,) = _seconds([jobs], wanted.workers, machine, simulate=simulate)
        return Choice(workers=wanted.workers, seconds=seconds, compared=())
    return choose_workers(
        jobs, cores=machine.cores, costs=machine.costs, most=wanted.most_workers, simulate=simulate
    )


def _unreachable(jobs: Sequence[Job], target: float, shards: int, machine: Machine) -> str:
    groups: dict[str, float] = {}
    for job in jobs:
        key = f"the group {job.group!r}" if job.group else job.test
        groups[key] = groups.get(key, 0.0) + job.duration
    name, seconds = max(groups.items(), key=lambda row: row[1], default=("nothing", 0.0))
    start = machine.costs.collection
    return (
        f"{target:.1f} s cannot be met, not even with {shards} machines: starting takes {start:.1f} s "
        f"and {name} takes {seconds:.1f} s"
    )


def _planned(jobs: Sequence[Job], reasons: Mapping[NodeId, str]) -> tuple[PlannedTest, ...]:
    rows = msgspec.convert(list(jobs), tuple[PlannedTest, ...], from_attributes=True)
    if not reasons:
        return rows
    return tuple(msgspec.structs.replace(row, reason=reasons.get(row.test, "")) for row in rows)
