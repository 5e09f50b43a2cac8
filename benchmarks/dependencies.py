"""Size of the stored dependencies and time of a plan, for many tests that depend on many functions each.

uv run benchmarks/dependencies.py --tests 10000 100000 --functions 1000
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from toolkit.impact.inputs import CaseInputs, Input, Traced
from toolkit.impact.selection import select
from toolkit.impact.store import SEGMENT_TESTS, open_store
from toolkit.records import NodeId, Outcome

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


def measure(tests: int, functions: int, project: int, changed: int) -> dict[str, float]:
    """Record, then plan after some functions changed."""
    with tempfile.TemporaryDirectory(prefix="dependencies-") as folder:
        path = Path(folder, "d.sqlite")
        with open_store(path) as store:
            spent = 0.0
            for run in runs(tests, functions, project):
                begin = time.process_time()
                with store.transaction():
                    store.record(ENVIRONMENT, run)
                spent += time.process_time() - begin
        with open_store(path) as store:
            begin = time.perf_counter()
            known = store.tests(ENVIRONMENT)
            numbers = [number for number, _item, _then in store.inputs()]
            hit = store.dependents(ENVIRONMENT, random.Random(2).sample(numbers, changed))
            selection = select(known, dict.fromkeys(hit, "changed"))
            planned = time.perf_counter() - begin
        return {
            "tests": tests,
            "functions each": functions,
            "functions changed": changed,
            "plan seconds": round(planned, 3),
            "record cpu seconds": round(spent, 2),
            "megabytes": round(path.stat().st_size / 1e6, 1),
            "bytes a test": round(path.stat().st_size / tests),
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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(tests, options.functions, options.project, options.changed) for tests in options.tests]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
