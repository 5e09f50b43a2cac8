"""The pipeline of GitLab, written after https://docs.gitlab.com/ci/yaml/."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

from toolkit.ci import commands
from toolkit.ci.jobs import CiJob, Row, collecting_row, is_planned, plans_folder
from toolkit.ci.servers import Server, urls
from toolkit.config import Config

UV_CACHE = ".cache/uv"


PARENT = "PARENT_PIPELINE_ID"
"""Variable of a child pipeline: whose plan it carries out."""

CHILD = "jobs.yml"


def pipeline(config: Config, jobs: Sequence[CiJob]) -> dict[str, Any]:
    """Return the pipeline that runs some jobs and merges what they recorded.

    A matrix of GitLab is fixed when its pipeline is made. Where shards are planned, this one only plans, and
    triggers a child that :func:`child` writes in each run.
    """
    planned = [job for job in jobs if is_planned(config, job)]
    if not planned:
        return {"workflow": {"rules": _rules(config)}, **_testing(config, jobs)}
    run = commands.prefix(config, jobs)
    return {
        "workflow": {"rules": _rules(config)},
        "stages": ["plan", "test"],
        "default": _default(config),
        "variables": _variables(),
        "plan": _plan(config, planned, run),
        "tests": {
            "stage": "test",
            "inherit": {"variables": False},  # the child has its own
            "variables": {PARENT: "$CI_PIPELINE_ID"},
            "trigger": {
                "include": [{"artifact": f"{plans_folder(config)}/{CHILD}", "job": "plan"}],
                "strategy": "depend",
            },
        },
    }


def child(config: Config, jobs: Sequence[CiJob]) -> dict[str, Any]:
    """Return the pipeline of jobs whose shards are cut; it takes its plans from the parent."""
    return _testing(config, jobs)


def _testing(config: Config, jobs: Sequence[CiJob]) -> dict[str, Any]:
    run = commands.prefix(config, jobs)
    recorded = any(job.profile for job in jobs)
    return {
        "stages": ["test", *(["report"] if recorded else [])],
        "default": _default(config),
        "variables": _variables(),
        **{job.id: _job(config, job, run) for job in jobs},
        **({"report": _report(config, run, any(job.coverage for job in jobs))} if recorded else {}),
    }


def _variables() -> dict[str, str]:
    return {
        "TOOLKIT_BUILD": "ci-$CI_PIPELINE_ID",
        "UV_CACHE_DIR": f"$CI_PROJECT_DIR/{UV_CACHE}",
        "UV_LINK_MODE": "copy",
    }


def _plan(config: Config, planned: Sequence[CiJob], run: str) -> dict[str, Any]:
    """Write the job that decides how many machines share the tests, and writes the child pipeline."""
    history = commands.caches_history(config)
    folder = plans_folder(config)
    pythons = dict.fromkeys(collecting_row(job, config.ci.python).python for job in planned)
    child_file = shlex.quote(f"{folder}/{CHILD}")
    return {
        "stage": "plan",
        "cache": [_uv_cache(), *([_history_cache(config, "pull")] if history else [])],
        "script": [
            f"uv python install {shlex.join(pythons)}",
            *([_take_in(config, run)] if history else []),
            commands.environments(config, run, planned),
            f"{run} invoke ci.gitlab --planned --plans {shlex.quote(folder)} --output {child_file}",
        ],
        "artifacts": {"paths": [folder], "expire_in": "1 day"},
    }


def _rules(config: Config) -> list[dict[str, str]]:
    conditions = [
        '$CI_PIPELINE_SOURCE == "merge_request_event"',
        '$CI_PIPELINE_SOURCE == "schedule"',
        '$CI_PIPELINE_SOURCE == "web"',
        *map(_on_branch, config.ci.branches),
    ]
    return [{"if": condition} for condition in conditions]


_PLAIN = re.compile(r"[\w./-]+")
_STARS = re.compile(r"(\*\*|\*)")


def _on_branch(pattern: str) -> str:
    """Return the condition for a branch; ``*`` in its pattern is any text without ``/``, ``**`` any.

    So GitHub reads it. See https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions.
    """
    if _PLAIN.fullmatch(pattern):
        return f'$CI_COMMIT_BRANCH == "{pattern}"'
    meaning = {"*": "[^/]*", "**": ".*"}
    parts = (meaning.get(part) or re.escape(part) for part in _STARS.split(pattern))
    expression = "".join(parts).replace("/", r"\/")
    return f"$CI_COMMIT_BRANCH =~ /^{expression}$/"


def _default(config: Config) -> dict[str, Any]:
    told: dict[str, Any] = {
        "image": config.ci.image or f"python:{config.ci.python}",
        "interruptible": True,
        "timeout": f"{config.ci.timeout} minutes",
        "before_script": [
            "python -m pip install --quiet --disable-pip-version-check --root-user-action ignore uv",
            'export PATH="$HOME/.local/bin:$PATH"',
        ],
    }
    return {**told, "tags": list(config.ci.tags)} if config.ci.tags else told


def _job(config: Config, job: CiJob, run: str) -> dict[str, Any]:
    part: dict[str, Any] = {"stage": "test"}
    if job.settings.tags:
        part["tags"] = list(job.settings.tags)
    if job.settings.timeout:
        part["timeout"] = f"{job.settings.timeout} minutes"
    if job.plan:
        part["needs"] = [{"pipeline": f"${PARENT}", "job": "plan"}]
    part["parallel"] = {"matrix": [_row(row) for row in job.rows]}
    if job.servers:
        part["services"] = [_service(server) for server in job.servers]
    variables = {**urls(job.servers, "network"), **commands.variables(job)}
    if job.impacted:
        variables["GIT_DEPTH"] = "0"  # what has changed since the branch began?
    if variables:
        part["variables"] = variables
    history = job.profile and commands.caches_history(config)
    carried = commands.carries_dependencies(job)
    part["cache"] = [
        _uv_cache(),
        *([_history_cache(config, "pull")] if history else []),
        *([_dependencies_cache(config)] if carried else []),
    ]
    part["script"] = [
        'uv python install "$PYTHON"',
        *([_take_in(config, run)] if history else []),
        *([_take_in_dependencies(config, run)] if carried else []),
        commands.session_command(run, job, plan=job.plan),
    ]
    if carried:
        part["after_script"] = [commands.keep_dependencies(config, run)]
    part["artifacts"] = _artifacts(config, runs=job.profile)
    return part


def _report(config: Config, run: str, coverage: bool) -> dict[str, Any]:
    history = commands.caches_history(config)
    artifacts = _artifacts(config, runs=False)
    if coverage:
        artifacts["reports"]["coverage_report"] = {
            "coverage_format": "cobertura",
            "path": f"{config.reports}/coverage.xml",
        }
    return {
        "stage": "report",
        "when": "always",
        "cache": [_uv_cache(), *([_history_cache(config, "pull-push")] if history else [])],
        "script": [
            *([_take_in(config, run)] if history else []),
            *commands.merging(config, run),
            *(commands.keeping(config, run) if history else []),
            *([commands.judging(run)] if coverage else []),
        ],
        "artifacts": artifacts,
    }


def _take_in(config: Config, run: str) -> str:
    file = f"{commands.kept_folder(config)}/{commands.HISTORY}"
    return f"if [ -f {shlex.quote(file)} ]; then {commands.take_in(config, run)}; fi"


def _take_in_dependencies(config: Config, run: str) -> str:
    file = f"{commands.dependencies_folder(config)}/{commands.DEPENDENCIES}"
    return f"if [ -f {shlex.quote(file)} ]; then {commands.take_in_dependencies(config, run)}; fi"


def _dependencies_cache(config: Config) -> dict[str, Any]:
    return {
        "key": "toolkit-dependencies-$CI_JOB_NAME_SLUG",
        "paths": [commands.dependencies_folder(config)],
        "when": "always",
    }


def _row(row: Row) -> dict[str, str]:
    told = {"SESSION": row.session, "PYTHON": row.python}
    return {**told, "SHARD": row.shard} if row.shard else told


def _service(server: Server) -> dict[str, Any]:
    told: dict[str, Any] = {"name": server.image, "alias": server.name}
    return {**told, "variables": dict(server.env)} if server.env else told


def _uv_cache() -> dict[str, Any]:
    return {"key": "uv", "paths": [UV_CACHE]}


def _history_cache(config: Config, policy: str) -> dict[str, Any]:
    return {"key": "toolkit-history", "paths": [commands.kept_folder(config)], "policy": policy}


def _artifacts(config: Config, *, runs: bool) -> dict[str, Any]:
    return {
        "when": "always",
        "expire_in": f"{config.ci.retention} days",
        "paths": [config.reports, *([f"{config.state}/runs"] if runs else [])],
        "reports": {"junit": f"{config.reports}/junit.xml"},
    }
