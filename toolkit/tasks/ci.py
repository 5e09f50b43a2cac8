"""``invoke ci.*``: the definitions of GitHub Actions and GitLab CI, written and kept true."""

from pathlib import Path
from typing import Any

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.ci.files import Platform, child_definition, default_path, definition, write
from toolkit.ci.files import check as check_files
from toolkit.ci.jobs import CiJob, Row, chosen_sessions, cut, is_planned, make_jobs
from toolkit.config import Config, load_config
from toolkit.reports.writing import place
from toolkit.scheduling.plan import Plan, write_plan
from toolkit.scheduling.planning import Wanted, fit, predict_parts
from toolkit.tasks.collecting import collect_plan, find_profile, parse_seconds
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"

_WRITING = {
    "output": "file to write; default: the configured one; -: print it",
    "force": "also replace a file that was not written by this task",
}


@task(help=_WRITING)
def github(_context: Context, *, output: str = "", force: bool = False) -> None:
    """Write the workflow of GitHub Actions, from [tool.toolkit.ci] and the sessions of the noxfile."""
    _write("github", output, force=force)


@task(
    help={
        **_WRITING,
        "planned": "write the child pipeline of one run, with as many shards as ci.target needs now",
        "plans": "also write the plan files there, from which the jobs cut their shards",
        "cores": "cores of each CI machine; default: of this one",
    }
)
def gitlab(
    _context: Context,
    *,
    output: str = "",
    force: bool = False,
    planned: bool = False,
    plans: str = "",
    cores: int = 0,
) -> None:
    """Write the pipeline of GitLab, from [tool.toolkit.ci] and the sessions of the noxfile."""
    if not planned:
        _write("gitlab", output, force=force)
        return
    config = load_config()
    jobs = [
        cut(config, job, plan_job(config, job, plans, cores).shards) if is_planned(config, job) else job
        for job in make_jobs(config, chosen_sessions(config))
    ]
    text = child_definition(config, jobs)
    if output in {"", "-"}:
        print(text, end="")  # noqa: T201 - a door prints
    else:
        place(Path(output), [text])


def _write(platform: Platform, output: str, *, force: bool) -> None:
    config = load_config()
    text = definition(config, platform, make_jobs(config, chosen_sessions(config)))
    if output == "-":
        print(text, end="")  # noqa: T201 - a door prints
        return
    path = Path(output) if output else default_path(config, platform)
    changed = write(text, path, force=force)
    print(f"{path}: {'written' if changed else 'is true'}")  # noqa: T201 - a door prints


@task(help={"json": AS_JSON})
def check(_context: Context, *, json: bool = False) -> None:
    """Tell whether the written definitions are still true; exit 1 with the differences when not."""
    found = check_files(load_config())
    if json:
        print_json(found)
    else:
        for row in found:
            print(f"{row.path}: {row.state}")  # noqa: T201 - a door prints
            if row.diff:
                print(row.diff, end="")  # noqa: T201
    stale = [row for row in found if row.state == "stale"]
    if stale:
        raise Exit("run again: " + ", ".join(f"invoke ci.{row.platform}" for row in stale), 1)


@task(
    help={
        "target-time": "each job of a profile should end in this time: 90s, 5m; default: ci.target",
        "plans": "also write the plan files there, from which the jobs cut their shards",
        "cores": "cores of each CI machine; default: of this one",
        "github": "print lines for $GITHUB_OUTPUT: one matrix for each job that is planned",
        "json": AS_JSON,
    }
)
def matrix(
    _context: Context,
    *,
    target_time: str = "",
    plans: str = "",
    cores: int = 0,
    github: bool = False,
    json: bool = False,
) -> None:
    """Show the machines of a CI run: sessions as `nox --list --json` has them, Pythons, shards."""
    config = load_config()
    if target_time:
        parse_seconds(target_time)
        config = msgspec.structs.replace(config, ci=msgspec.structs.replace(config.ci, target=target_time))
    jobs = make_jobs(config, chosen_sessions(config))
    rows = {job.id: _machines(config, job, plans, cores) for job in jobs}
    if github:
        for job in jobs:
            if is_planned(config, job):
                include = [{key: row[key] for key in ("session", "python", "shard")} for row in rows[job.id]]
                print(f"{job.id}={msgspec.json.encode({'include': include}).decode()}")  # noqa: T201
        return
    machines = [row for job in jobs for row in rows[job.id]]
    if json:
        print_json({"target": config.ci.target or None, "include": machines})
        return
    cells = ((row["session"], row["python"], row["shard"], _about(row)) for row in machines)
    title = f"{len(machines)} machines"
    print_table(wide_console(), title, ("session", "python", "shard", "about"), cells)


def _about(row: dict[str, Any]) -> str:
    return f"{row['tests']} tests, {row['estimate']:.1f} s" if "tests" in row else ""


def _machines(config: Config, job: CiJob, plans: str, cores: int) -> list[dict[str, Any]]:
    """Return the rows of a job; those of a profile in as many shards as the target time needs."""
    if not is_planned(config, job):
        return [_machine(job, row, row.shard) for row in job.rows]
    plan = plan_job(config, job, plans, cores)
    return [
        {
            **_machine(job, row, f"{number}/{plan.shards}"),
            "tests": tests,
            "estimate": round(seconds, 2),
        }
        for row in job.rows
        for number, (tests, seconds) in enumerate(predict_parts(plan), start=1)
    ]


def plan_job(config: Config, job: CiJob, plans: str, cores: int) -> Plan:
    """Collect the tests of a profile and plan as many shards as its target time needs; write the plan."""
    profile = find_profile(config, job.name)
    wanted = Wanted(
        order=profile.order,
        workers=profile.workers if isinstance(profile.workers, int) else None,
        most_workers=profile.max_workers,
        target=parse_seconds(config.ci.target),
    )
    plan = fit(collect_plan(config, job.name), wanted, cores=cores or None)
    if plans:
        Path(plans).mkdir(parents=True, exist_ok=True)
        write_plan(plan, Path(plans) / f"{job.name}.json")
    return plan


def _machine(job: CiJob, row: Row, shard: str) -> dict[str, Any]:
    return {"job": job.id, "session": row.session, "python": row.python, "shard": shard}


ns = Collection(check, github, gitlab, matrix)
