"""How a pipeline looks while it runs: a table that changes on a terminal, plain lines in a pipe."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from toolkit.pipeline.running import Watcher
from toolkit.pipeline.state import PipelineState, StageState, StepState
from toolkit.pipeline.steps import RunningStep
from toolkit.reports.phrases import seconds
from toolkit.services.processes import last_lines, tail

HEARTBEAT = 60.0
"""Seconds after which a plain log says what still runs: some CI systems end a job that is silent."""

REFRESH = 4
"""Pictures a second on a terminal."""

COLOURS = {"passed": "green", "failed": "red", "running": "cyan", "skipped": "red", "interrupted": "yellow"}


class Lines:
    """Plain lines, one for each beginning and end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._spoke = time.monotonic()

    def began(self, stage: StageState, step: StepState) -> None:
        """Say that a step runs."""
        self._say(f"{stage.name}: {step.session} begins")

    def ended(self, stage: StageState, step: StepState) -> None:
        """Say how a step ended; of a failed one, its last lines and where the others are."""
        for line in ending(stage, step):
            self._say(line)

    def look(self, running: Sequence[RunningStep]) -> None:
        """Say now and then what still runs."""
        if time.monotonic() - self._spoke >= HEARTBEAT:
            told = ", ".join(f"{step.state.session} ({seconds(step.age)})" for step in running)
            self._say(f"still running: {told}")

    def _say(self, line: str) -> None:
        self._spoke = time.monotonic()
        self.console.print(Text(line), soft_wrap=True)


class Picture:
    """A table on a terminal, drawn again several times a second."""

    def __init__(self, live: Live, state: PipelineState) -> None:
        self.live = live
        self.state = state
        self._drawn = 0.0

    def began(self, _stage: StageState, _step: StepState) -> None:
        """Draw at once."""
        self._draw(())

    def ended(self, stage: StageState, step: StepState) -> None:
        """Print what failed above the table."""
        if step.status != "passed":
            for line in ending(stage, step):
                self.live.console.print(Text(line), soft_wrap=True)
        self._draw(())

    def look(self, running: Sequence[RunningStep]) -> None:
        """Draw when it is time."""
        if time.monotonic() - self._drawn >= 1 / REFRESH:
            self._draw(running)

    def _draw(self, running: Sequence[RunningStep]) -> None:
        self._drawn = time.monotonic()
        self.live.update(picture(self.state, running), refresh=True)


@contextlib.contextmanager
def watching(state: PipelineState, stream: TextIO) -> Iterator[Watcher]:
    """Show a pipeline while it runs, as fits where the text goes."""
    console = Console(file=stream)
    if not stream.isatty():  # not what rich thinks: FORCE_COLOR wants colours in a log, not pictures
        yield Lines(console)
        return
    with Live(picture(state, ()), console=console, auto_refresh=False) as live:
        yield Picture(live, state)


def ending(stage: StageState, step: StepState) -> Iterator[str]:
    """Yield the lines that say how a step ended."""
    why = f": {step.reason}" if step.reason else ""
    yield f"{stage.name}: {step.session} {step.status} after {seconds(step.seconds)}{why}"
    if step.status in {"failed", "skipped"}:
        yield tail(Path(step.log), 20)
        yield f"    all of it: {step.log}"


def picture(state: PipelineState, running: Sequence[RunningStep] = ()) -> Table:
    """Draw a pipeline: every step, how long it took, what it says just now."""
    ages = {id(step.state): step for step in running}
    table = Table(box=None, title=Text(f"pipeline {state.id}"), title_justify="left")
    for heading in ("stage", "session", "status", "took", ""):
        table.add_column(heading, no_wrap=heading != "", overflow="ellipsis")
    for stage in state.stages:
        if not stage.steps or stage.status == "left out":
            table.add_row(stage.name, "", "left out", "", Text(stage.reason, style="dim"))
            continue
        for number, step in enumerate(stage.steps):
            live = ages.get(id(step))
            took = step.seconds if live is None else live.age
            table.add_row(
                stage.name if number == 0 else "",
                Text(step.session),
                Text(step.status, style=COLOURS.get(step.status, "")),
                "" if took is None else seconds(took),
                Text(step.reason if live is None else last_lines(live.log, 1), style="dim"),
            )
    return table
