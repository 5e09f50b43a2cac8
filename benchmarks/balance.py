"""How evenly are real suites spread? Ours beside xdist's schedulers and pytest-split, in the same run.

Runs the suites of third-party projects several times, plans with what the first runs taught and replays the
durations of the later ones on n workers in virtual time, through the real scheduler classes
(``xdist_model``) and the real splitting algorithms, all with the same expected durations. Every figure is
makespan / lower bound, the median of the replayed runs; the bound is max(sum / n, longest test) of the run:
1.00 cannot be beaten. "limit" is what can be had by knowing only the past: whoever is free takes what is
expected to be the longest, at once and without a message. Where other work makes durations differ from run
to run, ``--same`` tells what the algorithms alone are worth. With ``--real``, two workers really run each
suite; with ``--overhead``, trivial tests show what the controller costs, and waiting ones what
``-n auto`` makes of them.

    uv run --with pytest-split benchmarks/balance.py
    uv run --with pytest-split benchmarks/balance.py --project click --workers 2 8 64 --real 3 --json
"""

import argparse
import heapq
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from third_party import PROJECTS, ROOT, Project, environment, run, unpack
from xdist_model import Model

from toolkit.journal import read_run
from toolkit.plugin.xdist_scheduler import ToolkitScheduling
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience, Job, Traits, make_jobs
from toolkit.scheduling.plan import Plan, read_plan
from toolkit.scheduling.shards import lower_bound, split

WORKERS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
Durations = Mapping[str, float]


class Suite(SimpleNamespace):
    """A project's tests: what is expected of them, and the durations of later runs."""

    name: str
    first: Plan
    later: list[Durations]


def prepare(name: str, folder: Path) -> tuple[Path, str]:
    """Unpack a project and make an environment with its needs and this toolkit."""
    return prepare_project(PROJECTS[name], folder)


def prepare_project(project: Project, folder: Path) -> tuple[Path, str]:
    """Do the same with a project that is not in the list."""
    root = unpack(project, folder)
    run(["uv", "venv", "-q", "--no-config", ".venv"], root)
    python = str(root / ".venv" / "bin" / "python")
    needs = [*project.needs, "-e", str(ROOT), "pytest-xdist"]
    run(["uv", "pip", "install", "-q", "--no-config", "--python", python, "-e", ".", *needs], root)
    return root, python


def measure(name: str, root: Path, python: str, past: int, replayed: int) -> Suite:
    """Run the suite again and again, alone; plan after some runs, and read the durations of the others."""
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    planning = [*pytest, "--collect-only", "--order=declared", "--write-plan=plan.json"]
    known: set[Path] = set()
    later: list[Durations] = []
    for number in range(past + replayed):
        run([*pytest, "--record"], root, allowed=(0, 1))
        (folder,) = set((root / ".toolkit" / "runs").iterdir()) - known
        known.add(folder)
        if number == past - 1:
            run(planning, root)
        if number >= past:
            later.append(
                {case.test: sum(row.duration for row in case.attempts) for case in read_run(folder).cases}
            )
    return Suite(name=name, first=read_plan(root / "plan.json"), later=later)


def schedulers(suite: Suite, experience: Mapping[NodeId, Experience]) -> dict[str, Callable[[Any], Any]]:
    """Return name → what builds the scheduler."""
    from xdist.remote import Producer
    from xdist.scheduler import LoadScheduling, LoadScopeScheduling, WorkStealingScheduling

    quiet = Producer("quiet", enabled=False)
    traits = {row.test: _traits(row.job()) for row in suite.first.tests}

    def ours(config: Any) -> ToolkitScheduling:
        return ToolkitScheduling(
            config, lambda _workers: traits, expected=len(config.getvalue("tx")), experience=experience
        )

    return {
        "ours": ours,
        "load": lambda config: LoadScheduling(config, quiet),
        "worksteal": lambda config: WorkStealingScheduling(config, quiet),
        "loadscope": lambda config: LoadScopeScheduling(config, quiet),
    }


def _traits(job: Job) -> Traits:
    return Traits(**{name: getattr(job, name) for name in Traits.__struct_fields__})


def spread(suite: Suite, workers: int, latency: float) -> dict[str, float]:
    """Replay the later runs on so many workers; name of the way → makespan / lower bound, the median."""
    rows = [replay(suite, run, workers, latency) for run in suite.later]
    return {way: statistics.median(row[way] for row in rows) for way in rows[0]}


def replay(suite: Suite, run: Durations, workers: int, latency: float) -> dict[str, float]:
    """Replay one run on so many workers; name of the way → makespan / lower bound."""
    experience = {row.test: Experience(duration=row.duration, setup=row.setup) for row in suite.first.tests}
    ids = [str(row.test) for row in suite.first.tests]
    seconds = {test: run.get(test, 0.0) for test in ids}
    bound = lower_bound(list(seconds.values()), workers)
    ratios = {}
    for name, make in schedulers(suite, experience).items():
        model = Model([ids] * workers, seconds, make, latency=latency)
        model.run()
        ratios[name] = model.makespan / bound
    parts = {"our shards": split(make_jobs(map(_traits, suite.first.jobs()), experience), workers)}
    parts |= _pytest_split(suite, workers)
    for name, shards in parts.items():
        ratios[name] = max(sum(seconds[test] for test in shard) for shard in shards) / bound
    return {**ratios, "limit": longest_expected_first(experience, seconds, workers) / bound}


def longest_expected_first(
    experience: Mapping[NodeId, Experience], seconds: Durations, workers: int
) -> float:
    """Return the makespan when whoever is free takes the test that is expected to be the longest.

    Of all that decides by the past alone this is hard to beat (Pinedo, "Scheduling", chapter on stochastic
    parallel machines: longest expected processing time first).
    """
    free = [0.0] * workers
    for test in sorted(experience, key=lambda test: -experience[test].duration):
        heapq.heapreplace(free, free[0] + seconds[test])
    return max(free)


def _pytest_split(suite: Suite, count: int) -> dict[str, list[list[Any]]]:
    """Both algorithms of pytest-split, as it runs them; nothing when it is not installed."""
    try:
        from pytest_split.algorithms import Algorithms
    except ImportError:
        return {}
    items: Any = [SimpleNamespace(nodeid=str(row.test)) for row in suite.first.tests]
    known = {str(row.test): row.duration for row in suite.first.tests}
    found = {}
    for algorithm in Algorithms:
        groups = algorithm.value(count, items, known)
        found[f"pytest-split {algorithm.name}"] = [
            [item.nodeid for item in group.selected] for group in groups
        ]
    return found


REAL = {
    "ours": ["-n", "2", "--order=smart", "--no-record"],
    "load": ["-n", "2", "-p", "no:toolkit"],
    "worksteal": ["-n", "2", "--dist", "worksteal", "-p", "no:toolkit"],
    "loadscope": ["-n", "2", "--dist", "loadscope", "-p", "no:toolkit"],
    "alone": ["-p", "no:toolkit", "-p", "no:xdist"],
}


def real(root: Path, python: str, repeats: int) -> dict[str, dict[str, float]]:
    """Run a suite for real on two workers, the ways in turn; wall (best, median) and CPU seconds."""
    return {
        name: {"wall": min(walls), "median wall": statistics.median(walls), "cpu": min(cpus)}
        for name, (walls, cpus) in _in_turn(root, python, REAL, repeats).items()
    }


def auto(root: Path, python: str, repeats: int) -> dict[str, float]:
    """Wall seconds (best) with each number of workers up to the cores and with auto, after a recorded run."""
    base = ["--record", "-p", "no:randomly"]
    for count in ("0", "2"):
        timed([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *base, "-n", count], root)
    counts = ["0", *map(str, range(2, (os.cpu_count() or 1) + 1)), "auto"]
    found = _in_turn(root, python, {count: [*base, "-n", count] for count in counts}, repeats)
    walls = {count: min(walls) for count, (walls, _) in found.items()}
    best = min(wall for count, wall in walls.items() if count != "auto")
    return {**walls, "auto / best": walls["auto"] / best}


def _in_turn(
    root: Path, python: str, ways: Mapping[str, list[str]], repeats: int
) -> dict[str, tuple[list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
    for _ in range(repeats):
        for name, arguments in ways.items():
            wall, cpu = timed([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments], root)
            found[name][0].append(wall)
            found[name][1].append(cpu)
    return found


def timed(command: Sequence[str], root: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of a command and all its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stdout.decode()[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def overhead(repeats: int, tests: int) -> dict[str, dict[str, float]]:
    """Trivial tests in files of 100: ours beside load on two workers, and what auto makes of them."""
    with made_suite(tests // 100, 100, "pass") as root:
        ways = {"ours": ["-n", "2", "--no-record"], "load": ["-n", "2", "-p", "no:toolkit"]}
        found = _in_turn(root, sys.executable, ways, repeats)
        chosen = auto(root, sys.executable, repeats)
    with made_suite(8, 20, "time.sleep(0.025)") as root:
        waiting = auto(root, sys.executable, repeats)
    return {"auto": chosen, "auto, 160 tests that wait 25 ms": waiting} | {
        name: {"wall": min(walls), "cpu": min(cpus), "median wall": statistics.median(walls)}
        for name, (walls, cpus) in found.items()
    }


@contextmanager
def made_suite(files: int, tests: int, statement: str) -> Iterator[Path]:
    """Make a project of so many files with so many tests each, all of one statement."""
    with tempfile.TemporaryDirectory(prefix="balance-") as name:
        root = Path(name)
        for file in range(files):
            lines = (f"def test_{number}(): {statement}" for number in range(tests))
            (root / f"test_{file:03}.py").write_text("\n".join(["import time", *lines]), encoding="utf-8")
        (root / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
        yield root


def show(name: str, rows: Mapping[int, Mapping[str, float]]) -> None:
    """Print one table: a line per number of workers."""
    ways = list(next(iter(rows.values())))
    print(f"\n{name}: makespan / lower bound")
    print("workers " + " ".join(f"{way[:22]:>22}" for way in ways))
    for workers, ratios in rows.items():
        print(f"{workers:7} " + " ".join(f"{ratios[way]:22.3f}" for way in ways))


def balance(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one project; prints as it goes unless JSON is wanted."""
    root, python = prepare(name, folder)
    suite = measure(name, root, python, options.past, 0 if options.same else options.replay)
    if options.same:
        suite.later = [{row.test: row.duration for row in suite.first.tests}]
    rows = {workers: spread(suite, workers, options.latency) for workers in options.workers}
    last = suite.later[-1]
    work, longest = sum(last.values()), max(last.values())
    found: dict[str, Any] = {"tests": len(last), "seconds": work, "longest": longest, "ratios": rows}
    if not options.json:
        print(f"\n{name}: {len(last)} tests, {work:.2f} s, longest {longest:.3f} s", end="")
        show(name, rows)
    if options.real:
        found["real"] = real(root, python, options.real)
        found["auto"] = auto(root, python, options.real)
        if not options.json:
            print(f"{name}, really, 2 workers: {json.dumps(found['real'])}")
            print(f"{name}, number of workers: {json.dumps(found['auto'])}")
    return found


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--project", nargs="*", choices=PROJECTS, default=["click", "jinja2", "tomlkit", "packaging"]
    )
    parser.add_argument("--workers", nargs="+", type=int, default=list(WORKERS))
    parser.add_argument("--past", type=int, default=3, help="runs that the plan knows")
    parser.add_argument("--replay", type=int, default=3, help="later runs that are replayed")
    parser.add_argument("--latency", type=float, default=0.0003, help="seconds that a message takes one way")
    parser.add_argument(
        "--same", action="store_true", help="replay the run that was planned with: the algorithms alone"
    )
    parser.add_argument(
        "--real", type=int, default=0, metavar="N", help="also N real runs of each way on 2 workers"
    )
    parser.add_argument(
        "--overhead", type=int, default=0, metavar="N", help="also N runs of trivial and of waiting tests"
    )
    parser.add_argument("--trivial", type=int, default=10_000, help="how many tests are trivial")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    report: dict[str, Any] = {"suites": {}}
    for name in options.project:
        with tempfile.TemporaryDirectory(
            prefix=f"balance-{name}-"
        ) as folder:  # not in ours: pytest looks above
            report["suites"][name] = balance(name, Path(folder), options)
    if options.overhead:
        report["overhead"] = overhead(options.overhead, options.trivial)
        if not options.json:
            print(f"\n{options.trivial} trivial tests: {json.dumps(report['overhead'])}")
    if options.json:
        print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
