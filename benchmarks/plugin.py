"""What the pytest plugin costs: recording 10,000 trivial tests, and being installed but inert.

CPU seconds (user + system, with all workers) of whole pytest processes, in turn and in random order, so that
a busy machine disturbs all alike: plain (without the plugin), active (all of the plugin but recording) and
recorded. The ratio is the median of the ratios of each round; "best of each" compares the quickest rounds.

    uv run benchmarks/plugin.py [--tests N] [--files N] [--repeat N] [--workers 0,2] [--json]
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

IMPORT = """
import sys, time, pytest, _pytest.config
before = set(sys.modules)
start = time.perf_counter()
import toolkit.plugin
print(time.perf_counter() - start, len(set(sys.modules) - before))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--workers", default="0,2", help="comma-separated numbers of xdist workers")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_suite(root, options.tests, options.files)
        results = [measure(root, workers, options.repeat) for workers in map(int, options.workers.split(","))]
        inert = import_time(options.repeat * 4)
    if options.json:
        print(json.dumps({"tests": options.tests, "recording": results, "inert": inert}))
        return
    print(f"{options.tests} trivial tests in {options.files} files, {options.repeat} rounds, CPU seconds")
    print(f"{'workers':>8} {'plain':>8} {'active':>8} {'recorded':>9} {'ratio':>15} {'of the best':>13}")
    for row in results:
        print(
            f"{row['workers']:>8} {row['plain']:>8.2f} {row['active']:>8.2f} {row['recorded']:>9.2f} "
            f"{row['ratio']:>15.3f} {row['ratio_of_best']:>13.3f}"
        )
    print(f"inert: import {inert['milliseconds']:.1f} ms over pytest itself, {inert['modules']} modules")


def write_suite(root: Path, tests: int, files: int) -> None:
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for number in range(files):
        count = tests // files
        lines = [f"def test_{index}():\n    assert True\n" for index in range(count)]
        (root / f"test_{number:04}.py").write_text("\n\n".join(lines), encoding="utf-8")


def measure(root: Path, workers: int, repeat: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "-p", "no:cacheprovider"]
    cpu(command, root, {})  # compiles the files
    ways: dict[str, list[float]] = {"plain": [], "active": [], "recorded": []}
    options = {"plain": ["-p", "no:toolkit"], "active": ["--no-record"], "recorded": []}
    for number in range(repeat):
        for way in random.sample(list(ways), len(ways)):
            environ = {"TOOLKIT_RUN_DIR": str(root / "runs" / f"{workers}-{number}-{way}")}
            ways[way].append(cpu([*command, *options[way]], root, environ))
    ratios = [after / before for before, after in zip(ways["plain"], ways["recorded"], strict=True)]
    return {
        "workers": workers,
        **{way: statistics.median(times) for way, times in ways.items()},
        "ratio": statistics.median(ratios),
        "ratio_of_best": min(ways["recorded"]) / min(ways["plain"]),
        "rounds": ways,
    }


def cpu(command: list[str], root: Path, environ: dict[str, str]) -> float:
    """Run a command to its end; return the CPU seconds of it and of its children."""
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise SystemExit(f"{command} failed:\n{output.decode()}")
    return usage.ru_utime + usage.ru_stime


def import_time(repeat: int) -> dict[str, float]:
    runs = [
        subprocess.run(
            [sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(repeat)
    ]
    return {
        "milliseconds": statistics.median(float(run[0]) for run in runs) * 1000,
        "modules": int(runs[0][1]),
    }


if __name__ == "__main__":
    main()
