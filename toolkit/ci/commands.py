"""What the jobs run: the same commands on every CI."""

import shlex
from collections.abc import Sequence

from toolkit.ci.jobs import CiJob, collecting_row
from toolkit.config import Config
from toolkit.impact.store import STORE_NAME

HISTORY = "history.jsonl.gz"
DEPENDENCIES = "dependencies.z"

KEPT_RUNS = 200
"""So many runs of each profile stay in the history that CI keeps."""

REQUIREMENT = "nox-invoke-toolkit[control]"


def prefix(config: Config, jobs: Sequence[CiJob]) -> str:
    """Return what stands before ``nox`` and ``invoke``."""
    if config.ci.run:
        return config.ci.run
    with_toolkit = any(job.profile for job in jobs)
    return f"uvx --python {config.ci.python}" + (
        f" --with {shlex.quote(REQUIREMENT)}" if with_toolkit else ""
    )


def session_command(run: str, job: CiJob, *, plan: str = "") -> str:
    """Return the command of a job; the variables SESSION and SHARD say which row it is.

    Args:
        run: what stands before ``nox``.
        job: whose rows.
        plan: path of a plan file from which the shards are cut.
    """
    words = [f'{run} nox --session "$SESSION"']
    if job.sharded or plan:
        words.append('-- "--shard=$SHARD"')
    if plan:
        words.append(f"--plan={shlex.quote(plan)}")
    return " ".join(words)


def environments(config: Config, run: str, jobs: Sequence[CiJob]) -> str:
    """Return the command that makes the environments in which the tests of planned jobs are collected."""
    rows = [collecting_row(job, config.ci.python) for job in jobs]
    return " ".join([run, "nox --install-only", *(f"--session {shlex.quote(row.session)}" for row in rows)])


def kept_folder(config: Config) -> str:
    """Return the folder that CI caches between runs."""
    return f"{config.state}/ci"


def caches_history(config: Config) -> bool:
    """Tell whether the history is a file that CI has to carry; else it is a server's."""
    return "://" not in config.history


def take_in(config: Config, run: str) -> str:
    """Return the command that takes in the history that CI kept."""
    return f"{run} invoke history.import {shlex.quote(f'{kept_folder(config)}/{HISTORY}')}"


def merging(config: Config, run: str) -> tuple[str, str]:
    """Return the commands that merge the runs of all jobs: into one report, into one history."""
    runs = shlex.quote(f"{config.state}/runs")
    return f"{run} invoke reports.html", f"{run} invoke history.import {runs}"


def keeping(config: Config, run: str) -> list[str]:
    """Return the commands that write what CI keeps for its next run."""
    folder = shlex.quote(kept_folder(config))
    return [
        f"mkdir -p {folder}",
        f"{run} invoke history.prune --keep {KEPT_RUNS}",
        f"{run} invoke history.export {shlex.quote(f'{kept_folder(config)}/{HISTORY}')}",
    ]


def judging(run: str) -> str:
    """Return the command that combines and judges the coverage of all machines."""
    return f"{run} nox --session coverage"


def variables(job: CiJob) -> dict[str, str]:
    """Return the variables that every machine of a job has, beside those of its services."""
    return {**({"TOOLKIT_COVERAGE": "later"} if job.coverage else {}), **job.settings.env}


def dependencies_folder(config: Config) -> str:
    """Return the folder in which each machine of a job keeps its own recorded dependencies."""
    return f"{config.state}/dependencies"


def carries_dependencies(job: CiJob) -> bool:
    """Tell whether recorded dependencies are carried from run to run.

    Not for shards: a test moves between them, and what one shard knows of it would be out of date.
    """
    return job.impacted and not job.sharded


def take_in_dependencies(config: Config, run: str) -> str:
    """Return the command that takes in the dependencies that this machine kept."""
    return f"{run} invoke plan.import {shlex.quote(f'{dependencies_folder(config)}/{DEPENDENCIES}')}"


def keep_dependencies(config: Config, run: str) -> str:
    """Return the command that writes the dependencies that this machine keeps."""
    store = shlex.quote(f"{config.state}/{STORE_NAME}")
    file = shlex.quote(f"{dependencies_folder(config)}/{DEPENDENCIES}")
    return f"if [ -f {store} ]; then {run} invoke plan.export {file}; fi"
