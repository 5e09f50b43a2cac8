"""What an import and a question cost when the history is small and when it is large.

    uv run benchmarks/history.py                 1e5 and 1e6 results of 20,000 tests, SQLite
    uv run benchmarks/history.py --postgres URL  the same on a server
    uv run benchmarks/history.py --json

Beside it, in the same run, the obvious schema: one plain table of results, an index for the questions, the
same number of transactions, and a window function for the newest results. It keeps an outcome and a duration
per result; the history keeps every attempt with its phases, resources, worker and order, and the failures.
"""

import argparse
import json
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from toolkit.history.store import History, open_history
from toolkit.records import Attempt, CaseResult, Failure, Frame, NodeId, Outcome, RunRecord, RunStarted

TESTS = 20_000
SIZES = (100_000, 1_000_000)
COST = "import of a result, us of CPU"
RECENT = "last 50 outcomes of every test"
FAILING = 50  # one result in so many fails


def made_run(index: int, tests: int = TESTS) -> RunRecord:
    """Make a run as the plugin records it; failures have tracebacks of their own."""
    started = 1.7e9 + index * 3600
    cases = tuple(made_case(index, number, started) for number in range(tests))
    header = RunStarted(run=f"run-{index:05}", started=started, profile="unit", commit=f"{index:040x}")
    return RunRecord(header=header, cases=cases, finished=started + 300, exit_code=1)


def made_case(index: int, number: int, started: float) -> CaseResult:
    test = NodeId(f"tests/part{number % 40}/test_{number % 500}.py::TestThing::test_it[{number}]")
    failed = (index * 7 + number) % FAILING == 0
    seconds = 0.001 + (number % 977) / 5000
    failure = Failure(
        phase="call",
        exception="builtins.AssertionError",
        message=f"assert {index} == {number}",
        traceback=f"E       assert {index} == {number}\n" * 30,
        frames=(Frame(path=f"src/module_{number % 90}.py", line=number % 300, function="compute"),),
    )
    attempt = Attempt(
        test=test,
        outcome=Outcome.FAILED if failed else Outcome.PASSED,
        worker=f"gw{number % 4}",
        order=number // 4,
        started=started + number / 100,
        duration=seconds + 0.0003,
        setup=0.0002,
        call=seconds,
        teardown=0.0001,
        cpu=seconds * 0.9,
        memory=60_000_000 + number,
        failures=(failure,) if failed else (),
        file=test.partition("::")[0],
        line=number % 400,
        markers=("unit",),
    )
    return CaseResult(test=test, attempts=(attempt,))


class Plain:
    """The obvious schema, to compare with."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;"
            "CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT UNIQUE);"
            "CREATE TABLE tests (id INTEGER PRIMARY KEY, node TEXT UNIQUE);"
            "CREATE TABLE results (test INTEGER, run INTEGER, outcome TEXT, duration REAL);"
            "CREATE UNIQUE INDEX by_test ON results (test, run);"
        )

    def import_run(self, record: RunRecord) -> None:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        execute("INSERT OR IGNORE INTO runs (run) VALUES (?)", (record.header.run,))
        run = execute("SELECT id FROM runs WHERE run = ?", (record.header.run,)).fetchone()[0]
        nodes = [(case.test,) for case in record.cases]
        self.connection.executemany("INSERT OR IGNORE INTO tests (node) VALUES (?)", nodes)
        ids = dict(execute("SELECT node, id FROM tests").fetchall())
        rows = ((ids[case.test], run, case.outcome.value, case.duration) for case in record.cases)
        self.connection.executemany("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)", rows)
        execute("COMMIT")

    def recent(self) -> int:
        outcomes: dict[int, list[str]] = {}
        sql = (
            "SELECT test, outcome FROM (SELECT test, outcome, row_number() OVER "
            "(PARTITION BY test ORDER BY run DESC) AS place FROM results) WHERE place <= 50"
        )
        for test, outcome in self.connection.execute(sql):
            outcomes.setdefault(test, []).append(outcome)
        return sum(map(len, outcomes.values()))

    def slowest(self) -> object:
        sql = "SELECT test, avg(duration) AS mean FROM results GROUP BY test ORDER BY mean DESC LIMIT 20"
        return self.connection.execute(sql).fetchall()


def timed(action: Callable[[], object], repeat: int = 3) -> float:
    """Return the median seconds of an action."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def questions(history: History) -> dict[str, float]:
    """Time what others ask."""
    test = made_case(0, 7, 0.0).test
    return {
        RECENT: timed(lambda: sum(len(row.outcomes) for row in history.recent(50).values())),
        "slowest 20": timed(lambda: history.slowest(20)),
        "durations of every test": timed(history.durations),
        "results of one test": timed(lambda: history.results(test, limit=50)),
        "newest 20 runs": timed(lambda: history.runs(limit=20)),
        "newest 100 failures": timed(lambda: history.failures(limit=100)),
        "one whole run": timed(lambda: history.record("run-00000"), 1),
    }


def grow(import_run: Callable[[RunRecord], object], first: int, last: int) -> float:
    """Import runs; return the CPU seconds spent in the imports alone: other load does not count."""
    spent = 0.0
    for index in range(first, last):
        record = made_run(index)
        start = time.process_time()
        import_run(record)
        spent += time.process_time() - start
    return spent


def again(history: History) -> float:
    """Return the seconds of an import that has nothing to do."""
    record = made_run(0)
    return timed(lambda: history.import_run(record), 1)


def measure(url: str, folder: Path | None) -> dict[str, object]:
    """Grow a history through all sizes, beside the plain schema when there is a folder for it."""
    report: dict[str, object] = {}
    plain = Plain(folder / "plain.sqlite") if folder else None
    with open_history(url) as history:
        done = 0
        for size in SIZES:
            runs = size // TESTS
            count = (runs - done) * TESTS / 1e6
            part = {COST: grow(history.import_run, done, runs) / count} | questions(history)
            part["import again, us per result"] = again(history) / TESTS * 1e6
            part["MB"] = history.totals().bytes / 1e6
            if plain:
                part[f"plain: {COST}"] = grow(plain.import_run, done, runs) / count
                part[f"plain: {RECENT}"] = timed(plain.recent)
                part["plain: slowest 20"] = timed(plain.slowest)
            report[f"{size:,} results"] = part
            done = runs
        report["check, seconds"] = timed(history.require_sound, 1)
    return report


def with_ratios(report: dict[str, object]) -> dict[str, object]:
    """Add what the claims are about."""
    small, large = (report[f"{size:,} results"] for size in SIZES)
    assert isinstance(small, dict)
    assert isinstance(large, dict)
    report["ratios"] = {"cost of a result, large : small": large[COST] / small[COST]}
    if f"plain: {COST}" in large:
        report["ratios"] |= {  # type: ignore[operator]
            "plain: cost of a result, large : small": large[f"plain: {COST}"] / small[f"plain: {COST}"],
            "last 50 outcomes, plain : history": large[f"plain: {RECENT}"] / large[RECENT],
        }
    return report


def show(report: dict[str, object], indent: str = "") -> None:
    """Print figures, one a line."""
    for name, value in report.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            show(value, f"{indent}  ")
        else:
            print(f"{indent}{name:<44}{value:>12.3f}")


_KEEP_LINES = argparse.RawDescriptionHelpFormatter


def main() -> int:
    """Measure and print; exit code 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_KEEP_LINES)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--postgres", metavar="URL", help="measure there, in a schema that is dropped")
    parser.add_argument("--folder", help="where the files are made; default: a temporary folder")
    options = parser.parse_args()
    if options.postgres:
        report = on_postgres(options.postgres)
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            report = with_ratios(measure(str(Path(folder) / "history.sqlite"), Path(folder)))
    print(json.dumps(report, indent=2)) if options.json else show(report)
    large = report[f"{SIZES[-1]:,} results"]
    assert isinstance(large, dict)
    return int(large[RECENT] >= 1 or large["slowest 20"] >= 1)


def on_postgres(url: str) -> dict[str, object]:
    """Measure in a schema of its own and drop it."""
    schema = f"benchmark_{secrets.token_hex(4)}"
    try:
        return with_ratios(measure(f"{url}?schema={schema}", None))
    finally:
        with open_history(f"{url}?schema={schema}") as history:
            history.database.rows(f"DROP SCHEMA {schema} CASCADE")


if __name__ == "__main__":
    sys.exit(main())
