"""``invoke plan.dependencies``: code, services and data per test, as a table, JSON or a picture."""

import shlex

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
from toolkit.scheduling.dependencies import Report, needs_of, report_on, to_dot, to_mermaid
from toolkit.tasks.collecting import collect_plan
from toolkit.tasks.door import print_json, task
from toolkit.tasks.selection import recorded


@task(
    help={
        "profile": "the profile whose tests are meant; without one: all tests",
        "python": "the Python that collects; default: the profile's Nox environment, else this one",
        "arguments": "more pytest arguments, as one quoted string",
        "form": "table, dot (Graphviz) or mermaid",
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
    forms = {"table": print_report, "dot": _print_dot, "mermaid": _print_mermaid}
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
    table = Table("file", "tests", "seconds", "code", "data", "services", "resources")
    for file in dict.fromkeys(row.test.partition("::")[0] for row in report.tests):
        rows = [row for row in report.tests if row.test.partition("::")[0] == file]
        cells = [file, str(len(rows)), f"{sum(row.duration for row in rows):.2f}"]
        columns = ("code", "data", "services", "resources")
        cells += [_few({name for row in rows for name in getattr(row, column)}) for column in columns]
        table.add_row(*map(escape, cells))
    console.print(table)
    lines = [
        f"{len(report.code_components)} sets of tests share no code",
        f"{len(report.state_components)} sets of tests share no data, service or resource",
        f"{len(report.free)} tests may run beside anything, {len(report.alone)} run alone",
        *(
            f"one after the other ({chain.name}): {len(chain.tests)} tests, {chain.seconds:.2f} s"
            for chain in report.chains
        ),
        *(f"{name}: {count} tests, {seconds:.2f} s" for name, (count, seconds) in report.resources.items()),
        "estimated: "
        + ", ".join(f"{count} workers {seconds:.2f} s" for count, seconds in report.estimates.items()),
    ]
    if report.unrecorded:
        lines.append(
            f"{report.unrecorded} tests are not recorded: run pytest --impacted once for their code and data"
        )
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _few(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004 - a column's width


def _print_dot(_console: Console, report: Report) -> None:
    print(to_dot(report), end="")  # noqa: T201 - a door prints


def _print_mermaid(_console: Console, report: Report) -> None:
    print(to_mermaid(report), end="")  # noqa: T201 - a door prints
