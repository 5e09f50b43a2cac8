"""The workflow of GitHub Actions.

Written after https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax; every value
that comes from outside reaches a shell by an environment variable, never by ``${{ }}`` in a script.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from toolkit.ci import commands
from toolkit.ci.actions import pinned
from toolkit.ci.jobs import CiJob, Row, collecting_row, is_planned, plan_file, plans_folder
from toolkit.ci.servers import Server, urls
from toolkit.ci.text import Pinned
from toolkit.config import Config

RUNS = "runs"
"""Artifacts whose names begin so hold the journals and reports of one machine, to be merged."""

OTHERS = "output"
"""Those of sessions that are no profiles begin so."""

PLANS = "plans"

Step = dict[str, Any]

EVEN_AFTER_FAILURE = "${{ !cancelled() }}"


def workflow(config: Config, jobs: Sequence[CiJob]) -> dict[str, Any]:
    """Return the workflow that runs some jobs and merges what they recorded."""
    writer = _Writer(config, jobs)
    recorded = [job.id for job in jobs if job.profile]
    parts: dict[str, Any] = {}
    if writer.planned:
        parts["plan"] = writer.plan_job()
    parts |= {job.id: writer.job(job) for job in jobs}
    if recorded:
        parts["report"] = writer.report_job(recorded, coverage=any(job.coverage for job in jobs))
    return {
        "name": config.ci.name,
        "on": _triggers(config),
        "permissions": {},
        "concurrency": {
            "group": "${{ github.workflow }}-${{ github.ref }}",
            "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
        },
        "defaults": {"run": {"shell": "bash"}},
        "env": {"TOOLKIT_BUILD": "ci-${{ github.run_id }}"},
        "jobs": parts,
    }


def _triggers(config: Config) -> dict[str, Any]:
    triggers: dict[str, Any] = {
        "push": {"branches": list(config.ci.branches)},
        "pull_request": None,
        "workflow_dispatch": None,
    }
    if config.ci.schedule:
        triggers["schedule"] = [{"cron": config.ci.schedule}]
    return triggers


class _Writer:
    """The parts of one workflow, which share its configuration."""

    def __init__(self, config: Config, jobs: Sequence[CiJob]) -> None:
        self.config = config
        self.ci = config.ci
        self.run = commands.prefix(config, jobs)
        self.planned = tuple(job for job in jobs if is_planned(config, job))
        self.kept = commands.kept_folder(config)

    def job(self, job: CiJob) -> dict[str, Any]:
        """Write the job of some sessions."""
        planned = is_planned(self.config, job)
        sharded = planned or job.sharded
        part: dict[str, Any] = {"name": _title(sharded)}
        if planned:
            part["needs"] = "plan"
        part |= self._machine(job.settings.timeout or self.ci.timeout, job.settings.runner)
        part["strategy"] = {
            "fail-fast": self.ci.fail_fast,
            "matrix": _dynamic(job) if planned else {"include": list(map(_row, job.rows))},
        }
        if job.servers:
            part["services"] = {server.name: _service(server) for server in job.servers}
        env = {**urls(job.servers, "machine"), **commands.variables(job)}
        if env:
            part["env"] = env
        part["steps"] = [
            *self._prepared("${{ matrix.python }}", recorded=job.profile),
            *self._run(job, sharded),
        ]
        return part

    def _machine(self, timeout: int, runner: str = "") -> dict[str, Any]:
        return {
            "runs-on": runner or self.ci.runner,
            "timeout-minutes": timeout,
            "permissions": {"contents": "read"},
        }

    def _run(self, job: CiJob, sharded: bool) -> list[Step]:
        steps = self._session(job, sharded)
        if commands.carries_dependencies(job) and not sharded:
            steps = self._with_dependencies(job, steps)
        return [*steps, self._upload_runs(job)]

    def _with_dependencies(self, job: CiJob, steps: list[Step]) -> list[Step]:
        """Let a machine find what the same machine of an earlier run recorded."""
        folder = commands.dependencies_folder(self.config)
        key = f"toolkit-dependencies-{job.id}-${{{{ strategy.job-index }}}}-"
        kept = {"path": folder, "key": key + "${{ github.run_id }}-${{ github.run_attempt }}"}
        found = _is_there(f"{folder}/{commands.DEPENDENCIES}")
        return [
            {
                "name": "Fetch the dependencies of tests",
                **self._uses("actions/cache/restore"),
                "with": {**kept, "restore-keys": key},
            },
            {
                "name": "Take in the dependencies of tests",
                "if": found,
                "run": commands.take_in_dependencies(self.config, self.run),
            },
            *steps,
            {
                "name": "Write the dependencies of tests",
                "if": EVEN_AFTER_FAILURE,
                "run": commands.keep_dependencies(self.config, self.run),
            },
            {
                "name": "Keep the dependencies of tests",
                "if": EVEN_AFTER_FAILURE,
                **self._uses("actions/cache/save"),
                "with": kept,
            },
        ]

    def _session(self, job: CiJob, sharded: bool) -> list[Step]:
        plan = plan_file(self.config, job) if is_planned(self.config, job) else ""
        env = {"SESSION": "${{ matrix.session }}"}
        if sharded:
            env["SHARD"] = "${{ matrix.shard }}"
        steps: list[Step] = []
        if plan:
            steps.append(self._download("Take the plan", {"name": PLANS, "path": plans_folder(self.config)}))
        steps.append(
            {"name": "Run the session", "run": commands.session_command(self.run, job, plan=plan), "env": env}
        )
        return steps

    def _upload_runs(self, job: CiJob) -> Step:
        number = f"{job.id}-${{{{ strategy.job-index }}}}"
        if not job.profile:
            return self._upload("Keep the reports", f"{OTHERS}-{number}", self.config.reports)
        paths = [self.config.reports, f"{self.config.state}/runs"]
        return self._upload("Keep what was recorded", f"{RUNS}-{number}", _lines(paths))

    def plan_job(self) -> dict[str, Any]:
        """Write the job that decides how many machines share the tests of each profile."""
        pythons = [collecting_row(job, self.ci.python).python for job in self.planned]
        environments = commands.environments(self.config, self.run, self.planned)
        folder = plans_folder(self.config)
        matrix = f'{self.run} invoke ci.matrix --github --plans {shlex.quote(folder)} >> "$GITHUB_OUTPUT"'
        return {
            "name": "plan",
            **self._machine(self.ci.timeout),
            "outputs": {job.id: f"${{{{ steps.matrix.outputs.{job.id} }}}}" for job in self.planned},
            "steps": [
                *self._prepared("\n".join(pythons), recorded=True),
                {"name": "Make the environments", "run": environments},
                {"name": "Plan", "id": "matrix", "run": matrix},
                self._upload("Hand the plan to the others", PLANS, folder, always=False),
            ],
        }

    def report_job(self, needed: Sequence[str], *, coverage: bool) -> dict[str, Any]:
        """Write the job that merges what all machines recorded, keeps the history and judges the coverage."""
        report, taking_in = commands.merging(self.config, self.run)
        summary = f'{self.run} invoke reports.summary --markdown >> "$GITHUB_STEP_SUMMARY"'
        steps = [
            *self._prepared(self.ci.python, recorded=True),
            self._download(
                "Take what was recorded", {"pattern": f"{RUNS}-*", "path": ".", "merge-multiple": True}
            ),
            {"name": "Merge", "run": _lines([report, summary, taking_in])},
        ]
        if commands.caches_history(self.config):
            save = {
                "path": self.kept,
                "key": "toolkit-history-${{ github.run_id }}-${{ github.run_attempt }}",
            }
            steps += [
                {"name": "Write the history", "run": _lines(commands.keeping(self.config, self.run))},
                {"name": "Keep the history", **self._uses("actions/cache/save"), "with": save},
            ]
        if coverage:
            judged = {"if": EVEN_AFTER_FAILURE, "run": commands.judging(self.run)}
            steps.append({"name": "Judge the coverage", **judged})
        steps.append(self._upload("Keep the report", "report", self.config.reports))
        return {
            "name": "report",
            "if": EVEN_AFTER_FAILURE,
            "needs": list(needed),
            **self._machine(self.ci.timeout),
            "steps": steps,
        }

    def _prepared(self, python: str, *, recorded: bool) -> list[Step]:
        """Write what every job does first: code, interpreters, uv, the history."""
        checkout: dict[str, Any] = {"persist-credentials": False}
        if _selects(self.config):
            checkout["fetch-depth"] = 0  # what has changed since the branch began?
        versions = "\n".join(dict.fromkeys([*python.splitlines(), self.ci.python])) + "\n"
        steps: list[Step] = [
            {**self._uses("actions/checkout"), "with": checkout},
            {
                **self._uses("actions/setup-python"),
                "with": {"python-version": versions, "allow-prereleases": True},
            },
            {**self._uses("astral-sh/setup-uv"), "with": {"enable-cache": not _releases(self.config)}},
        ]
        return [*steps, *(self._restored() if recorded and commands.caches_history(self.config) else [])]

    def _restored(self) -> list[Step]:
        restore = {
            "path": self.kept,
            "key": "toolkit-history-${{ github.run_id }}-${{ github.run_attempt }}",
            "restore-keys": "toolkit-history-",
        }
        return [
            {"name": "Fetch the history", **self._uses("actions/cache/restore"), "with": restore},
            {
                "name": "Take in the history",
                "if": _is_there(f"{self.kept}/{commands.HISTORY}"),
                "run": commands.take_in(self.config, self.run),
            },
        ]

    def _upload(self, name: str, artifact: str, path: str, *, always: bool = True) -> Step:
        condition = {"if": EVEN_AFTER_FAILURE} if always else {}
        settings = {
            "name": artifact,
            "path": path,
            "include-hidden-files": True,
            "if-no-files-found": "ignore" if always else "error",
            "overwrite": True,
            "retention-days": self.ci.retention,
        }
        return {"name": name, **condition, **self._uses("actions/upload-artifact"), "with": settings}

    def _download(self, name: str, settings: dict[str, Any]) -> Step:
        return {"name": name, **self._uses("actions/download-artifact"), "with": settings}

    def _uses(self, action: str) -> Step:
        return {"uses": Pinned.of(*pinned(action, self.ci.actions))}


def _releases(config: Config) -> bool:
    """Tell whether releases may be made of this: then nothing comes from caches that other branches fill."""
    return any("release" in branch for branch in config.ci.branches)


def _selects(config: Config) -> bool:
    return any(
        word.startswith("--impacted") for profile in config.profiles.values() for word in profile.arguments
    )


def _title(sharded: bool) -> str:
    return "${{ matrix.session }}" + (" ${{ matrix.shard }}" if sharded else "")


def _row(row: Row) -> dict[str, str]:
    told = {"session": row.session, "python": row.python}
    return {**told, "shard": row.shard} if row.shard else told


def _is_there(file: str) -> str:
    quoted = file.replace("'", "''")
    return f"${{{{ hashFiles('{quoted}') != '' }}}}"


def _dynamic(job: CiJob) -> str:
    return f"${{{{ fromJSON(needs.plan.outputs.{job.id}) }}}}"


def _service(server: Server) -> dict[str, Any]:
    told: dict[str, Any] = {"image": server.image}
    if server.env:
        told["env"] = dict(server.env)
    told["ports"] = [f"127.0.0.1:{server.published}:{server.port}"]
    if server.health:
        told["options"] = (
            f"--health-cmd {shlex.quote(server.health)} --health-interval 2s --health-timeout 10s"
            " --health-retries 60"
        )
    return told


def _lines(script: Sequence[str]) -> str:
    return "\n".join(script) + "\n"
