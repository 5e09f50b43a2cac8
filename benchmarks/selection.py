"""Recall and precision of ``pytest --impacted`` on real projects, beside pytest-testmon in the same run.

Every mutant is one small edit of a project. Three runs follow on the edited tree: the whole suite, a run
with ``--impacted`` and one with ``--testmon``, the latter two from the state recorded on the unedited tree.
A test that fails in the whole suite (and did not before) and is not run by a selection is a miss.

    uv run --with pytest-testmon benchmarks/selection.py jinja2=PATH click=PATH --mutants 24
    uv run benchmarks/selection.py jinja2=CLONE --commits 20      # replay its history instead

PATH is an unpacked source archive or a clone; it is copied, never changed. The interpreter must be able to
import the project's dependencies, pytest, this toolkit and pytest-testmon (``--python`` names another).
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mutants import mutants

PROBE = """
import json, os
results = {}
def pytest_runtest_logreport(report):
    bad = report.failed
    results[report.nodeid] = results.get(report.nodeid, False) or bad
def pytest_collectreport(report):
    if report.failed:
        results["collecting " + report.nodeid] = True
def pytest_sessionfinish():
    with open(os.environ["PROBE_FILE"], "w") as stream:
        json.dump(results, stream)
"""
TOOLS = {
    "whole": ["-p", "no:toolkit", "-p", "no:testmon"],
    "ours": ["-p", "no:testmon", "--impacted"],
    "testmon": ["-p", "no:toolkit", "--testmon"],
}
STATES = {"ours": ".toolkit", "testmon": ".testmondata"}


@dataclass(kw_only=True)
class Ran:
    """One run of pytest."""

    results: dict[str, bool]
    seconds: float
    broken: bool = False  # pytest or a plugin ended with an internal error

    @property
    def failing(self) -> set[str]:
        return {test for test, bad in self.results.items() if bad}


@dataclass(kw_only=True)
class Row:
    """One mutant or commit."""

    project: str
    kind: str
    where: str
    tests: int
    failing: int
    whole_seconds: float
    selected: dict[str, int] = field(default_factory=dict)
    missed: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    broken: dict[str, bool] = field(default_factory=dict)


class Project:
    """A copy of a project that is edited and run."""

    def __init__(  # noqa: PLR0917 - all needed
        self, name: str, source: Path, work: Path, python: str, tools: list[str], extra: list[str]
    ) -> None:
        self.name = name
        self.root = work / name
        self.python = python
        self.tools = tools
        self.extra = extra
        shutil.copytree(
            source, self.root, ignore=shutil.ignore_patterns(".toolkit", ".testmondata*", "__pycache__")
        )
        self.saved = work / f"{name}.saved"
        (work / "selection_probe.py").write_text(PROBE)
        self.work = work
        self.edited = False

    def run(self, tool: str) -> Ran:
        """Run the suite with one of the tools."""
        file = self.work / "results.json"
        file.unlink(missing_ok=True)
        paths = [str(self.root / "src"), str(self.root), str(self.work)]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PROBE_FILE": str(file)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [self.python, "-m", "pytest", "-q", "-p", "selection_probe"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, "--continue-on-collection-errors", *TOOLS[tool],
            *self.extra],
            cwd=self.root, env=environ, capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if not file.exists() and not self.edited:
            sys.exit(f"{self.name}: pytest did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        text = file.read_text() if file.exists() else '{"pytest could not start": true}'
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Ran(results=json.loads(text), seconds=seconds, broken=done.returncode == 3)

    def save_states(self) -> None:
        """Keep what the tools recorded."""
        self.saved.mkdir(exist_ok=True)
        for tool in self.tools:
            for path in self.root.glob(STATES[tool] + "*"):
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, self.saved / path.name)

    def restore_states(self) -> None:
        """Bring back what the tools recorded."""
        for tool in self.tools:
            for path in self.root.glob(STATES[tool] + "*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.saved.iterdir():
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, self.root / path.name)


def run_mutants(project: Project, wanted: int, seed: int) -> Iterator[Row]:
    """Record the unedited project, then try every mutant."""
    chosen = mutants(project.root, wanted, seed)
    before = project.run("whole").failing
    for tool in project.tools:
        project.run(tool)
        project.run(tool)  # what failed before runs again, in both
    project.save_states()
    project.edited = True
    for mutant in chosen:
        path = project.root / mutant.path
        original = path.read_bytes()
        try:
            path.write_bytes(mutant.content)
            yield measure(project, mutant.kind, f"{mutant.path}:{mutant.line} {mutant.what}", before)
        finally:
            path.write_bytes(original)
            project.restore_states()


def measure(project: Project, kind: str, where: str, before: set[str]) -> Row:
    """Run the whole suite and each tool's selection on the tree as it is."""
    whole = project.run("whole")
    failing = whole.failing - before
    row = Row(
        project=project.name, kind=kind, where=where, tests=len(whole.results),
        failing=len(failing), whole_seconds=round(whole.seconds, 3),
    )  # fmt: skip
    for tool in project.tools:
        ran = project.run(tool)
        row.selected[tool] = len(ran.results)
        row.seconds[tool] = round(ran.seconds, 3)
        row.broken[tool] = ran.broken
        row.missed[tool] = sorted(failing - set(ran.results))
    return row


def replay(project: Project, commits: int) -> Iterator[Row]:
    """Walk through the last commits; a miss is a test whose outcome changed and that was not run."""
    git = ["git", "-C", str(project.root)]
    listed = subprocess.run(
        [*git, "rev-list", "--first-parent", "-n", str(commits + 1), "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = listed.stdout.split()[::-1]
    subprocess.run([*git, "checkout", "-qf", names[0]], check=True)
    before = project.run("whole")
    for tool in project.tools:
        project.run(tool)
    for name in names[1:]:
        subprocess.run([*git, "checkout", "-qf", name], check=True)
        whole = project.run("whole")
        turned = {
            test
            for test, bad in whole.results.items()
            if test in before.results and bad != before.results[test]
        }
        row = Row(
            project=project.name, kind="commit", where=name[:10], tests=len(whole.results),
            failing=len(turned), whole_seconds=round(whole.seconds, 3),
        )  # fmt: skip
        for tool in project.tools:
            ran = project.run(tool)
            row.selected[tool] = len(ran.results)
            row.seconds[tool] = round(ran.seconds, 3)
            row.broken[tool] = ran.broken
            row.missed[tool] = sorted(
                (turned | (set(whole.results) - set(before.results))) - set(ran.results)
            )
        before = whole
        yield row


def summarise(rows: list[Row], tools: list[str]) -> dict[str, dict[str, float]]:
    """Return recall, fractions selected and time for each tool."""
    return {tool: summary(rows, tool) for tool in tools}


def summary(rows: list[Row], tool: str) -> dict[str, float]:
    failing = sum(row.failing for row in rows)
    missed = sum(len(row.missed[tool]) for row in rows)
    fractions = [row.selected[tool] / row.tests for row in rows]
    seconds = sum(row.seconds[tool] for row in rows) / sum(row.whole_seconds for row in rows)
    return {
        "edits": len(rows),
        "failing tests": failing,
        "missed": missed,
        "runs with an internal error": sum(row.broken[tool] for row in rows),
        "edits with a miss": sum(bool(row.missed[tool]) for row in rows),
        "recall": round(1 - missed / failing, 4) if failing else 1.0,
        "median fraction selected": round(statistics.median(fractions), 4),
        "mean fraction selected": round(statistics.mean(fractions), 4),
        "cpu seconds / whole run": round(seconds, 3),
    }


def show(row: Row, tools: list[str]) -> None:
    picked = " ".join(f"{tool} {row.selected[tool]} (missed {len(row.missed[tool])})" for tool in tools)
    print(f"{row.project} {row.kind:12} {row.where:55.55} failing {row.failing:4} of {row.tests}: {picked}")
    for test in row.missed[tools[0]][:3]:
        print(f"    missed by {tools[0]}: {test}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--mutants", type=int, default=24, help="of each project (default 24)")
    parser.add_argument("--commits", type=int, default=0, help="replay so many commits instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="kinds of mutants, separated by commas")
    parser.add_argument("--tools", default="ours,testmon")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", action="store_true", help="print all rows as JSON")
    parser.add_argument("--pytest", default="", help="more arguments for pytest, separated by spaces")
    options = parser.parse_args()
    tools = options.tools.split(",")
    report = {}
    for given in options.projects:
        name, _, path = given.partition("=")
        rows = []
        with tempfile.TemporaryDirectory(prefix="selection-") as folder:
            project = Project(
                name, Path(path).resolve(), Path(folder), options.python, tools, options.pytest.split()
            )
            walk = (
                replay(project, options.commits)
                if options.commits
                else run_mutants(project, options.mutants, options.seed)
            )
            for row in walk:
                rows.append(row)
                if not options.json:
                    show(row, tools)
        report[name] = {"summary": summarise(rows, tools), "rows": [asdict(row) for row in rows]}
        if not options.json:
            print(name, json.dumps(report[name]["summary"], indent=1), flush=True)
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
