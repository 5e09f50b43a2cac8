"""What tracing costs: CPU time of a suite bare, with ``--no-impacted``, with coverage, with pytest-testmon.

Each way has a copy of the project of its own, so three states of the records can be told apart: ``first``
(nothing is recorded, all tests are traced), ``unchanged`` (everything is recorded and nothing changed) and
``changed`` (the body of one function was changed since the last run).

Each part is switched on alone: ``inert`` (the plugin is there, nobody asks for it), ``loaded`` (active, but
neither recording nor tracing), ``recording only``, ``none traced`` (``impact.retrace = 0``), ``unchanged``
(5 % are traced), ``all traced`` (``impact.retrace = 1``).

All are run by turns, so that other load on the machine falls on all of them; the figures are medians of the
CPU time (user and system, with children) divided by that of the bare run. The first round fills caches and
does not count. With ``--parts`` each way also collects everything and runs one test: so the seconds that
every run costs are told apart from the microseconds for each test (of the best of all rounds).

    uv run --with pytest-testmon --with pytest-cov benchmarks/tracing.py jinja2=PATH click=PATH --rounds 5

PATH is an unpacked source archive or a clone of a project whose dependencies the interpreter can import; it
is copied, never changed. ``--python`` names another interpreter.
"""

import argparse
import ast
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
LEAST_BYTES = 5000
OURS = ["-p", "no:testmon", "-p", "no:cov", "--no-impacted"]
TESTMON = ["-p", "no:toolkit", "-p", "no:cov", "--testmon-noselect"]
WAYS = {
    "bare": ["-p", "no:toolkit", "-p", "no:testmon", "-p", "no:cov"],
    "inert": ["-p", "no:testmon", "-p", "no:cov"],
    "loaded": ["-p", "no:testmon", "-p", "no:cov", "--no-record", "--order=declared"],
    "recording only": ["-p", "no:testmon", "-p", "no:cov", "--order=declared"],
    "none traced": [*OURS, "--no-record"],
    "first": [*OURS, "--no-record"],
    "unchanged": [*OURS, "--no-record"],
    "changed": [*OURS, "--no-record"],
    "all traced": [*OURS, "--no-record"],
    "unchanged and recording": OURS,
    "coverage contexts": [
        "-p",
        "no:toolkit",
        "-p",
        "no:testmon",
        "--cov=.",
        "--cov-context=test",
        "--cov-report=",
    ],
    "testmon first": TESTMON,
    "testmon unchanged": TESTMON,
}
RETRACED = {"none traced": 0.0, "all traced": 1.0}
ONLY = "TRACING_BENCHMARK_ONLY"
CHOOSER = f"""
import os, pathlib, pytest
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    pathlib.Path(__file__).with_suffix(".count").write_text(str(len(items)))
    items[:] = items[: int(os.environ["{ONLY}"]) or None]
"""
"""A plugin for all ways, the bare one as well: counts the tests, lets only so many run; 0: all."""
UNPARTED = frozenset({"changed", "coverage contexts", "testmon first", "testmon unchanged"})
"""Ways that a run of one test does not leave as they were, or that are not ours."""
STATES = (".toolkit", ".testmondata", ".testmondata-shm", ".testmondata-wal")


def prepare(way: str, root: Path, number: int) -> None:
    """Bring a copy into the state that a way is about."""
    if way.endswith("first"):
        for name in STATES:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    elif way.endswith("changed") and not way.endswith("unchanged"):
        change(root, number)


def change(root: Path, number: int) -> None:
    """Add a statement that does nothing to a function of the middle-sized module, each round to another."""
    files = sorted(
        (path for path in (root / "src").rglob("*.py") if path.stat().st_size > LEAST_BYTES),
        key=lambda path: path.stat().st_size,
    )
    path = files[len(files) // 2]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    bodies = [
        node.body[-1]
        for node in ast.walk(ast.parse("".join(lines)))
        if isinstance(node, ast.FunctionDef) and node.body[-1].lineno > node.lineno
    ]
    statement = bodies[number * 7 % len(bodies)]
    lines.insert(statement.lineno - 1, " " * statement.col_offset + f"{number}\n")
    path.write_text("".join(lines), encoding="utf-8")


def cpu_seconds(way: str, root: Path, python: str, tests: int = 0) -> float:
    """Run the suite once in one of the ways; not a number when the tool itself breaks down in it."""
    places = (root / "src", root, root.parents[1])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), ONLY: str(tests)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "tracing_chooser", *WAYS[way]],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode == INTERNAL_ERROR and way.startswith(("testmon", "coverage")):
        return math.nan
    if done.returncode not in {0, 1}:
        sys.exit(
            f"{root.name}, {way}: pytest ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratio(seconds: list[float], bare: list[float]) -> float:
    """Return the median of the ratios round by round: both of a round ran under much the same load."""
    return statistics.median(one / other for one, other in zip(seconds, bare, strict=True))


def measure(
    source: Path, python: str, ways: list[str], rounds: int, *, parts: bool
) -> tuple[dict[str, list[float]], dict[str, list[float]], int]:
    """Run all ways by turns; return the seconds of everything, those with one test, the number of tests."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    alone: dict[str, list[float]] = {way: [] for way in ways if parts and way not in UNPARTED}
    with tempfile.TemporaryDirectory(prefix="tracing-") as folder:
        ignored = shutil.ignore_patterns(".toolkit", ".testmondata*", "__pycache__")
        roots = {way: Path(folder, way.replace(" ", "-"), source.name) for way in ways}
        for root in roots.values():
            shutil.copytree(source, root, ignore=ignored)
        Path(folder, "tracing_chooser.py").write_text(CHOOSER, encoding="utf-8")
        for way in RETRACED.keys() & roots.keys():
            with (roots[way] / "pyproject.toml").open("a", encoding="utf-8") as stream:
                stream.write(f"\n[tool.toolkit.impact]\nretrace = {RETRACED[way]}\n")
        for number in range(rounds + 1):
            for way, root in roots.items():
                prepare(way, root, number)
                seconds = cpu_seconds(way, root, python)
                if number:
                    times[way].append(seconds)
            for way in alone if number else ():
                prepare(way, roots[way], number)
                alone[way].append(cpu_seconds(way, roots[way], python, tests=1))
        tests = int(Path(folder, "tracing_chooser.count").read_text(encoding="utf-8"))
    return times, alone, tests


def parted(
    times: dict[str, list[float]], alone: dict[str, list[float]], way: str, tests: int
) -> dict[str, float]:
    """Split what a way costs more than the bare run into a part for each run and one for each test."""
    if way not in alone or "bare" not in alone:
        return {}
    fixed = min(alone[way]) - min(alone["bare"])
    more = min(times[way]) - min(times["bare"])
    return {
        "fixed seconds": round(fixed, 3),
        "microseconds a test": round((more - fixed) / max(tests - 1, 1) * 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of: {', '.join(WAYS)}")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--parts", action="store_true", help="tell fixed costs from those of each test")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ways = options.ways.split(",")
    report = {}
    for given in options.projects:
        name, _, path = given.partition("=")
        source = Path(path).resolve()
        times, alone, tests = measure(source, options.python, ways, options.rounds, parts=options.parts)
        report[name] = {
            way: {
                "cpu seconds": round(statistics.median(seconds), 3),
                "ratio": round(ratio(seconds, times[ways[0]]), 3),
                "ratio of the best": round(min(seconds) / min(times[ways[0]]), 3),
                **parted(times, alone, way, tests),
            }
            for way, seconds in times.items()
        }
        if not options.json:
            print(name)
            for way, figures in report[name].items():
                print(f"  {way:20} {figures}", flush=True)
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
