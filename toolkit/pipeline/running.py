"""Runs a pipeline: stages one after the other, steps side by side, every change of state on disk."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from toolkit.pipeline.plan import PlannedStage
from toolkit.pipeline.state import PipelineState, PipelineStatus, StageState, StepState, save
from toolkit.pipeline.steps import Place, RunningStep, finish_step, start_step, stop_steps
from toolkit.pipeline.stopping import Stop

POLL = 0.1
"""Seconds between two looks at the processes."""


class Watcher(Protocol):
    """Who wants to know what happens."""

    def began(self, stage: StageState, step: StepState) -> None:
        """Hear that a step's process runs."""

    def ended(self, stage: StageState, step: StepState) -> None:
        """Hear that it does not any more."""

    def look(self, running: Sequence[RunningStep]) -> None:
        """Hear, several times a second, what runs."""


def run_stages(place: Place, state: PipelineState, stop: Stop, watcher: Watcher, *, grace: float) -> None:
    """Run the stages of a pipeline that have not passed; ``state`` says what became of each.

    Args:
        place: where the steps run.
        state: changed and saved as things happen. What passed in an earlier try is not run again.
        stop: asked between two looks: has a signal come?
        watcher: hears of everything.
        grace: seconds that steps get after a signal.
    """
    began = time.monotonic()
    before = state.seconds
    for planned, stage in zip(state.plan.stages, state.stages, strict=True):
        if stage.status in {"passed", "left out"}:
            continue
        run = _StageRun(
            place=place, state=state, planned=planned, stage=stage, stop=stop, watcher=watcher, grace=grace
        )
        run.run()
        state.seconds = before + time.monotonic() - began
        save(place.folder, state)
        if stage.status == "interrupted" or (stage.status == "failed" and planned.on_failure == "stop"):
            break
    state.status = _verdict(state.stages)
    save(place.folder, state)


def _verdict(stages: Sequence[StageState]) -> PipelineStatus:
    statuses = {stage.status for stage in stages}
    if "interrupted" in statuses:
        return "interrupted"
    return "passed" if statuses <= {"passed", "left out"} else "failed"


class _StageRun:
    """One try of one stage."""

    def __init__(
        self,
        *,
        place: Place,
        state: PipelineState,
        planned: PlannedStage,
        stage: StageState,
        stop: Stop,
        watcher: Watcher,
        grace: float,
    ) -> None:
        self.place = place
        self.state = state
        self.planned = planned
        self.stage = stage
        self.stop = stop
        self.watcher = watcher
        self.grace = grace
        self.waiting = deque(step for step in stage.steps if step.status != "passed")
        self.running: list[RunningStep] = []

    def run(self) -> None:
        """Run the stage to its end, or to a signal."""
        began = time.monotonic()
        self.stage.status, self.stage.reason = "running", ""
        try:
            while (self.waiting or self.running) and self.stop.signal is None:
                self._start_some()
                self._look()
        finally:  # also after an error of our own: nothing may be left running
            self._stop_all()
            self.stage.seconds = time.monotonic() - began
            self._conclude()

    def _start_some(self) -> None:
        limit = self.planned.at_once or len(self.stage.steps)
        while self.waiting and len(self.running) < limit:
            state = self.waiting.popleft()
            step = start_step(self.place, self.stage.name, state, attempt=self.state.tries)
            self.running.append(step)
            save(self.place.folder, self.state)
            self.watcher.began(self.stage, state)

    def _look(self) -> None:
        time.sleep(POLL)
        self.watcher.look(self.running)
        self._end(lambda step: finish_step(self.place, step))
        if self.planned.timeout is not None:
            self._end(self._too_late)

    def _end(self, has_ended: Callable[[RunningStep], bool]) -> None:
        for step in [step for step in self.running if has_ended(step)]:
            self.running.remove(step)
            save(self.place.folder, self.state)
            self.watcher.ended(self.stage, step.state)

    def _too_late(self, step: RunningStep) -> bool:
        limit = self.planned.timeout or 0.0
        if step.age < limit:
            return False
        stop_steps(self.place, [step], "", patience=self.grace)
        step.state.status, step.state.reason = "failed", f"took longer than {limit:g} s"
        return True

    def _stop_all(self) -> None:
        why = "" if self.stop.signal is None else self.stop.signal.name
        twice = 2
        stop_steps(self.place, self.running, why, patience=self.grace, hurry=lambda: self.stop.times >= twice)
        self._end(lambda _: True)

    def _conclude(self) -> None:
        bad = [step for step in self.stage.steps if step.status != "passed"]
        if any(step.status in {"interrupted", "pending", "running"} for step in bad):
            self.stage.status = "interrupted"
        else:
            self.stage.status = "failed" if bad else "passed"
        self.stage.reason = "; ".join(f"{step.session}: {step.reason or step.status}" for step in bad)
