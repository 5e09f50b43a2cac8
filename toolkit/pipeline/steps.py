"""One Nox session as a process: its lease, its output, its end."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import msgspec

from toolkit.leases.owners import Owner
from toolkit.leases.store import Lease, LeaseStore
from toolkit.leases.sweeping import release
from toolkit.pipeline.state import StepState, StepStatus
from toolkit.services import processes

KIND = "process"


class RunningStep(msgspec.Struct, kw_only=True):
    """A step whose process runs."""

    state: StepState
    lease: Lease
    began: float
    """By the monotonic clock."""
    report: Path
    log: Path

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the steps of a pipeline run, and what they share."""

    root: Path
    """Of the project."""
    folder: Path
    """Of the pipeline: logs and reports."""
    nox: tuple[str, ...]
    """The command that runs Nox on the noxfile."""
    env: Mapping[str, str]
    store: LeaseStore
    owner: Owner
    pipeline: str


def step_command(nox: Sequence[str], session: str, report: Path) -> list[str]:
    """Return the command of a step; Nox writes there which of its sessions passed."""
    return [*nox, "--session", session, "--report", str(report)]


def start_step(place: Place, stage: str, state: StepState, *, attempt: int) -> RunningStep:
    """Start one Nox session in a process group of its own; its output goes to a file.

    The process has a lease before it runs: should this process be killed, ``services.sweep`` and the next
    pipeline find what it left.

    Raises:
        EnvironmentFailed: it cannot be started.
    """
    stem = f"{stage}-{_as_file(state.session)}-{attempt}"
    log, report = place.folder / f"{stem}.log", place.folder / f"{stem}.json"
    lease = place.store.intend(
        place.owner,
        KIND,
        f"pipeline {place.pipeline}: {state.session}",
        what={"pipeline": place.pipeline, "signal": "SIGINT"},
        project=str(place.root),
    )
    recipe = processes.Recipe(
        command=tuple(step_command(place.nox, state.session, report)),
        env=dict(place.env),
        cwd=str(place.root),
        log=str(log),
    )
    state.status, state.started, state.seconds, state.exit_code = "running", time.time(), None, None
    state.log, state.reason, state.sessions = str(log), "", {}
    began = time.monotonic()
    lease = processes.start(place.store, lease, recipe)
    return RunningStep(state=state, lease=lease, began=began, report=report, log=log)


def _as_file(session: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in session)


def finish_step(place: Place, step: RunningStep) -> bool:
    """Tell whether a step has ended; then its state says how, and nothing of it runs any more."""
    code = processes.exit_code(step.lease)
    if code is None:
        return False
    step.state.seconds = step.age
    _let_go(place, step)
    step.state.exit_code = code
    step.state.sessions = read_results(step.report)
    step.state.status, step.state.reason = judge(code, step.state.sessions)
    return True


def judge(code: int, results: Mapping[str, str]) -> tuple[StepStatus, str]:
    """Return status and reason of a step that ended by itself.

    A session that Nox skipped was not tested: a step of which nothing ran is no pass.
    """
    if code != 0:
        failed = [name for name, result in results.items() if result in {"failed", "aborted"}]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return "failed", f"{how}: {', '.join(failed)} failed" if failed else how
    skipped = [name for name, result in results.items() if result == "skipped"]
    if not results or len(skipped) == len(results):
        return "skipped", "nothing ran: Nox skipped it (is the interpreter missing?)"
    return "passed", f"not run: {', '.join(skipped)}" if skipped else ""


def read_results(report: Path) -> dict[str, str]:
    """Read ``nox --report``: session → result; empty when Nox did not get so far."""

    class Row(msgspec.Struct):
        name: str
        result: str
        signatures: tuple[str, ...] = ()

    class Report(msgspec.Struct):
        sessions: tuple[Row, ...]

    try:
        rows = msgspec.json.decode(report.read_bytes(), type=Report).sessions
    except (OSError, msgspec.MsgspecError):
        return {}
    return {(row.signatures[0] if row.signatures else row.name): row.result for row in rows}


def stop_steps(
    place: Place,
    steps: Sequence[RunningStep],
    why: str,
    *,
    patience: float,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """End steps as Ctrl-C would, all at once; who is not gone in time is killed, children too.

    Args:
        place: where they run.
        steps: which.
        why: kept as the reason of each.
        patience: seconds until they are killed.
        hurry: asked meanwhile; once it says so, they are killed at once.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        stopping = {pool.submit(_stop, place, step, why, patience) for step in steps}
        while stopping:
            if hurry():
                for step in steps:
                    processes.kill(step.lease)
            done, stopping = wait(stopping, timeout=0.1)
            for each in done:
                each.result()


def _stop(place: Place, step: RunningStep, why: str, patience: float) -> None:
    processes.stop(step.lease, patience=patience, first="SIGINT")
    step.state.seconds = step.age
    _let_go(place, step)
    step.state.sessions = read_results(step.report)
    step.state.status, step.state.reason = "interrupted", why


def _let_go(place: Place, step: RunningStep) -> None:
    """Stop what a step has left running, which carries its mark, and forget its lease."""
    processes.stop(step.lease, patience=1.0, first="SIGTERM")
    place.store.forget(step.lease)


def remove_left_behind(store: LeaseStore, root: Path) -> int:
    """Stop the steps of pipelines of this project whose own process was killed; return how many."""
    count = 0
    for lease in store.leases():
        ours = lease.kind == KIND and "pipeline" in lease.what and lease.project == str(root)
        if ours and store.judge(lease.owner).state == "dead":
            count += processes.runs(lease)
            release(store, lease, lambda left: processes.stop(left, patience=10.0, first="SIGINT"))
    return count


def environment(url_variable: str, url: str, build: str) -> dict[str, str]:
    """Return the environment of the steps: ours, their common build, the URL of the deployment."""
    env = {**os.environ, "TOOLKIT_BUILD": build}
    if url:
        env[url_variable] = url
    return env
