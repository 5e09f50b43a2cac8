"""Beginning a pipeline, taking up one that was interrupted, and carrying it out."""

import time
from collections.abc import Iterator
from pathlib import Path

from toolkit.config import Config
from toolkit.errors import UsageError
from toolkit.journal import new_run_id
from toolkit.leases.store import open_leases
from toolkit.noxfile import nox_command
from toolkit.pipeline.code import changes, digest_files
from toolkit.pipeline.plan import PipelinePlan
from toolkit.pipeline.running import Watcher, run_stages
from toolkit.pipeline.state import (
    PipelineState,
    StageState,
    load_code,
    new_state,
    pipelines_folder,
    prune,
    save,
    save_code,
)
from toolkit.pipeline.steps import Place, environment, remove_left_behind
from toolkit.pipeline.stopping import Stop

SHOWN = 5
"""So many changed files are named."""


def begin(config: Config, plan: PipelinePlan) -> tuple[Path, PipelineState]:
    """Give a new pipeline its name and folder; what its code looks like is written down first."""
    prune(config, config.pipeline.keep - 1)
    state = new_state(new_run_id(), plan, time.time())
    folder = pipelines_folder(config) / state.id
    folder.mkdir()
    save_code(folder, digest_files(config))
    save(folder, state)
    return folder, state


def take_up(
    config: Config,
    folder: Path,
    state: PipelineState,
    plan: PipelinePlan,
    *,
    anyway: bool = False,
    dry_run: bool = False,
) -> None:
    """Prepare another try of a pipeline; what has passed stays passed.

    Args:
        config: of the project.
        folder: of the pipeline.
        state: as read from it.
        plan: made anew, for the same stages and URL.
        anyway: although the code is not the same any more.
        dry_run: only check that it could be taken up.

    Raises:
        UsageError: the plan or the code has changed, so what has passed proves nothing; it says what.
    """
    differences = tuple(_differences(state.plan, plan))
    if differences:
        raise UsageError(
            f"pipeline {state.id} was planned otherwise: {'; '.join(differences)}",
            hint="start anew: invoke pipeline.run",
        )
    changed = changes(load_code(folder), digest_files(config))
    if changed and not anyway:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise UsageError(
            f"the code has changed since pipeline {state.id}: {', '.join(changed[:SHOWN])}{more}",
            hint="start anew: invoke pipeline.run; or trust what has passed: --anyway",
        )
    for stage in state.stages:
        if stage.status not in {"passed", "left out"}:
            _make_pending(stage)
    if not dry_run:
        state.tries += 1
        state.status = "running"
        save(folder, state)


def _make_pending(stage: StageState) -> None:
    stage.status, stage.reason = "pending", ""
    for step in stage.steps:
        if step.status != "passed":
            step.status = "pending"


def _differences(before: PipelinePlan, now: PipelinePlan) -> Iterator[str]:
    if before.environment != now.environment:
        yield f"in the environment {before.environment!r}, this is {now.environment!r}"
    old = {stage.name: stage for stage in before.stages}
    new = {stage.name: stage for stage in now.stages}
    yield from (f"stage {name!r} is gone" for name in old if name not in new)
    yield from (f"stage {name!r} differs" for name in old if name in new and old[name] != new[name])
    if list(old) != list(new) and set(old) == set(new):
        yield "the stages stood in another order"


def carry_out(config: Config, folder: Path, state: PipelineState, watcher: Watcher, stop: Stop) -> None:
    """Run what has not passed. Steps of a killed pipeline that still run are stopped first.

    Raises:
        EnvironmentFailed: a process cannot be started, or its lease not be written.
    """
    with open_leases() as store:
        remove_left_behind(store, config.root)
        place = Place(
            root=config.root,
            folder=folder,
            nox=tuple(nox_command(config.root)),
            env=environment(config.pipeline.url_variable, state.plan.url, state.id),
            store=store,
            owner=store.owner(run=state.id),
            pipeline=state.id,
        )
        run_stages(place, state, stop, watcher, grace=config.pipeline.grace)
