"""What a plan costs for many tests with many runs of history that depend on many functions each.

A project is made first: source files, test files, recorded dependencies, a history. Then some functions are
edited on disk, and a new process does all that a user waits for before the first test, collection aside:

    select   open the store, fingerprint every file that tests depend on, find what the change affects, and
             hand the list of what is left out to the processes that run tests
    history  look for runs to take in, ask the history what it knows of every test and of this machine
    workers  how many pay off for the tests that will probably run
    plan     order, workers and eight shards for all tests
    file     write the plan file

Reported: CPU seconds of each part (what others do on the machine does not count) and elapsed seconds, the
median of the repetitions; peak memory of the planning process; sizes on disk; and how the whole grows from
one size to the next, per test (1.0 is linear).

    uv run benchmarks/dependencies.py
    uv run benchmarks/dependencies.py --tests 10000 --history 20 --keep /tmp/stores
"""

import argparse
import json
import multiprocessing
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from toolkit.history.imports import import_pending
from toolkit.history.store import open_history
from toolkit.impact.inputs import CaseInputs, Input, Traced
from toolkit.impact.session import ImpactSession
from toolkit.impact.state import fingerprints
from toolkit.impact.store import SEGMENT_TESTS, STORE_NAME, open_store
from toolkit.plugin.garbage import uncollected
from toolkit.plugin.impacted import PLAN, RunPlan, read_plan
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted
from toolkit.scheduling.experience import costs_of, expected_tests, experience_of, known, read_forecasts
from toolkit.scheduling.jobs import Traits, make_jobs
from toolkit.scheduling.plan import Machine, write_plan
from toolkit.scheduling.planning import Wanted, make_plan
from toolkit.scheduling.workers import choose_workers

A_FILE = 25
"""Tests of one test file."""

UNITS = 50
"""Functions of one source file."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What is made: tests, functions that each enters, functions of the project, runs of history."""

    tests: int
    functions: int
    project: int
    history: int

    @property
    def folder(self) -> str:
        """Name of the folder in which it is kept; a history may grow in it."""
        return f"{self.tests}-{self.functions}-{self.project}"

    @property
    def names(self) -> list[NodeId]:
        """All tests."""
        return [NodeId(f"{test_file(number)}::test_{number}") for number in range(self.tests)]


def test_file(number: int) -> str:
    """Return the file of a test."""
    return f"tests/test_{number // A_FILE}.py"


def source_file(number: int) -> str:
    """Return the file of a function."""
    return f"pkg/m{number // UNITS}.py"


def write_project(root: Path, size: Size) -> None:
    """Write source files and test files."""
    for folder in ("pkg", "tests", ".toolkit"):
        (root / folder).mkdir(parents=True)
    for begin in range(0, size.project, UNITS):
        numbers = range(begin, min(begin + UNITS, size.project))
        text = "\n".join(f"def f{number}(x):\n    return x + {number}\n" for number in numbers)
        (root / source_file(begin)).write_text(text, "utf-8")
    for begin in range(0, size.tests, A_FILE):
        numbers = range(begin, min(begin + A_FILE, size.tests))
        text = "\n".join(f"def test_{number}():\n    assert {number} >= 0\n" for number in numbers)
        (root / test_file(begin)).write_text(text, "utf-8")
    (root / "pyproject.toml").write_text("[tool.toolkit]\n", "utf-8")


def record_all(root: Path, size: Size) -> float:
    """Store the dependencies of all tests; return the CPU seconds that storing took."""
    spent = 0.0
    with open_store(root / ".toolkit" / STORE_NAME) as store:
        session = ImpactSession(root, store, options=())
        state = session.state(())
        for traced in recordings(size):
            with store.transaction():
                prints = fingerprints(state, traced.inputs)
                begin = time.process_time()
                store.record(session.environment, msgspec.structs.replace(traced, fingerprints=prints))
                spent += time.process_time() - begin
    return spent


def recordings(size: Size) -> Iterator[Traced]:
    """Make recordings: tests of a file share most of what they touch, as in real suites."""
    functions = [Input("function", source_file(n), f"f{n}") for n in range(size.project)]
    modules = [Input("module", source_file(n)) for n in range(0, size.project, UNITS)]
    settings = [Input("setting", name) for name in ("python", "pytest", "options")]
    common = frozenset(range(size.project, size.project + len(modules) + len(settings)))
    generator = random.Random(1)
    shared: frozenset[int] = frozenset()
    for begin in range(0, size.tests, SEGMENT_TESTS):
        numbers = range(begin, min(begin + SEGMENT_TESTS, size.tests))
        files = {test_file(number): Input("tests", test_file(number)) for number in numbers}
        inputs = (*functions, *modules, *settings, *files.values())
        places = {name: size.project + len(common) + place for place, name in enumerate(files)}
        cases = []
        for number in numbers:
            if number % A_FILE == 0 or number == begin:
                shared = frozenset(generator.sample(range(size.project), size.functions * 9 // 10))
            cases.append(
                CaseInputs(
                    test=NodeId(f"{test_file(number)}::test_{number}"),
                    inputs=frozenset(generator.sample(range(size.project), size.functions - len(shared)))
                    | {places[test_file(number)]},
                    shared=(shared, common),
                    outcome=Outcome.PASSED,
                    duration=0.1,
                )
            )
        yield Traced(inputs=inputs, fingerprints=(), cases=tuple(cases))


def fill_history(path: Path, size: Size) -> None:
    """Fill a history, or go on filling it: every run has every test, one result in fifty fails."""
    with open_history(str(path)) as history:
        have = len(history.runs(limit=None))
        if have >= size.history:
            return
        passed, failed = ([_case(*row, outcome) for row in enumerate(size.names)] for outcome in _ENDS)
        for index in range(have, size.history):
            started = 1.7e9 + index * 3600
            header = RunStarted(run=f"run-{index:05}", started=started, profile="unit")
            cases = tuple(
                (failed if (number + index * 37) % 50 == 0 else passed)[number]
                for number in range(size.tests)
            )
            history.import_run(RunRecord(header=header, cases=cases, finished=started + 300, exit_code=1))


_ENDS = (Outcome.PASSED, Outcome.FAILED)


def _case(number: int, test: NodeId, outcome: Outcome) -> CaseResult:
    seconds = 0.001 + (number % 977) / 5000
    attempt = Attempt(
        test=test,
        outcome=outcome,
        worker="gw0",
        started=1.7e9,
        duration=seconds,
        call=seconds,
        cpu=0.001,
        memory=60_000_000,
    )
    return CaseResult(test=test, attempts=(attempt,))


class Clock:
    """CPU and elapsed seconds of the parts of a plan."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.elapsed: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        cpu, elapsed = time.process_time(), time.perf_counter()
        yield
        self.cpu[name] = time.process_time() - cpu
        self.elapsed[name] = time.perf_counter() - elapsed


def plan(root: Path, names: Sequence[NodeId]) -> dict[str, Any]:
    """Do what a run does before its first test, as the plugin does it."""
    clock = Clock()
    state = root / ".toolkit"
    with clock.part("select"), uncollected(), open_store(state / STORE_NAME) as store:
        selection = ImpactSession(root, store, options=()).plan()
        (state / PLAN).write_bytes(msgspec.json.encode(RunPlan(left_out=selection.left_out)))
        read_plan(state)
    with clock.part("history"), uncollected(), open_history(str(state / "history.sqlite")) as history:
        import_pending(history, state)
        shapes = history.run_shapes()
        experience = experience_of(history, read_forecasts(state), newest=shapes[0].last if shapes else 0.0)
        costs = costs_of(shapes, host="", cores=2)
        expected = expected_tests(history, shapes, profile="unit", arguments=())
    with clock.part("workers"), uncollected():
        likely = known(experience, expected)
        choose_workers(make_jobs((Traits(test=test) for test in likely), likely), cores=2, costs=costs)
    traits = [Traits(test=test) for test in names]
    with clock.part("plan"), uncollected():
        machine = Machine(cores=2, costs=costs)
        made = make_plan(traits, experience, made=0.0, machine=machine, wanted=Wanted(shards=8))
    with clock.part("file"), uncollected():
        write_plan(made, state / "written.json")
    assert len(made.tests) == len(names)
    return {
        "cpu": clock.cpu,
        "elapsed": clock.elapsed,
        "left out": len(selection.left_out),
        "peak megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


@contextmanager
def edited(root: Path, size: Size, changed: int, seed: int) -> Iterator[None]:
    """Change some functions on disk for a while, each time in another way."""
    before: dict[Path, str] = {}
    for number in random.Random(seed).sample(range(size.project), changed):
        path = root / source_file(number)
        text = path.read_text("utf-8")
        before.setdefault(path, text)
        stamp = f"return x + {time.time_ns()} + {number}\n"
        path.write_text(text.replace(f"return x + {number}\n", stamp), "utf-8")
    try:
        yield
    finally:
        for path, text in before.items():
            path.write_text(text, "utf-8")


def prepare(root: Path, size: Size) -> dict[str, float]:
    """Make project, dependencies and history where they are not there yet."""
    notes = root / "made.json"
    if not notes.exists():
        shutil.rmtree(root, ignore_errors=True)
        write_project(root, size)
        notes.write_text(json.dumps({"record cpu seconds": round(record_all(root, size), 2)}), "utf-8")
    fill_history(root / ".toolkit" / "history.sqlite", size)
    found: dict[str, float] = json.loads(notes.read_text("utf-8"))
    return found


def measure(size: Size, changed: int, repeat: int, folder: Path) -> dict[str, Any]:
    """Make one project, then plan for it in new processes."""
    root = folder / size.folder
    made = prepare(root, size)
    rows = []
    for number in range(repeat):
        with edited(root, size, changed, number), multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(plan, (root, size.names)))
    store, past = root / ".toolkit" / STORE_NAME, root / ".toolkit" / "history.sqlite"
    parts = {
        kind: {name: round(statistics.median(row[kind][name] for row in rows), 3) for name in rows[0][kind]}
        for kind in ("cpu", "elapsed")
    }
    return {
        **msgspec.structs.asdict(size),
        "changed": changed,
        "left out": [row["left out"] for row in rows],
        "cpu": parts["cpu"],
        "elapsed": parts["elapsed"],
        "plan cpu seconds": round(statistics.median(sum(row["cpu"].values()) for row in rows), 3),
        "plan elapsed seconds": round(statistics.median(sum(row["elapsed"].values()) for row in rows), 3),
        "peak megabytes": max(row["peak megabytes"] for row in rows),
        "dependencies megabytes": round(store.stat().st_size / 1e6, 1),
        "dependencies bytes a test": round(store.stat().st_size / size.tests),
        "history megabytes": round(past.stat().st_size / 1e6, 1),
        **made,
    }


def growth(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare each size with the one before, per test: 1.0 is linear."""
    kinds = ("plan cpu seconds", "peak megabytes", "dependencies megabytes", "history megabytes")
    return [
        {
            "from": one["tests"],
            "to": other["tests"],
            **{kind: round(other[kind] / one[kind] / (other["tests"] / one["tests"]), 2) for kind in kinds},
        }
        for one, other in pairwise(rows)
    ]


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--functions", type=int, default=1_000, help="that each test enters")
    parser.add_argument("--project", type=int, default=50_000, help="functions of the whole project")
    parser.add_argument("--changed", type=int, default=20, help="functions that are edited")
    parser.add_argument("--history", type=int, default=100, metavar="RUNS", help="runs that have every test")
    parser.add_argument("--repeat", type=int, default=3, help="plans, each after another edit")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what is made, and use it again")
    parser.add_argument("--make", action="store_true", help="only make it")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="dependencies-") as temporary:
        folder = options.keep or Path(temporary)
        for tests in options.tests:
            size = Size(
                tests=tests, functions=options.functions, project=options.project, history=options.history
            )
            if options.make:
                prepare(folder / size.folder, size)
                continue
            rows.append(measure(size, options.changed, options.repeat, folder))
            if not options.json:
                print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    told = growth(rows)
    print(
        json.dumps({"sizes": rows, "growth": told}, indent=1) if options.json else "\n".join(map(str, told))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
