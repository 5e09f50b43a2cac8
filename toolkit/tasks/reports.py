"""``invoke reports.*``: aggregate reports of any runner, make the dashboard, show and open them."""

import contextlib
import json
import os
import sys
import time
import webbrowser
from importlib.resources import files
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.config import load_config
from toolkit.errors import InputError, UsageError
from toolkit.gates.benchmarks import judged_benchmarks
from toolkit.history.imports import import_pending
from toolkit.history.store import History, open_history
from toolkit.journal import read_run
from toolkit.records import RunRecord
from toolkit.reports import prometheus
from toolkit.reports.aggregate import aggregate as aggregate_files
from toolkit.reports.dashboard.live import LiveBoard
from toolkit.reports.dashboard.markdown import markdown as dashboard_markdown
from toolkit.reports.dashboard.profiles import profiles_for
from toolkit.reports.dashboard.services import services_up
from toolkit.reports.dashboard.serving import LiveServer
from toolkit.reports.dashboard.sources import newest_build, read_coverage, read_sources
from toolkit.reports.dashboard.strain import read_strain
from toolkit.reports.dashboard.writing import write_dashboard
from toolkit.reports.summary import Summary, Verdict, summary_json
from toolkit.reports.terminal import show
from toolkit.reports.writing import place, write_reports, write_summary
from toolkit.tasks.door import print_json, task
from toolkit.tasks.watching import watch


@task(
    positional=["paths"],
    iterable=["paths"],
    help={
        "paths": "JUnit XML files and folders to search; may simply follow the options.",
        "output": "Folder for summary.json, summary.md and report.html (default: that of the config).",
        "title": "Heading of the reports.",
        "jobs": "Processes that read; 0: one per core for more than 16 MB.",
        "json": "Print summary.json instead of the short text.",
        "fail": "Exit 1 when the verdict is FAIL.",
    },
)
def aggregate(
    _context: Context,
    paths: list[str],
    *,
    output: str = "",
    title: str = "",
    jobs: int = 0,
    json: bool = False,
    fail: bool = False,
) -> None:
    """Merge JUnit XML of any runner: PATH… are files or folders.

    Exit code 0: every file was read; 3: some were not (all others are counted); 1: --fail and the verdict.
    """
    if not paths:
        raise UsageError("no path given", hint="invoke reports.aggregate --output DIR FILE_OR_FOLDER …")
    folder = Path(output) if output else load_config().reports_dir
    summary = aggregate_files(map(Path, paths), created=time.time(), jobs=jobs or None, title=title)
    write_summary(summary, folder)
    _tell(summary, folder, json=json)
    _fail(summary, verdict=fail)


@task(
    positional=["runs"],
    iterable=["runs"],
    help={
        "runs": "Run ids, or folders of journals; none: all runs of the newest build.",
        "output": "Folder for the reports (default: that of the config).",
        "json": "Print summary.json instead of the short text.",
    },
)
def html(_context: Context, runs: list[str], *, output: str = "", json: bool = False) -> None:
    """Write all reports again from the journals of runs."""
    config = load_config()
    folder = Path(output) if output else config.reports_dir
    records = _records(config.state_dir / "runs", runs)
    summary = write_reports(records, folder, title=config.project)
    _tell(summary, folder, json=json)


@task(
    positional=["runs"],
    iterable=["runs"],
    help={
        "runs": "Run ids; none: all runs of the newest build.",
        "output": "FILE.html (default: dashboard.html among the reports); .md and .json go beside.",
        "title": "Heading (default: the project).",
        "json": "Print the facts as JSON.",
        "markdown": "Print the facts as Markdown.",
    },
)
def dashboard(
    _context: Context,
    runs: list[str],
    *,
    output: str = "",
    title: str = "",
    json: bool = False,
    markdown: bool = False,
) -> None:
    """Write the dashboard: verdict, insights, changes, causes, history of every test, in one offline page."""
    config = load_config()
    path = Path(output) if output else config.reports_dir / "dashboard.html"
    if path.suffix not in {".html", ".htm"}:
        raise UsageError(
            f"{path}: the page must end in .html", hint="FILE.md and FILE.json are written beside"
        )
    with open_history(config.history_url) as history:
        import_pending(history, config.state_dir)
        records = _recorded(history, runs)
        sources = read_sources(
            history,
            records,
            created=time.time(),
            title=title or config.project,
            coverage=read_coverage(config.reports_dir / "coverage.json"),
            services=services_up(config),
            strain=read_strain(config.reports_dir),
            judged=judged_benchmarks(config),
            profiles=profiles_for(config.reports_dir, path),
        )
    facts = write_dashboard(sources, path)
    if json:
        print_json(facts)
    elif markdown:
        print(dashboard_markdown(facts), end="")  # noqa: T201 - a door prints
    else:
        print(f"{facts.headline}\n  dashboard: {path}")  # noqa: T201 - a door prints


def _recorded(history: History, names: list[str]) -> list[RunRecord]:
    """Return runs of the history; those that are not there are an error."""
    if not names:
        found = newest_build(history)
        if not found:
            raise InputError(
                f"{history.where}: holds no run yet", hint="run a profile, or invoke history.import"
            )
        return list(found)
    records = {name: history.record(name) for name in names}
    missing = [name for name, record in records.items() if record is None]
    if missing:
        raise UsageError(f"no such run in the history: {', '.join(missing)}", hint="invoke history.runs")
    return [record for record in records.values() if record is not None]


@task(
    help={
        "output": "Write them to this file, whole or not at all, for the textfile collector.",
        "push": "Address of a push gateway; what it holds of the job is replaced.",
        "job": "Name of the job at the gateway.",
    }
)
def metrics(_context: Context, *, output: str = "", push: str = "", job: str = "toolkit") -> None:
    """Print the history as Prometheus metrics, or write or push them; reports.serve answers scrapes."""
    config = load_config()
    with open_history(config.history_url) as history:
        import_pending(history, config.state_dir)
        if push:
            prometheus.push(history, push, job=job)
        if output:
            place(Path(output), [prometheus.metrics_text(history)])
        if not push and not output:
            print(prometheus.metrics_text(history), end="")  # noqa: T201 - a door prints


@task(help={"output": "Where to write it (default: grafana.json among the reports)."})
def grafana(_context: Context, *, output: str = "") -> None:
    """Write a Grafana dashboard for the metrics, to be imported there."""
    path = Path(output) if output else load_config().reports_dir / "grafana.json"
    place(path, [files("toolkit.reports").joinpath("templates/grafana.json").read_text("utf-8")])
    print(path)  # noqa: T201 - a door prints


@task(
    help={
        "port": "Port on loopback; 0: a free one.",
        "browser": "Open the page in the browser.",
    },
)
def serve(_context: Context, *, port: int = 0, browser: bool = False) -> None:
    """Show the dashboard live while a run goes on, on this machine only, until Ctrl-C; also /metrics."""
    config = load_config()
    board = LiveBoard(config, judged=lambda: judged_benchmarks(config))
    with LiveServer(board, port) as server:
        print(f"{server.url} (Ctrl-C ends it)", flush=True)  # noqa: T201 - a door prints
        if browser:
            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


@task(
    name="open",
    help={
        "output": "Folder of the reports (default: that of the config).",
        "print_only": "Only print the address.",
    },
)
def open_(_context: Context, *, output: str = "", print_only: bool = False) -> None:
    """Show report.html in the browser."""
    folder = Path(output) if output else load_config().reports_dir
    path = (folder / "report.html").resolve()
    if not path.is_file():
        raise InputError(f"{path}: there is no report yet", hint="run a profile, or invoke reports.aggregate")
    print(path.as_uri())  # noqa: T201 - a door prints
    if not print_only and not webbrowser.open(path.as_uri()):
        raise Exit("no browser answered; open the address above", 4)


@task(
    help={
        "output": "Folder of the reports (default: that of the config).",
        "json": "Print summary.json.",
        "markdown": "Print summary.md.",
    },
)
def summary(_context: Context, *, output: str = "", json: bool = False, markdown: bool = False) -> None:
    """Print what the last reports say."""
    folder = Path(output) if output else load_config().reports_dir
    if markdown:
        print(_read(folder / "summary.md"), end="")  # noqa: T201 - a door prints
        return
    told = _parse(folder / "summary.json")
    if json:
        print_json(told)
        return
    figures = told["summary"]
    rate = figures["success_rate"]
    percent = "nothing ran" if rate is None else f"{rate:.1%}"
    print(f"{figures['verdict']} {percent}")  # noqa: T201 - a door prints
    for name in ("tests", "passed", "failed", "errors", "skipped", "flaky", "missing"):
        print(f"  {name}: {figures[name]:,}")  # noqa: T201 - a door prints
    for complaint in told["complaints"]:
        print(f"  missing: {complaint}")  # noqa: T201 - a door prints
    print(f"  reports: {folder / 'report.html'}")  # noqa: T201 - a door prints


def _tell(summary: Summary, folder: Path, *, json: bool) -> None:
    if json:
        print_json(summary_json(summary))
    else:
        show(summary, folder, sys.stdout, os.environ)


def _fail(summary: Summary, *, verdict: bool) -> None:
    if summary.bad_files:
        names = "\n".join(f"  {unread.path}: {unread.reason}" for unread in summary.bad_files)
        raise Exit(
            f"{len(summary.bad_files)} of the inputs could not be read:\n{names}", InputError.exit_code
        )
    if verdict and summary.verdict is Verdict.FAIL:
        raise Exit("the verdict is FAIL", 1)


def _records(home: Path, names: list[str]) -> list[RunRecord]:
    if names:
        return [read_run(Path(name) if Path(name).is_dir() else home / name) for name in names]
    folders = sorted((folder for folder in home.glob("*") if folder.is_dir()), reverse=True)
    if not folders:
        raise InputError(f"{home}: no run was recorded yet", hint="run a profile, for example: nox -s unit")
    newest = read_run(folders[0])
    if not newest.header.build:
        return [newest]
    others = (read_run(folder) for folder in folders[1:])
    return [newest, *(run for run in others if run.header.build == newest.header.build)][::-1]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}", hint="invoke reports.aggregate"
        ) from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(_read(path))
    except ValueError as error:
        raise InputError(f"{path}: no JSON: {error}") from error
    return told


ns = Collection("reports", aggregate, dashboard, grafana, html, metrics, open_, serve, summary, watch)
