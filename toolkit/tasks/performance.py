"""``invoke performance.*``: what tests measured, from commit to commit."""

from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.analysis.measures import MeasureTrend, Move, measure_trends
from toolkit.errors import InputError
from toolkit.performance.benchmarks import read_benchmarks
from toolkit.tasks.door import print_json, task
from toolkit.tasks.history import opened
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
SHORT = 10
"""Characters of a commit."""


@task(
    help={
        "test": "only tests whose name contains this",
        "measure": "only measures whose name contains this, such as benchmark.median or p99",
        "moved": "only those that moved to another level",
        "runs": "how many of the newest runs",
        "json": AS_JSON,
    }
)
def trend(
    _context: Context,
    *,
    test: str = "",
    measure: str = "",
    moved: bool = False,
    runs: int = 300,
    json: bool = False,
) -> None:
    """Show what tests measured, and at which commit it moved to another level."""
    with opened() as history:
        rows = [row for row in history.measured(runs=runs) if test in row.test and measure in row.name]
    found = [each for each in measure_trends(rows) if each.moves or not moved]
    if json:
        print_json(found)
        return
    heading = ("test", "measure", "python", "runs", "typical", "moved")
    print_table(wide_console(), "measures", heading, map(_cells, found))


def _cells(each: MeasureTrend) -> tuple[str, ...]:
    moves = "; ".join(map(_told, each.moves))
    return each.test, each.name, each.python, str(len(each.values)), f"{each.typical:.4g}", moves


def _told(move: Move) -> str:
    return f"{move.before:.4g} to {move.after:.4g} ({move.ratio:.2f} x) at {move.commit[:SHORT] or move.run}"


@task(
    name="import",
    positional=["files"],
    iterable=["files"],
    help={"files": "of pytest-benchmark: --benchmark-json, .benchmarks/**/*.json", "json": AS_JSON},
)
def import_(_context: Context, files: list[str], *, json: bool = False) -> None:
    """Take results of pytest-benchmark into the history; the same file twice changes nothing."""
    taken, unreadable = [], []
    with opened() as history:
        for name in files:
            try:
                record = read_benchmarks(Path(name))
            except InputError as error:
                unreadable.append({"path": name, "reason": str(error)})
                continue
            new = history.import_run(record)
            taken.append({"path": name, "run": record.header.run, "tests": len(record.cases), "new": new})
    if json:
        print_json({"taken": taken, "unreadable": unreadable})
    else:
        rows = [(row["path"], row["run"], str(row["tests"]), "" if row["new"] else "known") for row in taken]
        print_table(wide_console(), "taken in", ("file", "run", "benchmarks", ""), rows)  # type: ignore[arg-type]
    if unreadable:
        raise Exit("\n".join(row["reason"] for row in unreadable), 3)


ns = Collection(trend, import_)
