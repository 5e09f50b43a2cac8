"""``invoke tests.*``: the laboratory for tests whose result depends on the order; see also ``debugging``."""

import os
import shlex
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console

from toolkit.config import load_config
from toolkit.errors import UsageError
from toolkit.history.imports import import_pending
from toolkit.history.store import open_history
from toolkit.records import NodeId, node_id
from toolkit.scheduling.bisection import minimise
from toolkit.tasks import debugging
from toolkit.tasks.collecting import interpreter
from toolkit.tasks.door import print_json, task
from toolkit.tasks.foreground import run_foreground
from toolkit.tasks.repeating import (
    command_for,
    last_bad_run,
    load_run,
    outcome_after,
    worker_order,
    workers_of,
)

AS_JSON = "print JSON and nothing else"
_COMMON = {
    "run": "a run of the history; default: the newest that fits",
    "python": "the Python that runs the tests; default: the profile's Nox environment, else this one",
    "arguments": "more pytest arguments, as one quoted string",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the bisection found."""

    test: NodeId
    run: str
    worker: str
    kind: str
    """``polluter``: the tests make it fail; ``helper``: it passes only after them; ``alone``: it fails in any
    case; ``none``: the recorded order does not make it fail."""
    tests: tuple[NodeId, ...] = ()
    trials: int
    command: str = ""


@task(
    positional=["nodeid"],
    help={"nodeid": "the test that fails sometimes", **_COMMON, "json": AS_JSON},
)
def bisect(
    _context: Context,
    nodeid: str,
    *,
    run: str = "",
    python: str = "",
    arguments: str = "",
    json: bool = False,
) -> None:
    """Find the tests that make a test fail (or pass) when they run before it on the same worker."""
    config = load_config()
    test = node_id(nodeid)
    with open_history(config.history_url) as history:
        import_pending(history, config.state_dir)
        chosen = run or last_bad_run(history, test)
    if not chosen:
        raise UsageError(f"{test} did not fail in any recorded run", hint="name a run with --run")
    record = load_run(config, chosen)
    worker = next((case.attempts[0].worker for case in record.cases if case.test == test), None)
    if worker is None:
        raise UsageError(f"{test} did not run in {chosen}")
    order = [attempt.test for attempt in worker_order(record, worker)]
    finding = investigate(
        test,
        order[: order.index(test)],
        _Trials(
            config.root, python or interpreter(config.root, record.header.profile), shlex.split(arguments)
        ),
        several=worker != "main",
        say=(lambda _line: None) if json else _say,
    )
    finding = msgspec.structs.replace(finding, run=chosen, worker=worker)
    if json:
        print_json(finding)
    else:
        _tell(finding)
    if finding.kind == "none":
        raise Exit(code=1)


class _Trials:
    """Runs trials and counts them."""

    def __init__(self, root: Path, python: str, arguments: Sequence[str]) -> None:
        self.root = root
        self.python = python
        self.arguments = arguments
        self.workers = 0
        self.count = 0

    def fails(self, before: Sequence[NodeId], test: NodeId) -> bool:
        """Run a test after others."""
        self.count += 1
        options: dict[str, Any] = {"root": self.root, "python": self.python, "arguments": self.arguments}
        return outcome_after(before, test, workers=self.workers, **options).bad

    def command(self, before: Sequence[NodeId], test: NodeId) -> str:
        """Return what a person types to see it."""
        tests = [*before, test]
        words = ["python", "-m", "pytest", "-p", "no:randomly", "-n", str(self.workers), *self.arguments]
        return shlex.join([*words, "--order=declared", *tests])


def investigate(
    test: NodeId,
    before: Sequence[NodeId],
    trials: _Trials,
    *,
    several: bool,
    say: Callable[[str], None],
) -> Finding:
    """Try a test alone and after all that ran before it, then narrow down.

    Args:
        test: the one in question.
        before: what ran before it on its worker, in order.
        trials: runs them.
        several: whether it was recorded on a worker of xdist; then a worker is tried when a process alone
            does not show it.
        say: tells the progress.
    """

    def found(kind: str, tests: Sequence[NodeId] = ()) -> Finding:
        command = trials.command(tests, test) if tests or kind == "alone" else ""
        return Finding(
            test=test, run="", worker="", kind=kind, tests=tuple(tests), trials=trials.count, command=command
        )

    say(f"{test}, alone, then after the {len(before)} tests that ran before it")
    alone = trials.fails([], test)
    after = trials.fails(before, test) if before else alone
    if alone == after and not alone and several and before:
        trials.workers = 1
        say("it passes in this process; trying on a worker of xdist")
        after = trials.fails(before, test)
    if alone == after:
        return found("alone" if alone else "none")

    def shows(part: Sequence[NodeId]) -> bool:
        result = trials.fails(part, test) == after
        say(f"  trial {trials.count}: after {len(part)} tests it {_verb(after if result else alone)}")
        return result

    return found("polluter" if after else "helper", minimise(before, shows))


def _verb(fails: bool) -> str:
    return "fails" if fails else "passes"


def _say(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _tell(finding: Finding) -> None:
    heads = {
        "polluter": f"{finding.test} fails after:",
        "helper": f"{finding.test} passes only after:",
        "alone": f"{finding.test} fails alone, too: its order is not the cause",
        "none": f"{finding.test} passes alone and in the recorded order of {finding.worker}: look for time, "
        "chance, or tests that ran beside it",
    }
    _say(heads[finding.kind])
    for test in finding.tests:
        _say(f"  {test}")
    if finding.command:
        _say(f"see it with: {finding.command}")


@task(
    positional=["run", "worker"],
    help={
        **_COMMON,
        "run": "a run of the history, or: latest",
        "worker": "whose order to repeat: main, gw0 ...",
        "dry-run": "print the command and the list, run nothing",
    },
)
def replay(
    _context: Context,
    run: str,
    worker: str,
    *,
    python: str = "",
    arguments: str = "",
    dry_run: bool = False,
) -> None:
    """Run what one worker ran in an earlier run, in exactly its order, in one process."""
    config = load_config()
    record = load_run(config, "" if run == "latest" else run)
    workers = workers_of(record)
    if worker not in workers:
        raise UsageError(
            f"run {record.header.run} has no worker {worker!r}; its workers: {', '.join(workers)}"
        )
    tests = [attempt.test for attempt in worker_order(record, worker)]
    with tempfile.TemporaryDirectory(prefix="toolkit-replay-") as folder:
        chosen = python or interpreter(config.root, record.header.profile)
        words = shlex.split(arguments)
        command = command_for(tests, Path(folder) / "tests.txt", chosen, arguments=words)
        _say(shlex.join(command))
        if dry_run:
            _say("\n".join(tests))
            return
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TOOLKIT_RUN")}
        code = run_foreground(command, config.root, environ)
    if code:
        raise Exit(code=code)


ns = Collection(bisect, replay, *debugging.TASKS)
