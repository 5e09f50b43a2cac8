"""What is told to others at the end of a pipeline: verdict, stages, durations. Never output, never URLs."""

from collections.abc import Iterator

from toolkit.pipeline.state import PipelineState, StageState
from toolkit.reports.phrases import seconds


def title(project: str, state: PipelineState) -> str:
    """Return one line: which pipeline, how it ended."""
    return f"{project}: pipeline {state.status}"


def body(state: PipelineState) -> str:
    """Return a line for each stage and one for each step that did not pass."""
    lines = [line for stage in state.stages for line in _stage_lines(stage)]
    return "\n".join([*lines, f"together {seconds(state.seconds)}, pipeline {state.id}"])


def _stage_lines(stage: StageState) -> Iterator[str]:
    took = "" if stage.seconds is None else f" in {seconds(stage.seconds)}"
    yield f"{stage.name}: {stage.status}{took}"
    for step in stage.steps:
        if step.status not in {"passed", "pending"}:
            yield f"  {step.session}: {step.status}{': ' * bool(step.reason)}{step.reason}"
