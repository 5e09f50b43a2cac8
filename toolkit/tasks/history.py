"""``invoke history.*``: what happened before, and keeping it in order."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.config import load_config
from toolkit.errors import HistoryDamaged, UsageError
from toolkit.history.answers import Chosen, Result, RunRow
from toolkit.history.export import write_export
from toolkit.history.imports import Imported, import_paths, import_pending
from toolkit.history.store import History, open_history
from toolkit.records import NodeId, node_id
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
UNREADABLE = 3
_DAY = 86_400.0


@contextmanager
def opened(*, pending: bool = True) -> Iterator[History]:
    """Open the project's history; runs that were recorded but not imported yet are made up for."""
    config = load_config()
    with open_history(config.history_url) as history:
        if pending:
            import_pending(history, config.state_dir)
        yield history


@task(help={"json": AS_JSON, "slowest": "how many of the slowest tests"})
def show(_context: Context, *, json: bool = False, slowest: int = 10) -> None:
    """Show what the history holds: runs, tests, size, the newest run, the slowest tests."""
    with opened() as history:
        totals, newest, slow = history.totals(), history.runs(limit=1), history.slowest(slowest)
    if json:
        print_json({"totals": totals, "newest": newest, "slowest": slow})
        return
    console = wide_console()
    console.print(
        f"{totals.where}: {totals.runs} runs, {totals.tests} tests, {totals.attempts} attempts, "
        f"{totals.bytes / 1e6:.1f} MB",
        markup=False,
    )
    print_table(console, "Newest run", _RUN_HEADINGS, map(_run_cells, newest))
    cells = ((f"{row.typical:.3f}", f"{row.longest:.3f}", row.test) for row in slow)
    print_table(console, "Slowest tests", ("median s", "longest s", "test"), cells)


@task(
    help={
        "json": AS_JSON,
        "limit": "at most so many; 0: all",
        "profile": "only runs of this profile",
        "branch": "only runs of this branch",
        "commit": "only runs of this commit",
        "python": "only runs with this Python, such as 3.12.1",
    }
)
def runs(
    _context: Context,
    *,
    json: bool = False,
    limit: int = 20,
    profile: str = "",
    branch: str = "",
    commit: str = "",
    python: str = "",
) -> None:
    """List runs, newest first."""
    chosen = Chosen(
        profile=profile or None, branch=branch or None, commit=commit or None, python=python or None
    )
    with opened() as history:
        found = history.runs(limit=limit or None, **chosen)
    if json:
        print_json(found)
    else:
        print_table(wide_console(), "Runs", _RUN_HEADINGS, map(_run_cells, found))


@task(
    name="test",
    positional=["test"],
    help={
        "test": "node id, such as tests/test_a.py::test_b",
        "json": AS_JSON,
        "limit": "at most so many results",
        "failures": "how many of the newest failures to show",
    },
)
def results(_context: Context, test: str, *, json: bool = False, limit: int = 50, failures: int = 3) -> None:
    """Show the results of one test, newest first, and its newest failures."""
    wanted = node_id(test)
    with opened() as history:
        found = history.results(wanted, limit=limit)
        if not found:
            raise _unknown_test(history, wanted)
        failed = history.failures(test=wanted, limit=failures)
    if json:
        print_json({"test": wanted, "results": found, "failures": failed})
        return
    console = wide_console()
    headings = ("started", "run", "profile", "python", "commit", "outcome", "attempts", "seconds")
    print_table(console, wanted, headings, map(_result_cells, found))
    for failure in failed:
        console.print(
            f"\n--- {failure.run}, attempt {failure.number}: {failure.failure.exception}", markup=False
        )
        console.print(failure.failure.traceback or failure.failure.message, markup=False, highlight=False)


@task(
    name="import",
    iterable=["paths"],
    positional=["paths"],
    help={
        "paths": "folders of journals, JUnit files, exports, or folders of such; any number",
        "json": AS_JSON,
    },
)
def import_(_context: Context, paths: list[str], *, json: bool = False) -> None:
    """Take in recorded runs, JUnit files and exports; doing it twice changes nothing."""
    if not paths:
        raise UsageError(
            "history.import needs at least one file or folder", hint="invoke history.import PATH …"
        )
    with opened(pending=False) as history:
        done = import_paths(history, [Path(path) for path in paths])
    _print_import(done, as_json=json)
    if done.unreadable:
        raise Exit(f"{len(done.unreadable)} of the inputs could not be read", UNREADABLE)


def _print_import(done: Imported, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    console = wide_console()
    console.print(f"{len(done.new)} runs taken in, {len(done.known)} were there already")
    for unreadable in done.unreadable:
        console.print(f"not read: {unreadable.path}: {unreadable.reason}", markup=False)


@task(
    positional=["path"],
    help={
        "path": "the file to write, by custom named *.jsonl.gz",
        "profile": "only runs of this profile",
        "branch": "only runs of this branch",
    },
)
def export(_context: Context, path: str, *, profile: str = "", branch: str = "") -> None:
    """Write the history to a compressed file that history.import takes on any machine."""
    with opened() as history:
        written = write_export(history, Path(path), profile=profile or None, branch=branch or None)
    wide_console().print(f"{path}: {written} runs", markup=False)


@task(
    help={
        "days": "remove runs older than so many days; 0: age does not matter",
        "keep": "remove all but so many newest runs of each profile; 0: their number does not matter",
        "dry_run": "only show what would be removed",
        "json": AS_JSON,
    }
)
def prune(
    _context: Context, *, days: float = 0.0, keep: int = 0, dry_run: bool = False, json: bool = False
) -> None:
    """Remove old runs from the history; their journals are not taken in again on their own."""
    if days < 0 or keep < 0 or not (days or keep):
        raise UsageError("history.prune needs --days or --keep, above 0", hint="try it with --dry-run first")
    before = time.time() - days * _DAY if days else None
    with opened() as history:
        done = history.prune(before=before, keep=keep or None, dry_run=dry_run)
    if json:
        print_json(done)
        return
    verb = "would be removed" if dry_run else "removed"
    console = wide_console()
    for run in done.runs:
        console.print(run, markup=False)
    console.print(f"{len(done.runs)} runs with {done.results} results {verb}")


@task(help={"json": AS_JSON})
def check(_context: Context, *, json: bool = False) -> None:
    """Check that the history is sound; nothing is changed. Exit code 3 when it is not."""
    with opened(pending=False) as history:
        found = history.check()
    if json:
        print_json(found)
    else:
        console = wide_console()
        console.print(
            f"{found.where}: schema {found.schema}, {found.runs} runs, {found.tests} tests, "
            f"{found.attempts} attempts, {found.bytes / 1e6:.1f} MB",
            markup=False,
        )
        for problem in found.problems or ("sound",):
            console.print(problem, markup=False)
    if found.problems:
        raise Exit(f"the history is damaged: {len(found.problems)} problems", HistoryDamaged.exit_code)


_RUN_HEADINGS = (
    "started", "run", "profile", "python", "branch", "commit", "tests", "bad", "skipped", "flaky", "missing",
    "seconds",
)  # fmt: skip


def _run_cells(row: RunRow) -> tuple[str, ...]:
    counts = map(str, (row.tests, row.bad, row.skipped, row.flaky, row.missing))
    wall = "interrupted" if row.wall is None else f"{row.wall:.1f}"
    return (_when(row.started), row.run, row.profile, row.python, row.branch, row.commit[:10], *counts, wall)


def _result_cells(row: Result) -> tuple[str, ...]:
    outcome = f"{row.outcome} (flaky)" if row.flaky else str(row.outcome)
    return (
        _when(row.started), row.run, row.profile, row.python, row.commit[:10], outcome,
        str(len(row.attempts)), f"{row.duration:.3f}",
    )  # fmt: skip


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _unknown_test(history: History, wanted: NodeId) -> UsageError:
    known = [str(row.test) for row in history.tests()]
    near = get_close_matches(wanted, known, n=3, cutoff=0.5)
    near = near or [test for test in known if wanted in test][:3]
    return UsageError(
        f"{wanted}: no results of this test in {history.where}",
        hint=f"did you mean {', '.join(near)}?"
        if near
        else "pass a node id, such as tests/test_a.py::test_b",
    )


ns = Collection(show, runs, results, import_, export, prune, check)
