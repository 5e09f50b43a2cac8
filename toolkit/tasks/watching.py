"""``invoke reports.watch``: the progress of a run that goes on elsewhere, in the terminal."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from invoke.context import Context
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from toolkit.config import load_config
from toolkit.errors import JournalError
from toolkit.history.imports import RUNS
from toolkit.history.store import open_history
from toolkit.journal import is_live
from toolkit.records import NodeId
from toolkit.reports.dashboard.facts import Progress as Seen
from toolkit.reports.dashboard.live import newest_folders, progress_of
from toolkit.reports.phrases import seconds
from toolkit.tasks.door import task


@task(help={"interval": "Seconds between two looks."})
def watch(_context: Context, *, interval: float = 1.0) -> None:
    """Follow the run that goes on now until it ends: progress, failures, what runs, how long it will take."""
    config = load_config()
    running = [folder for folder in newest_folders(config.state_dir / RUNS) if is_live(folder)]
    console = Console()
    if not running:
        console.print("no run goes on in this project now")
        return
    with open_history(config.history_url) as history:
        durations = history.durations()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as shown:
        bar = shown.add_task(running[-1].name, total=None)
        last = None
        for last in _looks(running[-1], durations, interval):
            shown.update(bar, completed=last.done, total=last.wanted or None, description=escape(_line(last)))
    if last is not None:
        console.print(f"{last.run}: {last.done} of {last.wanted} tests, {last.bad} bad", markup=False)


def _looks(folder: Path, durations: Mapping[NodeId, float], interval: float) -> Iterator[Seen]:
    """Yield how far a run is until it has ended, at least once."""
    while True:
        live = is_live(folder)
        try:
            yield progress_of(folder, durations, time.time())
        except JournalError:  # it was moved into the history and cleaned away
            return
        if not live:
            return
        time.sleep(interval)


def _line(seen: Seen) -> str:
    rest = "" if seen.remaining is None else f", about {seconds(seen.remaining)} to go"
    running = "".join(f"\n  {worker}: {test}" for worker, test, _ in seen.running[:8])
    return f"{seen.run}: {seen.bad} bad{rest}{running}"
