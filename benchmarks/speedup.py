"""How much time do the scheduler and selection save? Everything serially beside both, in the same run.

Three ways in turn, so that whatever else the machine does meets all of them: (a) plain pytest, one process;
(b) everything with ``-n auto`` and the order of the toolkit, after a recorded run; (c) ``--impacted`` after a
typical change: one function of the source, chosen at random with a seed, gets a statement that does nothing.
Reported: elapsed seconds (best and median), CPU seconds, what is saved against (a), and for each change the
share of tests that ran. Beside it what could be saved at most: of (b) by spreading the measured CPU time of
the tests evenly over the cores, the longest test uncut; of (c) when nothing but the collection were left. The
example of this repository runs its unit tests, networkx a part of its algorithms; the others run whole.

    uv run benchmarks/speedup.py
    uv run benchmarks/speedup.py --project networkx --repeat 1 --changes 3
    uv run benchmarks/speedup.py --project click tomlkit --changes 10 --json
"""

import argparse
import ast
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from balance import prepare, prepare_project, timed
from third_party import PROJECTS, ROOT, Project, run

from toolkit.plugin.planning import cores
from toolkit.scheduling.plan import read_plan

EXAMPLE = "example"
BASE = ["-q", "-p", "no:cacheprovider"]
ALONE = {EXAMPLE: ["-n", "0", "--no-record", "--order=declared"]}  # its markers are those of the plugin
PLAIN = ["-p", "no:toolkit", "-p", "no:xdist"]
LONG = {"networkx": Project(name="networkx", version="3.6", needs=("pytest",))}
"""Projects that only this benchmark takes: their tests take long enough to be worth spreading."""

ALGORITHMS = ("centrality", "community", "connectivity", "flow", "shortest_paths")
TESTS = {EXAMPLE: ["tests/unit"], "networkx": [f"networkx/algorithms/{name}" for name in ALGORITHMS]}
SOURCES = {EXAMPLE: "src/bookshop", "networkx": "networkx/algorithms"}
"""Folder of the code under test; elsewhere it is named as the project, in ``src`` or not."""


def make(name: str, folder: Path) -> tuple[Path, str]:
    """Make a copy of a project with an environment; return its folder and its Python."""
    if name in LONG:
        return prepare_project(LONG[name], folder)
    if name != EXAMPLE:
        return prepare(name, folder)
    ignored = shutil.ignore_patterns(".nox", ".toolkit", "reports", "__pycache__")
    root = Path(shutil.copytree(ROOT / "docs" / "example", folder / EXAMPLE, ignore=ignored))
    run(["uv", "venv", "-q", "--no-config", ".venv"], root)
    python = str(root / ".venv" / "bin" / "python")
    needs = ["-e", ".", "--group", "test", "-e", str(ROOT), "pytest-xdist"]
    run(["uv", "pip", "install", "-q", "--no-config", "--python", python, *needs], root)
    return root, python


def functions(source: Path) -> Iterator[tuple[Path, ast.FunctionDef]]:
    """Yield every function of the code under test that has a body to change."""
    for path in sorted(path for path in source.rglob("*.py") if "tests" not in path.parts):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.body[-1].lineno > node.lineno:
                yield path, node


def change(path: Path, function: ast.FunctionDef) -> str:
    """Put a statement that does nothing before a function's last one; return the text as it was."""
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    last = function.body[-1]
    lines.insert(last.lineno - 1, " " * last.col_offset + "assert True\n")
    path.write_text("".join(lines), "utf-8")
    return text


def changes(root: Path, name: str, count: int, seed: int) -> list[tuple[Path, ast.FunctionDef]]:
    """Choose functions to change."""
    module = name.replace("-", "_")
    places = [root / SOURCES.get(name, module), root / "src" / module]
    found = list(functions(next(place for place in places if place.is_dir())))
    return random.Random(seed).sample(found, min(count, len(found)))


def impacted(
    root: Path, python: str, tests: Sequence[str], edit: tuple[Path, ast.FunctionDef]
) -> dict[str, Any]:
    """Time ``--impacted`` after one change, then record the project as it was."""
    path, function = edit
    before = change(path, function)
    command = [python, "-m", "pytest", *BASE, "--impacted", *tests]
    try:
        wall, cpu = timed(command, root)
        store = root / ".toolkit" / "dependencies.sqlite"
        ran, left_out = last_run(store)
    finally:
        path.write_text(before, "utf-8")
        timed(command, root)
    share = ran / max(ran + left_out, 1)
    return {"function": f"{path.name}::{function.name}", "wall": wall, "cpu": cpu, "share": share}


def limits(root: Path, python: str, name: str, serial: float) -> dict[str, float]:
    """Tell what a run of everything, and of nothing, would take at least: collection, then even cores."""
    pytest, tests = [python, "-m", "pytest", *BASE], TESTS.get(name, [])
    timed([*pytest, "--collect-only", "--order=declared", "--write-plan=limits.json", *tests], root)
    rows = read_plan(root / "limits.json").tests
    start, _cpu = timed([*pytest, *ALONE.get(name, PLAIN), "--collect-only", *tests], root)
    busy, longest = sum(row.cpu or 0.0 for row in rows), max(row.duration for row in rows)
    return {
        "tests": len(rows),
        "seconds": round(sum(row.duration for row in rows), 2),
        "busy": round(busy, 2),
        "longest": round(longest, 2),
        "cores": cores(),
        "start": round(start, 2),
        "saved at most by workers": round(1 - (start + max(busy / cores(), longest)) / serial, 3),
        "saved at most by selection": round(1 - start / serial, 3),
    }


def last_run(store: Path) -> tuple[int, int]:
    """Return how many tests the newest run with ``--impacted`` ran and left out."""
    import sqlite3

    connection = sqlite3.connect(store)
    row = connection.execute("SELECT selected, left_out FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    connection.close()
    return int(row[0]), int(row[1])


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one project."""
    root, python = make(name, folder)
    tests = TESTS.get(name, [])
    pytest = [python, "-m", "pytest", *BASE]
    for arguments in (["--record", "-n", "0"], ["--record", "-n", "2"], ["--impacted"]):
        timed([*pytest, *arguments, *tests], root)
    ways = {"alone": ALONE.get(name, PLAIN), "scheduler": ["-n", "auto", "--order=smart", "--record"]}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    edits = changes(root, name, options.changes, options.seed)
    typical = []
    for number in range(max(options.repeat, len(edits))):
        if number < options.repeat:
            for way, arguments in ways.items():
                found[way].append(timed([*pytest, *arguments, *tests], root))
        if number < len(edits):
            typical.append(impacted(root, python, tests, edits[number]))
    serial = statistics.median(wall for wall, _ in found["alone"])
    rows: dict[str, Any] = {way: summary(pairs, serial) for way, pairs in found.items()}
    rows["typical change"] = summary([(row["wall"], row["cpu"]) for row in typical], serial)
    rows["typical change"]["tests run"] = round(statistics.median(row["share"] for row in typical), 3)
    return {"ways": rows, "changes": typical, "limits": limits(root, python, name, serial)}


def summary(pairs: Sequence[tuple[float, float]], serial: float) -> dict[str, float]:
    """Sum up the runs of one way."""
    walls = [wall for wall, _ in pairs]
    middle = statistics.median(walls)
    return {
        "best": round(min(walls), 2),
        "median": round(middle, 2),
        "cpu": round(statistics.median(cpu for _, cpu in pairs), 2),
        "saved": round(1 - middle / serial, 3),
    }


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [EXAMPLE, *PROJECTS, *LONG]
    parser.add_argument("--project", nargs="+", choices=names, default=[EXAMPLE, "networkx", "packaging"])
    parser.add_argument("--repeat", type=int, default=3, help="runs of (a) and (b)")
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    os.environ["UV_PYTHON"] = sys.executable  # of the environments: functions are traced from 3.12 on
    report: dict[str, Any] = {}
    for name in options.project:
        with tempfile.TemporaryDirectory(prefix=f"speedup-{name}-") as folder:
            report[name] = measure(name, Path(folder), options)
        if not options.json:
            for way, row in report[name]["ways"].items():
                print(f"{name:10} {way:15} {json.dumps(row)}")
            print(f"{name:10} {'limits':15} {json.dumps(report[name]['limits'])}", flush=True)
    if options.json:
        print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
