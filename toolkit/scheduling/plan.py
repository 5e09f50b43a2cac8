"""The plan as a record and as a file.

A plan file is made once and given to every machine: all of them then run the same shards, and a machine
that is repeated runs the same tests. A plan lists what is left out; a test that it has never seen always
runs.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from toolkit.errors import PlanError
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience, Job, Traits, make_jobs
from toolkit.scheduling.shards import split
from toolkit.scheduling.workers import Costs

VERSION = 1
"""Of the plan file. A file with a higher one is refused."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A test that was collected and will not run."""

    test: NodeId
    reason: str = ""


class PlannedTest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A test that will run, with what decides where and when."""

    test: NodeId
    duration: float
    """Expected seconds."""
    known: bool = False
    setup: float = 0.0
    cpu: float | None = None
    memory: int | None = None
    risk: float = 0.0
    urgency: float | None = None
    serial: bool = False
    uses: tuple[str, ...] = ()
    group: str = ""
    affinity: str = ""
    isolated: bool = False
    reason: str = ""
    """Why it was selected; empty: everything was."""

    def job(self) -> Job:
        """Return what the scheduler takes."""
        return msgspec.convert(self, Job, from_attributes=True)


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan is for."""

    project: str = ""
    profile: str = ""
    python: str = ""
    commit: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the plan will run."""

    cores: int = 2
    costs: Costs = Costs()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the next run executes, in which order, where."""

    version: int = VERSION
    made: float
    about: About = About()
    machine: Machine = Machine()
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
        return msgspec.convert(self.tests, list[Job], from_attributes=True)

    @property
    def digest(self) -> str:
        """Six letters that differ when the shards could differ."""
        data = msgspec.json.encode([(row.test, row.duration, row.group, row.affinity) for row in self.tests])
        return hashlib.blake2b(data, digest_size=3).hexdigest()


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
