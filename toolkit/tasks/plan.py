"""``invoke plan.*``: what the next run executes, in which order, where, and why."""

import shlex
from pathlib import Path
from typing import Any

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from toolkit.config import Config, load_config
from toolkit.errors import UsageError
from toolkit.impact.session import ImpactSession
from toolkit.scheduling.plan import Plan, write_plan
from toolkit.scheduling.planning import Wanted, fit, predict_parts
from toolkit.tasks.collecting import collect_plan, find_profile, parse_seconds
from toolkit.tasks.dependencies import dependencies
from toolkit.tasks.door import print_json, task
from toolkit.tasks.selection import explain, export, import_, recall, recorded

AS_JSON = "print JSON and nothing else"
_ARGUMENTS = {
    "profile": "the profile to plan; without one: all tests",
    "python": "the Python that collects; default: the profile's Nox environment, else this one",
    "arguments": "more pytest arguments, as one quoted string",
    "impacted": "only the tests that pytest --impacted would run",
    "ref": "also what changed since this git revision",
}


@task(
    help={
        **_ARGUMENTS,
        "shards": "so many machines",
        "target-time": "as many machines as it takes to end in this time: 90s, 5m, 1h",
        "cores": "cores of each machine; default: of this one",
        "output": "also write the plan file, for --plan",
        "json": AS_JSON,
    }
)
def show(
    _context: Context,
    *,
    profile: str = "",
    python: str = "",
    arguments: str = "",
    impacted: bool = False,
    ref: str = "",
    shards: int = 0,
    target_time: str = "",
    cores: int = 0,
    output: str = "",
    json: bool = False,
) -> None:
    """Show what the next run executes, in which order, on how many workers and machines, and for how long."""
    config = load_config()
    plan = collect_plan(config, profile, python=python, arguments=_words(arguments, impacted, ref))
    plan = fit(plan, _wanted(config, profile, shards, target_time), cores=cores or None)
    if impacted or ref:
        plan = _with_reasons(plan, ref)
    if output:
        write_plan(plan, Path(output))
    if json:
        print_json({**msgspec.to_builtins(plan), "digest": plan.digest})
    else:
        print_plan(Console(), plan)


@task(
    help={
        **_ARGUMENTS,
        "profile": "profiles to plan, separated by commas; default: unit",
        "target-time": "each job should end in this time: 90s, 5m, 1h",
        "cores": "cores of each CI machine",
        "output": "folder for one plan file per profile; the jobs need them",
        "json": AS_JSON,
    }
)
def matrix(
    _context: Context,
    *,
    profile: str = "unit",
    python: str = "",
    arguments: str = "",
    impacted: bool = False,
    ref: str = "",
    target_time: str = "5m",
    cores: int = 2,
    output: str = "",
    json: bool = False,
) -> None:
    """Make the matrix of a CI: profiles, Pythons, and as many shards as the target time needs."""
    config = load_config()
    jobs: list[dict[str, Any]] = []
    for name in filter(None, map(str.strip, profile.split(","))):
        plan = collect_plan(config, name, python=python, arguments=_words(arguments, impacted, ref))
        plan = fit(plan, _wanted(config, name, 0, target_time), cores=cores)
        file = Path(output) / f"{name}.json" if output else None
        if file is not None:
            write_plan(plan, file)
        for version in _pythons(config, name):
            jobs += _matrix_jobs(config, name, version, plan, file)
    if json:
        print_json({"target": parse_seconds(target_time), "include": jobs})
        return
    table = Table("session", "shard", "workers", "tests", "about", title=f"{len(jobs)} jobs")
    for job in jobs:
        cells = (
            job["session"],
            job["shard"] or "-",
            job["workers"],
            job["tests"],
            f"{job['estimate']:.1f} s",
        )
        table.add_row(*map(str, cells))
    Console().print(table)


def _matrix_jobs(
    config: Config, profile: str, version: str, plan: Plan, file: Path | None
) -> list[dict[str, Any]]:
    several = len(_pythons(config, profile)) > 1
    return [
        {
            "profile": profile,
            "python": version,
            "session": f"{profile}-{version}" if several else profile,
            "shard": f"{number}/{plan.shards}" if plan.shards > 1 else "",
            "workers": plan.workers,
            "tests": tests,
            "estimate": round(seconds, 2),
            "arguments": _job_arguments(plan, number, file),
        }
        for number, (tests, seconds) in enumerate(predict_parts(plan), start=1)
    ]


def _job_arguments(plan: Plan, number: int, file: Path | None) -> str:
    words = [f"--shard={number}/{plan.shards}"] if plan.shards > 1 else []
    words += [f"--plan={file.as_posix()}"] if file is not None and words else []
    return shlex.join(words)


def _pythons(config: Config, profile: str) -> tuple[str, ...]:
    chosen = find_profile(config, profile)
    return chosen.pythons or config.pythons or ("",)


def _words(arguments: str, impacted: bool, ref: str) -> list[str]:
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise UsageError(f"arguments {arguments!r}: {error}") from error
    if impacted or ref:
        words.append(f"--impacted={ref}" if ref else "--impacted")
    return words


def _with_reasons(plan: Plan, ref: str) -> Plan:
    """Say of each test why it is selected or left out, as far as its dependencies are recorded."""
    try:
        root, store = recorded()
    except UsageError:  # the first run with --impacted: everything runs and is recorded
        return plan
    with store:
        verdicts = ImpactSession(root, store).plan(reference=ref).verdicts
    because = {test: str(verdict) for test, verdict in verdicts.items()}
    tests = (msgspec.structs.replace(row, reason=because.get(row.test, "new")) for row in plan.tests)
    left_out = (
        msgspec.structs.replace(row, reason=because.get(row.test, row.reason)) for row in plan.left_out
    )
    return msgspec.structs.replace(plan, tests=tuple(tests), left_out=tuple(left_out))


def _wanted(config: Config, profile: str, shards: int, target_time: str) -> Wanted:
    if shards and target_time:
        raise UsageError("give --shards or --target-time, not both: one follows from the other")
    chosen = find_profile(config, profile)
    return Wanted(
        order=chosen.order,
        workers=chosen.workers if isinstance(chosen.workers, int) else None,
        most_workers=chosen.max_workers,
        shards=shards or None,
        target=parse_seconds(target_time) if target_time else None,
    )


def print_plan(console: Console, plan: Plan) -> None:
    """Print a plan for people: the totals, what runs first, what takes longest."""
    measured = sum(row.known for row in plan.tests)
    where = (
        f"{plan.shards} machines with {_workers(plan.workers)}" if plan.shards > 1 else _workers(plan.workers)
    )
    console.print(
        f"{len(plan.tests)} tests run ({measured} measured before), {len(plan.left_out)} are left out",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"on {where}: about {plan.estimate:.1f} s; alone {plan.alone:.1f} s; no schedule is shorter than "
        f"{plan.lower_bound:.1f} s of tests",
        highlight=False,
        soft_wrap=True,
    )
    table = _table("first", "seconds", "risk", "reason", title=f"order: {plan.order}")
    for row in plan.tests[:_SHOWN]:
        reason = row.reason or ("" if row.known else "not measured yet")
        table.add_row(escape(row.test), f"{row.duration:.3f}", f"{row.risk:.2f}", escape(reason))
    console.print(table)
    slowest = sorted(plan.tests, key=lambda row: -row.duration)[:_SHOWN]
    table = _table("slowest", "seconds")
    for row in slowest:
        table.add_row(escape(row.test), f"{row.duration:.3f}")
    console.print(table)


def _workers(count: int) -> str:
    return "one process" if count == 0 else "1 worker" if count == 1 else f"{count} workers"


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")  # a name that is cut off cannot be copied
    return table


_SHOWN = 10

ns = Collection(show, matrix, dependencies, explain, recall, export, import_)
