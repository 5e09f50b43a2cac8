"""``invoke plan.dependencies``: code, services and data per test, as a table, JSON or a picture."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from invoke.context import Context
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from toolkit.config import load_config
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.impact.inputs import Input
from toolkit.impact.session import environment_name
from toolkit.records import NodeId
from toolkit.scheduling.dependencies import Needs, Report, needs_of, report_on
from toolkit.scheduling.pictures import to_dot, to_mermaid, to_svg
from toolkit.tasks.collecting import collect_plan
from toolkit.tasks.door import print_json, task
from toolkit.tasks.selection import recorded


@task(
    help={
        "profile": "the profile whose tests are meant; without one: all tests",
        "python": "the Python that collects; default: the profile's Nox environment, else this one",
        "arguments": "more pytest arguments, as one quoted string",
        "form": "table, svg (a picture), dot (Graphviz) or mermaid",
        "json": "print JSON and nothing else",
    }
)
def dependencies(
    _context: Context,
    *,
    profile: str = "",
    python: str = "",
    arguments: str = "",
    form: str = "table",
    json: bool = False,
) -> None:
    """Show code, services and data of every test, what is independent, and what may run in parallel."""
    forms = {"table": print_report, "svg": _print_svg, "dot": _print_dot, "mermaid": _print_mermaid}
    if form not in forms:
        raise UsageError(unknown("form", form, forms))
    plan = collect_plan(load_config(), profile, python=python, arguments=shlex.split(arguments))
    jobs = plan.jobs()
    recorded_inputs = _recorded_inputs()
    needs = [
        needs_of(job, [(item.kind, item.name) for item in inputs] if inputs is not None else None)
        for job in jobs
        for inputs in [recorded_inputs.get(job.test)]
    ]
    report = report_on(jobs, needs)
    if json:
        print_json(report)
    else:
        forms[form](Console(), report)


def _recorded_inputs() -> dict[NodeId, list[Input]]:
    try:
        _root, store = recorded()
    except UsageError:  # nothing recorded: the markers are all that is known
        return {}
    with store:
        return store.inputs_by_test(environment_name())


def print_report(console: Console, report: Report) -> None:
    """Print dependencies for people: by file, then components and groups."""
    table = Table()
    for title in ("file", "tests", "seconds", "code", "data", "services", "resources"):
        table.add_column(title, overflow="fold")  # a name that is cut off cannot be copied
    files: dict[str, list[Needs]] = {}
    for row in report.tests:
        files.setdefault(row.test.partition("::")[0], []).append(row)
    columns = ("code", "data", "services", "resources")
    users = Counter(
        name for rows in files.values() for name in {name for row in rows for name in _all_of(row, columns)}
    )
    for file, rows in files.items():
        cells = [file, str(len(rows)), f"{sum(row.duration for row in rows):.2f}"]
        cells += [_few({name for row in rows for name in getattr(row, column)}, users) for column in columns]
        table.add_row(*map(escape, cells))
    console.print(table)
    for line in _told(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _told(report: Report) -> Iterator[str]:
    if report.unrecorded < len(report.tests):
        yield f"{_sets(len(report.code_components))} of tests share no code that they execute"
        yield f"{_sets(len(report.state_components))} of tests share no data, service or resource"
    yield f"{_tests(len(report.free))} may run beside anything, {len(report.alone)} alone"
    for chain in report.chains:
        yield f"one after the other ({chain.name}): {_tests(len(chain.tests))}, {chain.seconds:.2f} s"
    for name, (count, seconds) in report.resources.items():
        yield f"{name}: {_tests(count)}, {seconds:.2f} s"
    yield "estimated without start-up, by workers: " + ", ".join(
        f"{count}: {seconds:.2f} s" for count, seconds in report.estimates.items()
    )
    if report.unrecorded:
        yield (
            f"{_tests(report.unrecorded)} not recorded, so only their markers are known: "
            "run pytest --impacted once for their code, data and services"
        )


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"


def _sets(count: int) -> str:
    return "1 set" if count == 1 else f"{count} sets"


def _all_of(row: Needs, columns: Iterable[str]) -> Iterator[str]:
    for column in columns:
        yield from getattr(row, column)


def _few(names: set[str], users: Mapping[str, int]) -> str:
    """Name the most telling: what few others use."""
    ordered = sorted(names, key=lambda name: (users[name], name))
    shown = ", ".join(ordered[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004 - a column's width


def _print_svg(_console: Console, report: Report) -> None:
    print(to_svg(report), end="")  # noqa: T201 - a door prints


def _print_dot(_console: Console, report: Report) -> None:
    print(to_dot(report), end="")  # noqa: T201 - a door prints


def _print_mermaid(_console: Console, report: Report) -> None:
    print(to_mermaid(report), end="")  # noqa: T201 - a door prints
