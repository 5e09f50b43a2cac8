"""Aggregation of JUnit XML: time and peak memory beside a bare parse and other libraries.

Writes files into a temporary folder, measures every reader in a process of its own, in turns. Peak memory
is that of the process (VmHWM); for several processes the sum, taking the largest for each of them.

    uv run --with junitparser --with lxml benchmarks/junit.py
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

GOAL_BARE = 0.5
"""Our speed ÷ that of a bare expat parse (no handlers, nothing built), at least."""
GOAL_PARSER = 3.0
"""junitparser's time ÷ ours, at least."""
GOAL_GROWTH = 1.1
"""Peak memory with all files ÷ with a quarter of them, at most."""


def write_files(folder: Path, files: int, cases: int) -> int:
    """Write a realistic set: 2 % failures with tracebacks, 3 % skips, 10 % with output; return the bytes."""
    dice = random.Random(7)
    trace = "".join(f"    at frame_{n} in module_{n}.py:{n}\n" for n in range(24))
    output = "".join(f"INFO request {n} handled in 12 ms\n" for n in range(26))
    for number in range(files):
        rows = [
            f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites><testsuite name="pytest" tests="{cases}">\n'
        ]
        for case in range(cases):
            start = (
                f'<testcase classname="tests.unit.package_{number % 9}.test_module_{number:04d}.TestThing" '
                f'name="test_does_what_it_should_{case}[case-{case % 7}]" time="{dice.random() / 10:.6f}"'
            )
            fate = dice.random()
            if fate < 0.02:
                rows.append(
                    f'{start}><failure message="AssertionError: assert 1 == 2">{trace}</failure></testcase>\n'
                )
            elif fate < 0.05:
                rows.append(f'{start}><skipped type="pytest.skip" message="needs a server"/></testcase>\n')
            elif fate < 0.15:
                rows.append(f"{start}><system-out>{output}</system-out></testcase>\n")
            else:
                rows.append(f"{start} />\n")
        rows.append("</testsuite></testsuites>\n")
        (folder / f"report-{number:04d}.xml").write_text("".join(rows), "utf-8")
    return sum(path.stat().st_size for path in folder.iterdir())


def bare(paths: list[Path]) -> int:
    """Expat without handlers: the least that any reader pays."""
    from pyexpat import ParserCreate

    for path in paths:
        with path.open("rb") as stream:
            ParserCreate().ParseFile(stream)
    return 0


def handlers(paths: list[Path]) -> int:
    """Expat with empty handlers for tags: the least that a reader in Python pays."""
    from pyexpat import ParserCreate

    for path in paths:
        parser = ParserCreate()
        parser.StartElementHandler = lambda _name, _attributes: None
        parser.EndElementHandler = lambda _name: None
        with path.open("rb") as stream:
            parser.ParseFile(stream)
    return 0


def ours(paths: list[Path]) -> int:
    """``aggregate`` as the task calls it."""
    from toolkit.reports.aggregate import aggregate

    return aggregate(paths, created=0.0).counts.tests


def ours_alone(paths: list[Path]) -> int:
    """``aggregate`` in one process."""
    from toolkit.reports.aggregate import aggregate

    return aggregate(paths, created=0.0, jobs=1).counts.tests


def junitparser(paths: list[Path]) -> int:
    """Junitparser: count verdicts and time, as we do."""
    from junitparser import Error, Failure, JUnitXml, Skipped

    tests, seconds, verdicts = 0, 0.0, {Failure: 0, Error: 0, Skipped: 0}
    for path in paths:
        for suite in JUnitXml.fromfile(str(path)):
            for case in suite:
                tests += 1
                seconds += case.time or 0.0
                for result in case.result:
                    verdicts[type(result)] += 1
    return tests


def lxml(paths: list[Path]) -> int:
    """Lxml's iterparse: count verdicts and time, and free what was read."""
    from lxml.etree import iterparse

    tests, seconds = 0, 0.0
    verdicts = {"failure": 0, "error": 0, "skipped": 0}
    for path in paths:
        for _, element in iterparse(str(path), tag="testcase"):
            tests += 1
            seconds += float(element.get("time", 0.0))
            for child in element:
                if child.tag in verdicts:
                    verdicts[child.tag] += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return tests


READERS: dict[str, Callable[[list[Path]], int]] = {
    reader.__name__: reader for reader in (bare, handlers, ours, ours_alone, junitparser, lxml)
}


def peak() -> int:
    """Bytes of memory that this process and its children had at most."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    status = Path("/proc/self/status")
    if status.exists():
        own = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if "VmHWM" in line)
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return own + (child * (os.cpu_count() or 1) if child else 0)


def measure(name: str, folder: Path, files: int) -> dict[str, float]:
    """Run one reader in this process."""
    paths = sorted(folder.iterdir())[:files]
    begin, cpu = time.perf_counter(), os.times()
    tests = READERS[name](paths)
    end, spent = time.perf_counter(), os.times()
    used = sum(spent[:4]) - sum(cpu[:4])
    return {"seconds": end - begin, "cpu": used, "peak": peak(), "tests": tests}


def measured(name: str, folder: Path, files: int) -> dict[str, float]:
    """Run one reader in a fresh process."""
    command = [sys.executable, __file__, "--measure", name, str(folder), "--files", str(files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def benchmark(files: int, cases: int, rounds: int) -> dict[str, object]:
    """Measure all readers in turns; keep the median time of each."""
    with tempfile.TemporaryDirectory(prefix="junit-") as name:
        folder = Path(name)
        size = write_files(folder, files, cases)
        runs = [{reader: measured(reader, folder, files) for reader in READERS} for _ in range(rounds)]
        few = {reader: measured(reader, folder, max(files // 4, 1)) for reader in ("ours", "ours_alone")}
    table = {
        reader: {key: statistics.median(run[reader][key] for run in runs) for key in runs[0][reader]}
        for reader in READERS
    }
    spent = {reader: row["seconds"] for reader, row in table.items()}
    return {
        "files": files,
        "cases": files * cases,
        "bytes": size,
        "readers": table,
        "quarter": few,
        "ratios": {
            "speed ÷ bare expat": spent["bare"] / spent["ours"],
            "speed ÷ bare expat, one process": spent["bare"] / spent["ours_alone"],
            "speed ÷ expat with empty handlers": spent["handlers"] / spent["ours"],
            "speed ÷ expat with empty handlers, one process": spent["handlers"] / spent["ours_alone"],
            "speed ÷ junitparser": spent["junitparser"] / spent["ours"],
            "speed ÷ junitparser, one process": spent["junitparser"] / spent["ours_alone"],
            "peak, all files ÷ a quarter": table["ours"]["peak"] / few["ours"]["peak"],
            "peak, all files ÷ a quarter, one process": table["ours_alone"]["peak"]
            / few["ours_alone"]["peak"],
        },
    }


def missed(result: dict[str, object]) -> list[str]:
    """Name the goals that were not reached."""
    ratios = result["ratios"]
    assert isinstance(ratios, dict)
    goals = {
        f"half the speed of bare expat ({GOAL_BARE})": ratios["speed ÷ bare expat"] >= GOAL_BARE,
        f"several times junitparser ({GOAL_PARSER})": ratios["speed ÷ junitparser"] >= GOAL_PARSER,
        f"flat memory ({GOAL_GROWTH})": ratios["peak, all files ÷ a quarter, one process"] <= GOAL_GROWTH
        and ratios["peak, all files ÷ a quarter"] <= GOAL_GROWTH,
    }
    return [goal for goal, reached in goals.items() if not reached]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--cases", type=int, default=1000, help="per file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, folder = options.measure
        print(json.dumps(measure(name, Path(folder), options.files)))
        return
    result = benchmark(options.files, options.cases, options.rounds)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    if missed(result):
        sys.exit("not reached: " + "; ".join(missed(result)))


def show(result: dict[str, object]) -> None:
    """Print the table and the ratios."""
    readers, ratios = result["readers"], result["ratios"]
    assert isinstance(readers, dict)
    assert isinstance(ratios, dict)
    print(f"{result['files']} files, {result['cases']:,} cases, {int(str(result['bytes'])) / 1e6:.0f} MB")
    print(f"{'reader':<14}{'seconds':>9}{'CPU':>9}{'peak MB':>9}")
    for name, row in readers.items():
        print(f"{name:<14}{row['seconds']:>9.2f}{row['cpu']:>9.2f}{row['peak'] / 1e6:>9.1f}")
    for name, value in ratios.items():
        print(f"{name:<50}{value:>6.2f}")


if __name__ == "__main__":
    main()
