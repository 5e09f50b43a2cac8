"""``invoke pipeline.*``: run the stages, take up what was interrupted, show what happened."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.text import Text

from toolkit.config import Config, load_config
from toolkit.errors import ToolkitError
from toolkit.notifications.sending import send
from toolkit.noxfile import list_sessions, nox_command
from toolkit.pipeline.message import body, title
from toolkit.pipeline.plan import PipelinePlan, make_plan
from toolkit.pipeline.state import (
    PipelineState,
    alone,
    find_pipeline,
    is_running,
    load,
)
from toolkit.pipeline.steps import step_command
from toolkit.pipeline.stopping import listening
from toolkit.pipeline.trying import begin, carry_out, take_up
from toolkit.reports.phrases import seconds
from toolkit.services.environment import redacted
from toolkit.tasks.door import print_json, task
from toolkit.tasks.pipeline_view import picture, watching
from toolkit.tasks.tables import wide_console

AS_JSON = "print JSON and nothing else; progress goes to standard error"


@task(
    iterable=["stage"],
    help={
        "url": "of the deployment that stages with needs_url are run against",
        "stage": "only this stage; may be given several times",
        "dry-run": "print what would run, and run nothing",
        "json": AS_JSON,
    },
)
def run(
    _context: Context, *, stage: list[str], url: str = "", dry_run: bool = False, json: bool = False
) -> None:
    """Run the stages of [tool.toolkit.pipeline], each step a Nox session; exit 1 when one failed."""
    config = load_config()
    plan = make_plan(
        config.pipeline,
        list_sessions(config.root),
        environment=config.environment,
        url=url,
        only=stage or (),
    )
    if dry_run:
        _show_plan(config, plan, json=json)
        return
    with alone(config):
        folder, state = begin(config, plan)
        _carry_out(config, folder, state, json=json)


@task(
    positional=["pipeline"],
    help={
        "pipeline": "which one; default: the newest",
        "anyway": "although the code has changed since: trust what has passed",
        "dry-run": "print what would run, and run nothing",
        "json": AS_JSON,
    },
)
def resume(
    _context: Context, pipeline: str = "", *, anyway: bool = False, dry_run: bool = False, json: bool = False
) -> None:
    """Take up a pipeline that failed or was killed, at the first stage that has not passed."""
    config = load_config()
    with alone(config):
        folder = find_pipeline(config, pipeline)
        state = load(folder)
        if state.status == "running":  # nobody else has the lock: it was killed
            state.status = "interrupted"
        if state.status == "passed":
            _show(config, state, json=json)
            if not json:
                print(f"pipeline {state.id} has passed: nothing to resume")  # noqa: T201 - a door prints
            return
        plan = make_plan(
            config.pipeline,
            list_sessions(config.root),
            environment=config.environment,
            url=state.plan.url,
            only=[stage.name for stage in state.plan.stages],
        )
        take_up(config, folder, state, plan, anyway=anyway, dry_run=dry_run)
        if dry_run:
            _show(config, state, json=json)
            return
        _carry_out(config, folder, state, json=json)


@task(positional=["pipeline"], help={"pipeline": "which one; default: the newest", "json": AS_JSON})
def show(_context: Context, pipeline: str = "", *, json: bool = False) -> None:
    """Show what became of a pipeline: each stage, each session, how long it took, where its output is."""
    config = load_config()
    _show(config, load(find_pipeline(config, pipeline)), json=json)


def _carry_out(config: Config, folder: Path, state: PipelineState, *, json: bool) -> None:
    stream = sys.stderr if json else sys.stdout
    with listening() as stop:
        try:
            with watching(state, stream) as watcher:
                carry_out(config, folder, state, watcher, stop)
        finally:  # also when a step could not be started at all
            _notify(config, state)
    if json:
        print_json(as_json(state))
    else:
        wide_console().print(Text(f"{state.status} after {seconds(state.seconds)}: {folder}"))
    if state.status == "interrupted":
        raise Exit(f"interrupted: invoke pipeline.resume takes up pipeline {state.id}", stop.exit_code or 1)
    if state.status == "failed":
        bad = [f"{stage.name}: {stage.reason}" for stage in state.stages if stage.status == "failed"]
        raise Exit("the pipeline failed: " + "\n  ".join(bad), 1)


def _notify(config: Config, state: PipelineState) -> None:
    """Tell others; a message that cannot be sent is said, and changes no verdict."""
    settings = config.notifications
    if settings.on == "failure" and state.status == "passed":
        return
    failed = state.status != "passed"
    try:
        sent = send(
            settings.urls, title(config.project, state), body(state), environ=os.environ, failed=failed
        )
    except ToolkitError as error:
        print(f"nobody was told: {error}", file=sys.stderr)  # noqa: T201 - a door prints
        return
    for delivery in sent:
        if delivery.problem:
            print(f"not told: {delivery.to}: {delivery.problem}", file=sys.stderr)  # noqa: T201


def as_json(state: PipelineState) -> dict[str, Any]:
    """Return the JSON of a pipeline, without the password in its URL."""
    return {**msgspec.to_builtins(state), "plan": _shown(state.plan), "verdict": state.status}


def _shown(plan: PipelinePlan) -> PipelinePlan:
    return msgspec.structs.replace(plan, url=redacted(plan.url))


def _show(config: Config, state: PipelineState, *, json: bool) -> None:
    if state.status == "running" and not is_running(config):
        state.status = "interrupted"
    if json:
        print_json(as_json(state))
        return
    console = wide_console()
    console.print(picture(state))
    tries = "" if state.tries == 1 else f" in {state.tries} tries"
    console.print(Text(f"{state.status} after {seconds(state.seconds)}{tries}"))
    if state.status in {"failed", "interrupted"}:
        console.print(Text("go on: invoke pipeline.resume"))


def _show_plan(config: Config, plan: PipelinePlan, *, json: bool) -> None:
    if json:
        print_json(_shown(plan))
        return
    console = wide_console()
    for number, stage in enumerate(plan.stages, start=1):
        told = f" (left out: {stage.left_out})" if stage.left_out else ""
        console.print(Text(f"{number}. {stage.name}, then {stage.on_failure} if it fails{told}"))
        for step in stage.steps if not stage.left_out else ():
            command = step_command(nox_command(config.root), step.session, Path("REPORT"))
            console.print(Text(f"     {shlex.join(command)}"))
        if stage.absent:
            console.print(Text(f"     not in the noxfile: {', '.join(stage.absent)}"))


ns = Collection(run, resume, show)
