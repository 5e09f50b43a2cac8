"""From the configured stages and the sessions of the noxfile to what will be run."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from toolkit.config.pipeline import OnFailure, Pipeline, Stage
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.noxfile import NoxSession, meant, valid_names


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One Nox session, or several Pythons of it, as one process."""

    session: str
    """As ``nox -s`` takes it."""
    sessions: tuple[str, ...]
    """Which sessions of the noxfile that means."""


class PlannedStage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Steps that run side by side, after those of the stage before."""

    name: str
    steps: tuple[PlannedStep, ...] = ()
    on_failure: OnFailure = "stop"
    at_once: int = 0
    """0: all."""
    timeout: float | None = None
    """Seconds for each step."""
    absent: tuple[str, ...] = ()
    """Sessions of an optional stage that the noxfile does not declare."""
    left_out: str = ""
    """Why the whole stage is not run."""


class PipelinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a pipeline will run. Two equal plans run the same."""

    stages: tuple[PlannedStage, ...]
    url: str = ""
    environment: str = "local"


def make_plan(
    pipeline: Pipeline,
    sessions: Sequence[NoxSession],
    *,
    environment: str,
    url: str = "",
    only: Iterable[str] = (),
) -> PipelinePlan:
    """Plan a pipeline; everything that cannot run is found before anything starts.

    Args:
        pipeline: the configuration.
        sessions: of the noxfile.
        environment: local, ci or staging.
        url: of the deployment; empty: the configured one.
        only: names of stages; none: all.

    Raises:
        UsageError: sessions that the noxfile lacks, all of them named; an unknown stage; two steps that
            would run the same session side by side; nothing to run.
    """
    chosen = _chosen(pipeline.stages, tuple(only))
    url = url or pipeline.url
    mistakes = [line for stage in chosen for line in _mistakes(stage, sessions)]
    if mistakes:
        raise UsageError("\n".join(mistakes), hint="[tool.toolkit.pipeline] names the sessions of each stage")
    stages = tuple(_planned(stage, sessions, url) for stage in chosen)
    if not any(stage.steps and not stage.left_out for stage in stages):
        raise UsageError(
            f"no stage has anything to run; the noxfile declares: {', '.join(valid_names(sessions))}",
            hint="add rows to [[tool.toolkit.pipeline.stages]]",
        )
    return PipelinePlan(stages=stages, url=url, environment=environment)


def _chosen(stages: Sequence[Stage], only: Sequence[str]) -> tuple[Stage, ...]:
    names = [stage.name for stage in stages]
    for name in only:
        if name not in names:
            raise UsageError(unknown("stage", name, names))
    return tuple(stage for stage in stages if not only or stage.name in only)


def _mistakes(stage: Stage, sessions: Sequence[NoxSession]) -> Iterator[str]:
    taken: dict[str, str] = {}
    for name in stage.sessions:
        found = meant(name, sessions)
        if not found and not stage.optional:
            yield f"stage {stage.name!r}: {unknown('session', name, valid_names(sessions))}"
        for session in found:
            if session in taken:
                yield f"stage {stage.name!r}: {taken[session]!r} and {name!r} both run {session!r}"
            taken[session] = name


def _planned(stage: Stage, sessions: Sequence[NoxSession], url: str) -> PlannedStage:
    found = {name: meant(name, sessions) for name in stage.sessions}
    steps = tuple(PlannedStep(session=name, sessions=rows) for name, rows in found.items() if rows)
    return PlannedStage(
        name=stage.name,
        steps=steps,
        on_failure=stage.on_failure,
        at_once=stage.at_once,
        timeout=stage.timeout,
        absent=tuple(name for name, rows in found.items() if not rows),
        left_out=_left_out(stage, url, bool(steps)),
    )


def _left_out(stage: Stage, url: str, steps: bool) -> str:
    if stage.needs_url and not url:
        return "no URL of a deployment is given"
    return "" if steps else "the noxfile declares none of its sessions"
