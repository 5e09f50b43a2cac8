"""What a plan costs for many tests with many runs of history that depend on many functions each.

A history and recorded dependencies are made first; then, as at the start of a run, tests are selected after
some functions changed, the history is asked what it knows of every test, and order, workers and shards are
decided. Reported for each part: CPU seconds of this process (what others do on the machine does not count),
elapsed seconds, sizes on disk, peak memory.

    uv run benchmarks/dependencies.py --tests 10000 100000 --functions 1000 --history 100
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from toolkit.history.store import open_history
from toolkit.impact.inputs import CaseInputs, Input, Traced
from toolkit.impact.selection import select
from toolkit.impact.store import SEGMENT_TESTS, open_store
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted
from toolkit.scheduling.experience import costs_of, expected_tests, experience_of
from toolkit.scheduling.jobs import Traits
from toolkit.scheduling.plan import Machine
from toolkit.scheduling.planning import Wanted, make_plan

ENVIRONMENT = "benchmark"


def runs(tests: int, functions: int, project: int) -> Iterator[Traced]:
    """Make recordings: tests of a file share most of what they touch, as in real suites."""
    inputs = tuple(Input("function", f"pkg/m{n % 997}.py", f"f{n}") for n in range(project))
    fingerprints = tuple("x" * 24 for _ in inputs)
    generator = random.Random(1)
    cases: list[CaseInputs] = []
    shared: list[int] = []
    for number in range(tests):
        if number % 25 == 0:
            shared = generator.sample(range(project), functions * 9 // 10)
        own = generator.sample(range(project), functions - len(shared))
        cases.append(
            CaseInputs(
                test=NodeId(f"tests/test_{number // 25}.py::test_{number}"),
                inputs=frozenset([*shared, *own]),
                outcome=Outcome.PASSED,
                duration=0.1,
            )
        )
        if len(cases) == SEGMENT_TESTS or number == tests - 1:
            yield Traced(inputs=inputs, fingerprints=fingerprints, cases=tuple(cases))
            cases = []


def make_history(path: Path, names: Sequence[NodeId], runs: int) -> None:
    """Fill a history: every run has every test, one result in fifty fails."""
    cases = [
        CaseResult(
            test=test,
            attempts=(
                Attempt(
                    test=test,
                    outcome=Outcome.FAILED if number % 50 == 7 else Outcome.PASSED,
                    worker="gw0",
                    duration=0.001 + (number % 977) / 5000,
                    call=0.001 + (number % 977) / 5000,
                    cpu=0.001,
                    memory=60_000_000,
                ),
            ),
        )
        for number, test in enumerate(names)
    ]
    with open_history(str(path)) as history:
        for index in range(runs):
            started = 1.7e9 + index * 3600
            header = RunStarted(run=f"run-{index:05}", started=started, profile="unit")
            first = index * 37 % len(cases)  # other tests fail in other runs
            shifted = zip(cases, cases[first:] + cases[:first], strict=True)
            found = (
                case
                if case.attempts[0].outcome is other.attempts[0].outcome
                else msgspec.structs.replace(
                    case,
                    attempts=(msgspec.structs.replace(case.attempts[0], outcome=other.attempts[0].outcome),),
                )
                for case, other in shifted
            )
            history.import_run(
                RunRecord(header=header, cases=tuple(found), finished=started + 300, exit_code=1)
            )


def plan_with_history(path: Path, names: Sequence[NodeId]) -> int:
    """Do what a run does before its first test: ask the history, decide order, workers and shards."""
    with open_history(str(path)) as history:
        shapes = history.run_shapes()
        experience = experience_of(history)
        costs = costs_of(shapes, host="", cores=2)
        expected_tests(history, shapes, profile="unit", arguments=())
    traits = [Traits(test=test) for test in names]
    machine = Machine(cores=2, costs=costs)
    return len(make_plan(traits, experience, made=0.0, machine=machine, wanted=Wanted(shards=8)).tests)


class Clock:
    """CPU and elapsed seconds of the parts of a plan."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.elapsed: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        cpu, elapsed = time.process_time(), time.perf_counter()
        yield
        self.cpu[name] = round(time.process_time() - cpu, 3)
        self.elapsed[name] = round(time.perf_counter() - elapsed, 3)


def measure(tests: int, functions: int, project: int, changed: int, history: int) -> dict[str, Any]:
    """Record, then plan after some functions changed."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="dependencies-") as folder:
        path = Path(folder, "d.sqlite")
        with open_store(path) as store:
            spent = 0.0
            for run in runs(tests, functions, project):
                begin = time.process_time()
                with store.transaction():
                    store.record(ENVIRONMENT, run)
                spent += time.process_time() - begin
        names = [NodeId(f"tests/test_{number // 25}.py::test_{number}") for number in range(tests)]
        past = Path(folder, "history.sqlite")
        if history:
            make_history(past, names, history)
        with clock.part("select"), open_store(path) as store:
            known = store.tests(ENVIRONMENT)
            numbers = [number for number, _item, _then in store.inputs()]
            hit = store.dependents(ENVIRONMENT, random.Random(2).sample(numbers, changed))
            selection = select(known, dict.fromkeys(hit, "changed"))
        if history:
            with clock.part("order and shard everything"):
                plan_with_history(past, names)
        return {
            "tests": tests,
            "functions each": functions,
            "functions changed": changed,
            "runs of history": history,
            "plan cpu seconds": round(sum(clock.cpu.values()), 3),
            "plan elapsed seconds": round(sum(clock.elapsed.values()), 3),
            "cpu of parts": clock.cpu,
            "record cpu seconds": round(spent, 2),
            "dependencies megabytes": round(path.stat().st_size / 1e6, 1),
            "bytes a test": round(path.stat().st_size / tests),
            "history megabytes": round(past.stat().st_size / 1e6, 1) if history else 0,
            "left out": len(selection.left_out),
            "peak megabytes of this process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--functions", type=int, default=1_000, help="that each test enters")
    parser.add_argument("--project", type=int, default=50_000, help="functions of the whole project")
    parser.add_argument("--changed", type=int, default=20)
    parser.add_argument(
        "--history", type=int, default=0, metavar="RUNS", help="runs of every test in the history"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = (options.functions, options.project, options.changed, options.history)
    rows = [measure(tests, *settings) for tests in options.tests]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
