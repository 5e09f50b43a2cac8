"""What caches cost selection: every function of a project taken as changed once, from one recorded run.

Functions that look like caches lend what ran in them, in any test, to others. Three rules are compared by
the share of tests that would run after a change of each function:

* ``enters``: whoever enters such a function borrows from it;
* ``finds``: whoever finds something in it does (the rule that is used);
* ``nobody``: nobody does, which is less than is safe: no rule can select fewer tests.

    uv run benchmarks/caches.py jinja2=PATH tomlkit=PATH

PATH is an unpacked source archive; it is copied, never changed. ``--python`` names an interpreter with the
project's dependencies, pytest and this toolkit. Python 3.12 or later.
"""

import argparse
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.impact import dependencies
from toolkit.impact.inputs import Input
from toolkit.impact.session import ImpactSession
from toolkit.impact.store import open_store

PROBE = """
import os, pickle
from toolkit.impact.session import ImpactSession
record = ImpactSession.traced
def traced(self, trails, results):
    with open(os.environ["PROBE_FILE"], "wb") as stream:
        pickle.dump((trails, results), stream)
    return record(self, trails, results)
ImpactSession.traced = traced
"""
Shares = dict[Input, float]
"""Function → share of the tests that would run if it changed."""


def recorded(source: Path, work: Path, python: str, extra: list[str]) -> tuple[Path, Any]:
    """Run the suite of a project with ``--impacted``; return its copy and what was recorded."""
    root = work / "project"
    shutil.copytree(source, root, ignore=shutil.ignore_patterns(".toolkit", "__pycache__"))
    (work / "trails_probe.py").write_text(PROBE)
    file = work / "trails.pickle"
    path = os.pathsep.join([str(root / "src"), str(root), str(work)])
    command = [python, "-m", "pytest", "-q", "-p", "trails_probe", "--impacted", *extra]
    environ = {**os.environ, "PYTHONPATH": path, "PROBE_FILE": str(file)}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    if not file.exists():
        sys.exit(f"{source}: pytest did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return root, pickle.loads(file.read_bytes())


def shares(root: Path, found: Any) -> Shares:
    """Return how many tests depend on each function of the project that is not a test's."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.sqlite") as store:
        traced = ImpactSession(root, store).traced(*found)
    counts: dict[int, int] = {}
    for case in traced.cases:
        for number in case.inputs.union(*case.shared):
            counts[number] = counts.get(number, 0) + 1
    return {
        item: counts.get(number, 0) / len(traced.cases)
        for number, item in enumerate(traced.inputs)
        if item.kind == "function" and not item.name.startswith(("tests/", "test/"))
    }


@contextmanager
def put(owner: Any, name: str, value: Callable[..., object]) -> Iterator[None]:
    """Replace a function for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def measure(source: Path, python: str, extra: list[str]) -> dict[str, dict[str, float]]:
    """Return for each rule the number of functions, the median and the mean of their shares."""
    with tempfile.TemporaryDirectory(prefix="caches-") as folder:
        root, found = recorded(source, Path(folder), python, extra)
        finds = shares(root, found)
        with put(dependencies, "borrowing_nothing", lambda _trail, _number: set()):
            enters = shares(root, found)
        with put(dependencies.ProcessInputs, "_window", lambda _self, _keeper: frozenset()):
            nobody = shares(root, found)
    rules = {"enters": enters, "finds": finds, "nobody": nobody}
    return {name: summary([rule.get(item, 0.0) for item in enters]) for name, rule in rules.items()}


def summary(found: list[float]) -> dict[str, float]:
    return {
        "functions": len(found),
        "median": round(statistics.median(found), 4),
        "mean": round(statistics.mean(found), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--pytest", default="", help="more arguments for pytest, separated by spaces")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    options = parser.parse_args()
    report = {}
    for item in options.projects:
        name, _, path = item.rpartition("=")
        name = name or Path(path).name
        report[name] = measure(Path(path).resolve(), options.python, options.pytest.split())
        if not options.json:
            for rule, found in report[name].items():
                print(f"{name} {rule:7} {found['functions']} functions:", end=" ")
                print(f"median {found['median']:.1%}, mean {found['mean']:.1%} of the tests", flush=True)
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
