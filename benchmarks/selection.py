"""Recall and precision of ``pytest --impacted`` on real projects, beside pytest-testmon in the same run.

Every mutant is one small edit of a project. Three runs follow on the edited tree: the whole suite, a run
with ``--impacted`` and one with ``--testmon``, the latter two from the state recorded on the unedited tree.
A test that fails in the whole suite, again when that is repeated, but not before, and that a selection leaves
out is a miss; one whose ID is another in every run is none.

A replay walks through the commits of a clone's main line. Each is measured forwards: a test whose outcome
differs from that before the commit, or that is new, and that is not run is a miss. And backwards, since
commits are made to pass: the tests of the commit stay, its other files are put back as they were, so that the
tests written for the change fail.

    uv run --with pytest-testmon benchmarks/selection.py jinja2=PATH click=PATH --mutants 24
    uv run --with pytest-testmon benchmarks/selection.py --replay click=CLONE --commits 10
    uv run benchmarks/selection.py jinja2=PATH --tools ours --full-runs 3

With ``--full-runs``, so many runs of everything come before the edits, in which half of the tests are traced
anew and half are not: selection then relies on what such runs have recorded.

"Needed" is the share of the tests that enter the changed function, seen by a probe of its own in one more run
of everything: no tool that misses nothing selects less, but by chance. It is known for changes of functions.

PATH is an unpacked source archive or a clone; it is copied, never changed. The interpreter must be able to
import the project's dependencies, pytest, this toolkit and pytest-testmon (``--python`` names another). A
long measurement can be made in pieces: ``--keep FILE --rows 8`` measures eight more rows, prints the summary
of all that FILE holds; with ``--work FOLDER`` the recorded copies of edited projects stay there for the next
piece. CPU seconds are counted: elapsed time says little on a busy machine.
"""

import argparse
import ast
import contextlib
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mutants import mutants
from selection_project import Endless, Project, Ran
from selection_rows import Row, show, summarise

OF_HISTORY = {"commit", "undone"}


def run_mutants(project: Project, wanted: int, seed: int, done: Collection[str]) -> Generator[Row]:
    """Record the unedited project, then try every mutant that was not tried yet."""
    places = {
        f"{mutant.path}:{mutant.line} {mutant.what}": mutant for mutant in mutants(project.root, wanted, seed)
    }
    pending = {where: mutant for where, mutant in places.items() if where not in done}
    if not pending:
        return
    before, needed = recorded(project)
    project.edited = True
    for where, mutant in pending.items():
        path = project.root / mutant.path
        original = path.read_bytes()
        try:
            path.write_bytes(mutant.content)
            row = measure(project, mutant.kind, where, before)[0]
            place = function_at(original, mutant.line) if mutant.path.endswith(".py") else None
            entering = None if place is None else needed.get(f"{mutant.path}:{place}", [])
            row.needed = None if entering is None else len(entering)
            yield row
        except Endless as error:
            print(f"{project.name}: {where}: left out, its suite does not end ({error})", file=sys.stderr)
        finally:
            path.write_bytes(original)
            project.restore_states()


def recorded(project: Project) -> tuple[Ran, dict[str, list[str] | None]]:
    """Record the unedited project, or read what an earlier piece recorded in the same folder."""
    kept = project.work / f"{project.name}.recorded.json"
    if not kept.exists():
        before = record(project)
        needed = project.needed()
        kept.write_text(json.dumps([before.results, before.seconds, needed]))
    project.restore_states()
    results, seconds, needed = json.loads(kept.read_text())
    project.longest = 60 + 10 * round(seconds)
    return Ran(results=results, seconds=seconds), needed


def function_at(content: bytes, line: int) -> int | None:
    """Return the first line of the innermost function around a line; None: there is none."""
    functions = [
        min([node.lineno, *(item.lineno for item in node.decorator_list)])
        for node in ast.walk(ast.parse(content))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body[0].lineno <= line <= (node.end_lineno or line)
    ]
    return max(functions, default=None)


def record(project: Project) -> Ran:
    """Run everything with each tool, as often as it takes until it leaves out what it can."""
    before = project.run("whole")
    for tool in project.tools:
        project.run(tool)
        if before.failing:
            project.run(tool)  # what failed before runs again, in both
    if project.full_runs:
        with (project.root / "pyproject.toml").open("a", encoding="utf-8") as stream:
            stream.write("\n[tool.toolkit.impact]\nretrace = 0.5\n")
    for _ in range(project.full_runs):
        project.run("everything")
    project.save_states()
    return before


def measure(project: Project, kind: str, where: str, before: Ran) -> tuple[Row, Ran]:
    """Run the whole suite and each tool's selection on the tree as it is."""
    whole = project.run("whole")
    failing = whole.failing - before.failing
    must = failing if kind != "commit" else failing | differing(before, whole)
    row = Row(
        project=project.name, kind=kind, where=where, tests=len(whole.results), failing=len(failing),
        must=len(must), whole_seconds=round(whole.seconds, 3),
    )  # fmt: skip
    for tool in project.tools:
        ran = project.run(tool)
        row.selected[tool] = len(ran.results)
        row.seconds[tool] = round(ran.seconds, 3)
        row.broken[tool] = ran.broken
        row.missed[tool] = sorted(must - set(ran.results))
    leave_out_unstable(project, row, failing)
    return row, whole


def leave_out_unstable(project: Project, row: Row, failing: set[str]) -> None:
    """Run everything again after a miss.

    A failing test that passes now did not fail because of the edit; one that is gone has another ID in every
    run (of the time, say), so that no tool can run it under this one.
    """
    doubtful = {test for missed in row.missed.values() for test in missed}
    if not doubtful:
        return
    again = project.run("whole")
    unstable = (doubtful & failing - again.failing) | (doubtful - set(again.results))
    row.unstable = sorted(unstable)
    row.failing -= len(unstable & failing)
    row.must -= len(unstable)
    row.missed = {tool: sorted(set(found) - unstable) for tool, found in row.missed.items()}


def differing(before: Ran, whole: Ran) -> set[str]:
    """Return the tests whose outcome is not the same as before, and those that are new."""
    return {test for test, bad in whole.results.items() if before.results.get(test) is not bad}


def replay(project: Project, commits: int, done: Collection[str]) -> Generator[Row]:
    """Walk through the last commits that touch code or data of tests, each forwards and backwards."""
    names = commits_of(project, commits)
    pending = [name for name in names[1:] if name[:10] not in done]
    if not pending:
        return
    project.git("checkout", "-qf", names[names.index(pending[0]) - 1])
    before = record(project)
    project.edited = True
    for name in pending:
        old = names[names.index(name) - 1]
        project.git("checkout", "-qf", name)
        row, before = measure(project, "commit", name[:10], before)
        yield row
        project.save_states()
        undone = sources_between(project, old, name)
        if undone and any(is_test(path) for path in changed_between(project, old, name)):
            put_back(project, old, undone)
            yield measure(project, "undone", f"{name[:10]} undone", before)[0]
            project.git("checkout", "-qf", name)
            project.git("clean", "-qf", "--", *undone)
            project.restore_states()


def commits_of(project: Project, count: int) -> list[str]:
    """Return so many commits that touch Python files or tests, and the one before; oldest first."""
    listed = project.git(
        "log", "--first-parent", "--format=%H", "-n", str(count + 1), "HEAD", "--", "*.py", "tests"
    )
    return listed.split()[::-1]


def changed_between(project: Project, old: str, new: str) -> list[str]:
    return project.git("diff", "--name-only", "--no-renames", old, new).splitlines()


def is_test(path: str) -> bool:
    return path.startswith(("tests/", "test/"))


def sources_between(project: Project, old: str, new: str) -> list[str]:
    """Return the files of the code under test that differ."""
    changed = changed_between(project, old, new)
    return [path for path in changed if path.endswith(".py") and not is_test(path)]


def put_back(project: Project, old: str, paths: Iterable[str]) -> None:
    """Bring files back to what they were; those that did not exist go."""
    known = set(project.git("ls-tree", "-r", "--name-only", old).splitlines())
    for path in paths:
        if path in known:
            project.git("checkout", "-q", old, "--", path)
        else:
            (project.root / path).unlink()


def walk(name: str, path: str, options: argparse.Namespace, *, history: bool) -> Iterator[Row]:
    """Measure one project; rows that ``--keep`` holds are read, not measured again."""
    kept = Path(options.keep or os.devnull)
    lines = kept.read_text().splitlines() if kept.exists() else []
    rows = [Row(**json.loads(line)) for line in lines]
    mine = [row for row in rows if row.project == name and (row.kind in OF_HISTORY) == history]
    done = {row.where: row for row in mine}
    yield from done.values()
    tools = options.tools.split(",")
    with work_folder("" if history else options.work) as folder:
        arguments = options.pytest.split()
        project = Project(name, Path(path).resolve(), Path(folder), options.python, tools, arguments)
        project.full_runs = options.full_runs
        measured = (
            replay(project, options.commits, done)
            if history
            else run_mutants(project, options.mutants, options.seed, done)
        )
        with contextlib.closing(measured):
            for row in itertools.islice(measured, options.rows):
                with kept.open("a") as stream:
                    stream.write(json.dumps(asdict(row)) + "\n")
                yield row


def work_folder(given: str) -> contextlib.AbstractContextManager[str]:
    """Return a folder for copies of projects: the given one stays."""
    if not given:
        return tempfile.TemporaryDirectory(prefix="selection-")
    Path(given).mkdir(parents=True, exist_ok=True)
    return contextlib.nullcontext(given)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="*", metavar="NAME=PATH", help="edit these")
    parser.add_argument(
        "--replay", nargs="+", default=[], metavar="NAME=CLONE", help="walk through the commits of these"
    )
    parser.add_argument("--mutants", type=int, default=24, help="of each project (default 24)")
    parser.add_argument("--commits", type=int, default=10, help="of each clone (default 10)")
    parser.add_argument("--full-runs", type=int, default=0, help="runs of everything before the mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tools", default="ours,testmon")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument(
        "--keep", default="", metavar="FILE", help="add rows here; those in it are not repeated"
    )
    parser.add_argument(
        "--work", default="", metavar="FOLDER", help="keep the recorded copies of projects here"
    )
    parser.add_argument("--rows", type=int, default=None, help="measure at most so many new rows of each")
    parser.add_argument("--json", action="store_true", help="print all rows as JSON")
    parser.add_argument("--pytest", default="", help="more arguments for pytest, separated by spaces")
    options = parser.parse_args()
    if not options.projects and not options.replay:
        parser.error("name a project to edit, or one to --replay")
    tools = options.tools.split(",")
    report = {}
    given = [(item, False) for item in options.projects] + [(item, True) for item in options.replay]
    for item, history in given:
        name, _, path = item.rpartition("=")
        name = name or Path(path).resolve().name
        rows = []
        for row in walk(name, path, options, history=history):
            rows.append(row)
            if not options.json:
                show(row, tools)
        title = f"{name}, replayed" if history else name
        report[title] = {"summary": summarise(rows, tools), "rows": [asdict(row) for row in rows]}
        if not options.json:
            print(title, json.dumps(report[title]["summary"], indent=1), flush=True)
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
