"""``invoke maintenance.*``: what a project needs once a week, all together and each alone."""

import sys
import time
from collections.abc import Sequence

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task
from rich.console import Console

from toolkit.config import Config, load_config
from toolkit.config.maintenance import STEPS
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.maintenance.report import SIGNS, markdown
from toolkit.maintenance.schedules import KINDS, parse_moment
from toolkit.maintenance.schedules import schedule as written
from toolkit.maintenance.steps import Maintained, StepReport, run_steps
from toolkit.reports.page import filled
from toolkit.reports.writing import place
from toolkit.tasks.door import Body, print_json, task
from toolkit.tasks.maintenance_steps import BODIES, Asked, asked_now, ways

JSON, MARKDOWN, HTML = "maintenance.json", "maintenance.md", "maintenance.html"
_COMMON = {
    "dry_run": "print exactly what would be done; change nothing",
    "python": "the Python that runs the project's tests; default: the newest Nox environment, else this one",
    "json": "print JSON and nothing else",
}
_UPGRADES = {
    "pytest": "more pytest arguments for the tests of upgrades, as one quoted string",
    "keep": "write upgrades with which the tests pass into the constraint files",
}


@task(
    iterable=["step", "skip"],
    help={
        **_COMMON,
        "step": "only this step; may be given several times",
        "skip": "not this step; may be given several times",
        "pytest": _UPGRADES["pytest"],
    },
)
def weekly(
    _context: Context,
    *,
    step: list[str],
    skip: list[str],
    dry_run: bool = False,
    python: str = "",
    pytest: str = "",
    json: bool = False,
) -> None:
    """Do all steps; one that fails does not stop the others. Exit code 1: look at it, 4: a step failed."""
    config = load_config()
    for name in (*step, *skip):
        if name not in STEPS:
            raise UsageError(unknown("step", name, STEPS))
    chosen = [name for name in step or config.maintenance.steps if name not in skip]
    asked = asked_now(config, dry_run=dry_run, python=python, arguments=pytest)
    _maintain(asked, chosen, as_json=json, keep_report=not dry_run)


def _maintain(asked: Asked, steps: Sequence[str], *, as_json: bool, keep_report: bool) -> None:
    started = time.time()
    console = Console(highlight=False, soft_wrap=True)

    def say(report: StepReport) -> None:
        if not as_json:
            _tell(console, report, dry_run=asked.dry_run)

    reports = run_steps(steps, ways(asked), say)
    done = Maintained(
        project=asked.config.project, started=started, dry_run=asked.dry_run, steps=tuple(reports)
    )
    if keep_report:
        _write(asked.config, done)
    if as_json:
        print_json(_described(done))
    elif keep_report:
        console.print(f"report: {asked.config.reports_dir / MARKDOWN}", markup=False)
    if done.exit_code:
        raise Exit(code=done.exit_code)


def _tell(console: Console, report: StepReport, *, dry_run: bool) -> None:
    console.print(f"{SIGNS[report.state]} {report.name}: {report.summary}", markup=False)
    for item in report.items if dry_run else ():
        name = item.what.encode("unicode_escape").decode() if "\n" in item.what else item.what
        console.print(f"    {item.action} {name}{f': {item.why}' if item.why else ''}", markup=False)


def _described(done: Maintained) -> dict[str, object]:
    return {**msgspec.structs.asdict(done), "exit_code": done.exit_code}


def _write(config: Config, done: Maintained) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(_described(done)), indent=2).decode()
    place(config.reports_dir / JSON, [encoded, "\n"])
    place(config.reports_dir / MARKDOWN, [markdown(done)])
    place(config.reports_dir / HTML, filled("maintenance.html", _described(done)))


def _single(name: str) -> "Task[Body]":
    """Make the task of one step."""

    def body(_context: Context, *, dry_run: bool = False, python: str = "", json: bool = False) -> None:
        asked = asked_now(load_config(), dry_run=dry_run, python=python)
        _maintain(asked, [name], as_json=json, keep_report=False)

    body.__doc__ = BODIES[name].__doc__
    return task(name=name, help=_COMMON)(body)


@task(help={**_COMMON, **_UPGRADES})
def upgrades(
    _context: Context,
    *,
    dry_run: bool = False,
    python: str = "",
    pytest: str = "",
    keep: bool = False,
    json: bool = False,
) -> None:
    """Look for newer dependencies, run the tests with them in a scratch environment, keep them or not."""
    asked = asked_now(load_config(), dry_run=dry_run, python=python, arguments=pytest, keep=keep)
    _maintain(asked, ["upgrades"], as_json=json, keep_report=False)


@task(
    positional=["kind"],
    help={
        "kind": f"one of {', '.join(KINDS)}",
        "at": "day and time of the week",
        "python": "that has the toolkit",
    },
)
def schedule(_context: Context, kind: str, *, at: str = "Mon 03:17", python: str = sys.executable) -> None:
    """Print what starts the weekly maintenance: a line for cron, systemd units, a schedule of a CI."""
    text = written(kind, parse_moment(at), load_config().root, python)
    print(text, end="")  # noqa: T201 - a door prints


ns = Collection(weekly, upgrades, schedule, *(_single(name) for name in STEPS if name != "upgrades"))
