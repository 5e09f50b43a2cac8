"""``invoke tests.*``: looking closely at one test, N workers, a profile, the timing, a repetition."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.config import Config, load_config
from toolkit.errors import EnvironmentFailed, MissingExtra, UsageError
from toolkit.journal import read_run
from toolkit.records import Attempt, NodeId, Outcome, RunRecord, node_id
from toolkit.tasks.collecting import NO_TESTS, project_python
from toolkit.tasks.door import print_json, task
from toolkit.tasks.foreground import run_foreground
from toolkit.tasks.repeating import OWN_VARIABLES, attempts_of, load_run
from toolkit.tasks.tables import print_table, wide_console

_COMMON = {
    "python": "the Python that runs the tests; default: that of the newest Nox environment, else this one",
    "arguments": "more pytest arguments, as one quoted string",
}
_DRY_RUN = {"dry_run": "print the command, run nothing"}
PROFILE = "profile.html"


def pytest_command(python: str, *words: str, arguments: str = "") -> list[str]:
    """Return a command that runs pytest as a person would type it; a random order would be in the way."""
    return [python, "-m", "pytest", "-p", "no:randomly", *words, *shlex.split(arguments)]


def _run(config: Config, command: Sequence[str], *, dry_run: bool = False, **environ: str) -> int:
    """Print a command and run it in the terminal; Ctrl-C reaches it."""
    wide_console().print(shlex.join(command), markup=False, highlight=False)
    if dry_run:
        return 0
    kept = {
        name: value for name, value in os.environ.items() if name not in (*OWN_VARIABLES, "TOOLKIT_RUN_DIR")
    }
    return run_foreground(command, config.root, {**kept, **environ})


def _end(code: int) -> None:
    if code:
        raise Exit(code=code)


@task(
    positional=["nodeid"],
    help={
        "nodeid": "the test, such as tests/test_a.py::test_b",
        "pdb": "stop in the debugger where it fails",
        "trace": "stop in the debugger where it begins",
        **_COMMON,
        **_DRY_RUN,
    },
)
def debug(
    _context: Context,
    nodeid: str,
    *,
    pdb: bool = False,
    trace: bool = False,
    python: str = "",
    arguments: str = "",
    dry_run: bool = False,
) -> None:
    """Run one test in one process with everything it prints and logs, long tracebacks and local variables."""
    config = load_config()
    full = ["-n", "0", "-vv", "-s", "--tb=long", "--showlocals", "--durations=0"]
    full += ["-o", "log_cli=true", "--log-cli-level=DEBUG"]
    stops = [word for word, wanted in (("--pdb", pdb), ("--trace", trace)) if wanted]
    command = pytest_command(project_python(config, python), *full, *stops, nodeid, arguments=arguments)
    _end(_run(config, command, dry_run=dry_run))


@task(
    positional=["count", "paths"],
    iterable=["paths"],
    help={
        "count": "how many; 0: none, everything in one process; or auto",
        "paths": "tests, files or folders; none: all",
        **_COMMON,
        **_DRY_RUN,
    },
)
def workers(
    _context: Context,
    count: str,
    paths: list[str],
    *,
    python: str = "",
    arguments: str = "",
    dry_run: bool = False,
) -> None:
    """Run tests on a number of workers, or on none."""
    if not (count.isdigit() or count in {"auto", "logical"}):
        raise UsageError(f"workers {count!r}: expected a number, or auto")
    config = load_config()
    command = pytest_command(project_python(config, python), "-n", count, *paths, arguments=arguments)
    _end(_run(config, command, dry_run=dry_run))


@task(
    positional=["paths"],
    iterable=["paths"],
    help={
        "paths": "tests, files or folders; none: all",
        "interval": "seconds between two samples",
        **_COMMON,
        **_DRY_RUN,
    },
)
def profile(
    _context: Context,
    paths: list[str],
    *,
    interval: float = 0.001,
    python: str = "",
    arguments: str = "",
    dry_run: bool = False,
) -> None:
    """Profile a run in one process: where the time goes, printed as a tree and written to profile.html."""
    config = load_config()
    chosen = project_python(config, python)
    _require_pyinstrument(chosen)
    with tempfile.TemporaryDirectory(prefix="toolkit-profile-") as folder:
        session = str(Path(folder) / "session.pyisession")
        _, *words = pytest_command(chosen, "-n", "0", *paths, arguments=arguments)
        profiler = [chosen, "-m", "pyinstrument"]
        measured = [*profiler, "-i", f"{interval:g}", "-r", "pyisession", "-o", session, *words]
        code = _run(config, measured, dry_run=dry_run)
        if not dry_run:
            _show_profile(config, profiler, session, Path(folder) / PROFILE)
    _end(code)


def _require_pyinstrument(python: str) -> None:
    probe = [
        python,
        "-c",
        "import importlib.util as u; raise SystemExit(u.find_spec('pyinstrument') is None)",
    ]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        raise MissingExtra(f"profiling with {python}", extra="profiling", package="pyinstrument")


def _show_profile(config: Config, profiler: Sequence[str], session: str, page: Path) -> None:
    if not Path(session).exists():
        raise EnvironmentFailed("no profile was written", hint="see above what ended the run")
    subprocess.run([*profiler, "--load", session, "-r", "text"], check=False)
    subprocess.run([*profiler, "--load", session, "-r", "html", "-o", str(page)], check=True)
    config.reports_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(page, config.reports_dir / PROFILE)
    wide_console().print(f"profile: {config.reports_dir / PROFILE}", markup=False)


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """Where the seconds of one test, or of several, went."""

    name: str
    tests: int
    setup: float
    call: float
    teardown: float
    total: float
    cpu: float | None = None
    """None: it was not measured for all of them."""

    @property
    def waiting(self) -> float | None:
        """Seconds in which nothing was computed: servers, sleeps, other processes."""
        return None if self.cpu is None else max(0.0, self.total - self.cpu)


def timed(name: str, attempts: Iterable[Attempt]) -> Timed:
    """Add up some attempts."""
    found = list(attempts)
    cpus = [attempt.cpu for attempt in found if attempt.cpu is not None]
    return Timed(
        name=name,
        tests=len({attempt.test for attempt in found}),
        setup=sum(attempt.setup for attempt in found),
        call=sum(attempt.call for attempt in found),
        teardown=sum(attempt.teardown for attempt in found),
        total=sum(attempt.duration for attempt in found),
        cpu=sum(cpus) if len(cpus) == len(found) else None,
    )


def timings(record: RunRecord, key: Callable[[NodeId], str]) -> list[Timed]:
    """Return where time went, for each test, file, or whatever the key says; the longest first."""
    groups: dict[str, list[Attempt]] = {}
    for case in record.cases:
        groups.setdefault(key(case.test), []).extend(case.attempts)
    return sorted((timed(name, found) for name, found in groups.items()), key=lambda row: -row.total)


@task(
    positional=["paths"],
    iterable=["paths"],
    help={
        "paths": "tests, files or folders that are run now; none: a recorded run is looked at",
        "run": "a run of the history; default: the newest",
        "limit": "at most so many tests and files; 0: all",
        "json": "print JSON and nothing else",
        **_COMMON,
    },
)
def timing(
    _context: Context,
    paths: list[str],
    *,
    run: str = "",
    limit: int = 20,
    json: bool = False,
    python: str = "",
    arguments: str = "",
) -> None:
    """Show where the time of each test and file goes: set-up, call, tear-down, computing, waiting."""
    config = load_config()
    chosen = project_python(config, python)
    record = _run_now(config, chosen, paths, arguments) if paths else load_run(config, run)
    tests, files = timings(record, str), timings(record, lambda test: test.partition("::")[0])
    total = timed("all", (attempt for case in record.cases for attempt in case.attempts))
    if json:
        print_json({"run": record.header.run, "total": total, "files": files, "tests": tests})
        return
    console = wide_console()
    headings = ("what", "tests", "total s", "setup", "call", "teardown", "computing", "waiting")
    for title, rows in (("Files", files), ("Tests", tests)):
        print_table(console, title, headings, map(_cells, [total, *rows[: limit or None]]))


def _cells(row: Timed) -> tuple[str, ...]:
    seconds = (row.total, row.setup, row.call, row.teardown, row.cpu, row.waiting)
    return (row.name, str(row.tests), *("" if value is None else f"{value:.3f}" for value in seconds))


def _run_now(config: Config, python: str, paths: Sequence[str], arguments: str) -> RunRecord:
    """Run tests in one process, so that they do not get in each other's way; return what was recorded."""
    with tempfile.TemporaryDirectory(prefix="toolkit-timing-") as folder:
        journals = Path(folder) / "journals"
        command = pytest_command(python, "-n", "0", "-q", *paths, arguments=arguments)
        environ = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
        done = subprocess.run(
            command,
            cwd=config.root,
            env={**environ, "TOOLKIT_RUN_DIR": str(journals)},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        record = read_run(journals) if any(journals.glob("*.jsonl")) else None
    if record is None or not record.cases or done.returncode == NO_TESTS:
        printed = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise EnvironmentFailed(f"no test was recorded:\n{printed}", hint="name another Python with --python")
    return record


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of repeating a test."""

    test: NodeId
    tries: int
    passed: int
    failed: int
    shortest: float
    longest: float
    failure: str = ""
    """Of the try that failed: the traceback, or the message."""


@task(
    positional=["nodeid"],
    help={
        "nodeid": "the test",
        "times": "at most so often; it ends with the first failure",
        "json": "print JSON and nothing else",
        **_COMMON,
    },
)
def repeat(
    _context: Context,
    nodeid: str,
    *,
    times: int = 20,
    python: str = "",
    arguments: str = "",
    json: bool = False,
) -> None:
    """Run one test many times in one process until it fails; exit code 1: it did."""
    if times < 1:
        raise UsageError(f"--times {times}: expected at least 1")
    config = load_config()
    test = node_id(nodeid)
    options = [f"--repeat={times}", *shlex.split(arguments)]
    attempts = attempts_of(
        test, [test], root=config.root, python=project_python(config, python), arguments=options
    )
    found = _repeated(test, attempts)
    if json:
        print_json(found)
    else:
        _tell(found)
    if found.failed:
        raise Exit(code=1)


def _repeated(test: NodeId, attempts: Sequence[Attempt]) -> Repeated:
    told = [attempt for attempt in attempts if attempt.outcome is not Outcome.SKIPPED]
    if not told:
        raise EnvironmentFailed(f"{test} was skipped: {attempts[-1].reason}", hint="it cannot be judged here")
    bad = [attempt for attempt in told if attempt.outcome.bad]
    failures = [failure for attempt in bad for failure in attempt.failures]
    seconds = [attempt.duration for attempt in told]
    return Repeated(
        test=test,
        tries=len(told),
        passed=len(told) - len(bad),
        failed=len(bad),
        shortest=min(seconds),
        longest=max(seconds),
        failure=next((failure.traceback or failure.message for failure in failures), ""),
    )


def _tell(found: Repeated) -> None:
    span = f"{found.shortest:.3f} to {found.longest:.3f} s"
    if found.failed:
        line = f"{found.test} failed at try {found.tries} ({span})\n{found.failure}"
    else:
        line = f"{found.test} passed {found.tries} times ({span})"
    wide_console().print(line, markup=False, highlight=False)


TASKS = (debug, workers, profile, timing, repeat)
