"""Running listed tests again, in exactly the listed order, and reading what came of them."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.history.imports import import_pending
from toolkit.history.store import History, open_history
from toolkit.journal import read_run
from toolkit.records import Attempt, NodeId, Outcome, RunRecord

OWN_VARIABLES = ("TOOLKIT_RUN_ID", "TOOLKIT_BUILD", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT")
"""Of the run around us: not for the runs that we start."""


def worker_order(record: RunRecord, worker: str) -> list[Attempt]:
    """Return the first attempts that a worker made, in its order."""
    attempts = (attempt for case in record.cases for attempt in case.attempts)
    mine = [attempt for attempt in attempts if attempt.worker == worker]
    firsts: dict[NodeId, Attempt] = {}
    for attempt in sorted(mine, key=lambda attempt: (attempt.order, attempt.number)):
        firsts.setdefault(attempt.test, attempt)
    return list(firsts.values())


def workers_of(record: RunRecord) -> list[str]:
    """Return the workers of a run."""
    return sorted({attempt.worker for case in record.cases for attempt in case.attempts})


def load_run(config: Config, run: str) -> RunRecord:
    """Return a run from the history, the newest one without a name.

    Raises:
        UsageError: there is no such run; lists the newest.
    """
    with open_history(config.history_url) as history:
        import_pending(history, config.state_dir)
        newest = [row.run for row in history.runs(limit=10)]
        record = history.record(run or (newest[0] if newest else ""))
    if record is None:
        raise UsageError(f"no run {run!r} in the history; newest: {', '.join(newest) or 'none'}")
    return record


def last_bad_run(history: History, test: NodeId) -> str | None:
    """Return the newest run in which a test ended badly."""
    return next((row.run for row in history.results(test) if row.outcome.bad), None)


def command_for(
    tests: Sequence[NodeId], listing: Path, python: str, *, workers: int = 0, arguments: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs exactly these tests in this order; writes the list of them."""
    listing.write_text("".join(f"{test}\n" for test in tests), encoding="utf-8")
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    command = [python, "-m", "pytest", "-p", "no:randomly", "-n", str(workers), f"--run-list={listing}"]
    return [*command, *arguments, *files]


def repeat_test(
    test: NodeId,
    tries: int,
    *,
    until: Literal["failure", "pass"],
    root: Path,
    python: str,
    arguments: Sequence[str] = (),
) -> tuple[int, int]:
    """Run one test up to so many times in one process; return how many tries passed and how many did not.

    Raises:
        EnvironmentFailed: it has no outcome; says what pytest printed.
    """
    option = f"--repeat={tries}" if until == "failure" else f"--retries={tries - 1}"
    attempts = attempts_of(test, [test], root=root, python=python, arguments=[option, *arguments])
    told = [attempt.outcome for attempt in attempts if attempt.outcome is not Outcome.SKIPPED]
    if not told:
        raise EnvironmentFailed(f"{test} was skipped: {attempts[-1].reason}", hint="it cannot be judged here")
    failed = sum(outcome.bad for outcome in told)
    return len(told) - failed, failed


def outcome_after(
    tests: Sequence[NodeId],
    last: NodeId,
    *,
    root: Path,
    python: str,
    workers: int = 0,
    arguments: Sequence[str] = (),
) -> Outcome:
    """Run some tests and then one more; return the outcome of that one.

    Raises:
        EnvironmentFailed: it has no outcome; says what pytest printed.
    """
    return attempts_of(last, [*tests, last], root=root, python=python, workers=workers, arguments=arguments)[
        -1
    ].outcome


def attempts_of(
    test: NodeId,
    tests: Sequence[NodeId],
    *,
    root: Path,
    python: str,
    workers: int = 0,
    arguments: Sequence[str] = (),
) -> tuple[Attempt, ...]:
    """Run some tests in a session that leaves no trace in the history; return the attempts of one of them."""
    with tempfile.TemporaryDirectory(prefix="toolkit-bisect-") as folder:
        listing = Path(folder) / "tests.txt"
        command = command_for(tests, listing, python, workers=workers, arguments=arguments)
        journals = Path(folder) / "journals"
        environ = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
        environ["TOOLKIT_RUN_DIR"] = str(journals)
        result = subprocess.run(
            command,
            cwd=root,
            env=environ,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        cases = read_run(journals).cases if any(journals.glob("*.jsonl")) else ()
        attempts = next((case.attempts for case in cases if case.test == test), ())
    if not attempts:
        printed = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
        raise EnvironmentFailed(f"{test} did not run:\n{printed}", hint="name its options with --arguments")
    return attempts
