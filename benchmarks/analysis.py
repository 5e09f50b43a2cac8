"""What the analysis of a history costs, and that the cost is linear: 10^5 and 10^6 results in one run.

    uv run benchmarks/analysis.py [--json] [--sizes 1e5 1e6]

The history is a real SQLite file: 50 runs of 2,000 and of 20,000 tests, two runs of each commit. In 100
tests, one is flaky (10 %), one breaks half-way, and one becomes slower; three runs have an outage that fails
a tenth of all tests. Every failure has a traceback. Measured is CPU time of this process, reading included:

* read: the newest results of every test, and the places of runs;
* metrics: counts, percentiles, groups;
* change points: of runs and of every test;
* failures: texts classified and grouped by cause;
* flaky: rate, kind, order (with outages told by number and by text).
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from toolkit.analysis.failures import classify_all
from toolkit.analysis.flakiness import FAILURES, flakiness_of
from toolkit.analysis.metrics import metrics_of
from toolkit.analysis.past import past_of
from toolkit.analysis.trends import run_trends, test_trends
from toolkit.history.store import History, open_history
from toolkit.records import Attempt, CaseResult, Failure, Frame, NodeId, Outcome, RunRecord, RunStarted

RUNS = 50
OUTAGES = {11, 25, 40}
GOAL = 10.0


def made_run(chance: random.Random, number: int, tests: int) -> RunRecord:
    """Make one run as the plugin records it."""
    started = 1.7e9 + number * 3600
    order = chance.sample(range(tests), tests)
    cases = tuple(made_case(chance, number, index, place, started) for place, index in enumerate(order))
    header = RunStarted(
        run=f"run-{number:03}", started=started, profile="unit", commit=f"{number // 2:040x}", python="3.12.1"
    )
    return RunRecord(header=header, cases=cases, finished=started + 300 + chance.random(), exit_code=1)


def made_case(chance: random.Random, run: int, index: int, place: int, started: float) -> CaseResult:
    test = NodeId(f"tests/part{index % 40}/test_{index % 500}.py::test_it[{index}]")
    seconds = 0.01 + (index % 97) / 1000 * (3 if index % 100 == 2 and run > 25 else 1)
    seconds *= chance.uniform(0.95, 1.05)
    outage = run in OUTAGES and chance.random() < 0.1
    bad = outage or (index % 100 == 0 and chance.random() < 0.1) or (index % 100 == 1 and run > 30)
    attempt = Attempt(
        test=test,
        outcome=Outcome.FAILED if bad else Outcome.PASSED,
        worker=f"gw{place % 4}",
        order=place // 4,
        started=started + place / 100,
        duration=seconds,
        setup=0.001,
        call=seconds,
        cpu=seconds,
        memory=50_000_000,
        failures=(made_failure(index, outage=outage),) if bad else (),
        file=test.partition("::")[0],
    )
    return CaseResult(test=test, attempts=(attempt,))


def made_failure(index: int, *, outage: bool) -> Failure:
    if outage:
        exception, message = "builtins.ConnectionRefusedError", "[Errno 111] Connection refused"
    else:
        exception, message = "builtins.AssertionError", f"assert {index} == {index + 1}"
    return Failure(
        phase="call",
        exception=exception,
        message=message,
        traceback=f"E       {exception}: {message}\n" * 20,
        frames=(Frame(path=f"src/module_{index % 90}.py", line=index % 300, function="compute"),),
    )


def steps(history: History) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Return what is measured; each step may use what the ones before returned."""
    return {
        "read": lambda _: past_of(history),
        "metrics": lambda done: metrics_of(history.runs(limit=None), done["read"].recent),
        "change points": lambda done: (
            run_trends(history.runs(limit=None)),
            test_trends(done["read"].recent, {run.run: run for run in history.runs(limit=None)}),
        ),
        "failures": lambda _: classify_all(
            ([one.failure], one.outcome) for one in history.failures(limit=FAILURES)
        ),
        "flaky": lambda done: flakiness_of(history, done["read"]),
    }


def measure(folder: Path, results: int) -> dict[str, Any]:
    """Make a history and analyse it."""
    chance = random.Random(1)
    tests = results // RUNS
    with open_history(str(folder / f"{results}.sqlite")) as history:
        began = time.process_time()
        for number in range(RUNS):
            history.import_run(made_run(chance, number, tests))
        made = time.process_time() - began
        seconds: dict[str, float] = {}
        done: dict[str, Any] = {}
        for name, step in steps(history).items():
            began = time.process_time()
            done[name] = step(done)
            seconds[name] = time.process_time() - began
    proven = [one for one in done["flaky"] if one.state == "flaky"]
    return {
        "results": results,
        "cpu": {name: round(value, 3) for name, value in seconds.items()},
        "total": round(sum(seconds.values()), 3),
        "per result, us": round(sum(seconds.values()) / results * 1e6, 2),
        "making it": round(made, 1),
        "flaky": len(proven),
        "really flaky": tests // 100,
        "rightly": sum(int(one.test.rpartition("[")[2][:-1]) % 100 == 0 for one in proven),
        "slower tests found": len(done["change points"][1]),
        "causes": len({one.group for one in done["failures"]}),
        "failures": len(done["failures"]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument(
        "--sizes", type=float, nargs="+", default=[1e5, 1e6], help="numbers of results (default 1e5 1e6)"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="toolkit-analysis-") as folder:
        found = [measure(Path(folder), int(size)) for size in options.sizes]
    ratio = found[-1]["per result, us"] / found[0]["per result, us"]
    if options.json:
        print(json.dumps({"sizes": found, "cost per result, last to first": round(ratio, 2)}, indent=2))
        return 0
    for one in found:
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in one["cpu"].items())
        print(f"{one['results']:>9,} results: {one['total']:.2f} s of CPU ({parts})")
        print(
            f"{'':>9} {one['per result, us']} us a result; {one['rightly']} of {one['flaky']} flaky tests "
            f"rightly (truth: {one['really flaky']}); {one['slower tests found']} slower; "
            f"{one['failures']} failures have {one['causes']} causes"
        )
    print(f"cost per result, last to first: {ratio:.2f} (1 is linear); goal for 1e6: below {GOAL:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
