"""What tracing costs: CPU time of a suite bare, with ``--no-impacted``, with coverage, with pytest-testmon.

All are run by turns, so that other load on the machine falls on all of them; the figures are medians of the
CPU time (user and system, with children) divided by that of the bare run. The first round fills caches and
does not count.

    uv run --with pytest-testmon --with pytest-cov benchmarks/tracing.py jinja2=PATH click=PATH --rounds 5

PATH is an unpacked source archive or a clone of a project whose dependencies the interpreter can import; it
is copied, never changed. ``--python`` names another interpreter.
"""

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

INTERNAL_ERROR = 3
WAYS = {
    "bare": ["-p", "no:toolkit", "-p", "no:testmon", "-p", "no:cov"],
    "ours": ["-p", "no:testmon", "-p", "no:cov", "--no-impacted", "--no-record"],
    "ours recording": ["-p", "no:testmon", "-p", "no:cov", "--no-impacted"],
    "coverage contexts": [
        "-p",
        "no:toolkit",
        "-p",
        "no:testmon",
        "--cov=.",
        "--cov-context=test",
        "--cov-report=",
    ],
    "testmon": ["-p", "no:toolkit", "-p", "no:cov", "--testmon-noselect"],
}


def cpu_seconds(way: str, root: Path, python: str) -> float:
    """Run the suite once in one of the ways; not a number when the tool itself breaks down in it."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", *WAYS[way]],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode == INTERNAL_ERROR and way not in {"bare", "ours", "ours recording"}:
        return math.nan
    if done.returncode not in {0, 1}:
        sys.exit(
            f"{root.name}, {way}: pytest ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratio(seconds: list[float], bare: list[float]) -> float:
    """Return the median of the ratios round by round: both of a round ran under much the same load."""
    return statistics.median(one / other for one, other in zip(seconds, bare, strict=True))


def measure(source: Path, python: str, ways: list[str], rounds: int) -> dict[str, list[float]]:
    """Run all ways by turns."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="tracing-") as folder:
        root = Path(folder) / source.name
        shutil.copytree(
            source, root, ignore=shutil.ignore_patterns(".toolkit", ".testmondata*", "__pycache__")
        )
        for number in range(rounds + 1):
            for way in ways:
                seconds = cpu_seconds(way, root, python)
                if number:
                    times[way].append(seconds)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of: {', '.join(WAYS)}")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ways = options.ways.split(",")
    report = {}
    for given in options.projects:
        name, _, path = given.partition("=")
        times = measure(Path(path).resolve(), options.python, ways, options.rounds)
        report[name] = {
            way: {
                "cpu seconds": round(statistics.median(seconds), 3),
                "ratio": round(ratio(seconds, times[ways[0]]), 3),
                "ratio of the best": round(min(seconds) / min(times[ways[0]]), 3),
            }
            for way, seconds in times.items()
        }
        if not options.json:
            print(name)
            for way, figures in report[name].items():
                print(f"  {way:18} {figures}", flush=True)
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
