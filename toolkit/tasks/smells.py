"""``invoke smells.*``: what makes tests say less, or less reliably, than they seem."""

from collections import Counter
from pathlib import Path

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.config import load_config
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.smells.checking import check_paths
from toolkit.smells.findings import Checked
from toolkit.smells.rules import RULES
from toolkit.smells.sarif import sarif as as_sarif
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
UNREADABLE = 3


@task(
    positional=["paths"],
    iterable=["paths", "rule"],
    help={
        "paths": "files and folders of tests; none: the project's",
        "rule": "apply only this one, such as TS102; may be given several times",
        "jobs": "processes; 0: as many as there are cores and enough to do",
        "json": AS_JSON,
        "sarif": "print SARIF 2.1.0 for code scanners, and nothing else",
    },
)
def check(
    _context: Context,
    paths: list[str],
    *,
    rule: list[str],
    jobs: int = 0,
    json: bool = False,
    sarif: bool = False,
) -> None:
    """Check tests for smells; exit code 1: there are some, 3: a file could not be read."""
    if json and sarif:
        raise UsageError("--json and --sarif: choose one")
    checked = check_paths(load_config(), [Path(path) for path in paths], only=rule, jobs=jobs or None)
    if json:
        print_json(_described(checked))
    elif sarif:
        print_json(as_sarif(checked))
    else:
        _print(checked)
    if checked.unreadable:
        raise Exit(f"{len(checked.unreadable)} files could not be read", UNREADABLE)
    if checked.failing:
        raise Exit(code=1)


def _described(checked: Checked) -> dict[str, object]:
    counts = Counter(finding.rule for finding in checked.findings)
    return {**msgspec.structs.asdict(checked), "counts": dict(sorted(counts.items()))}


def _print(checked: Checked) -> None:
    console = wide_console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    for finding in checked.findings:
        test = f"{finding.test} " if finding.test else ""
        place = f"{finding.path}:{finding.line}:{finding.column}"
        say(f"{place}: {finding.rule} {finding.name} ({finding.severity}): {test}{finding.message}")
    for bad in checked.unreadable:
        say(f"{bad.path}: not read: {bad.why}")
    told = f"{checked.tests} tests in {checked.files} files: {len(checked.findings)} smells"
    say(told + (f", {checked.silenced} silenced by comments" if checked.silenced else ""))
    if checked.findings:
        say(f"why, and how to mend one: invoke smells.explain {checked.findings[0].rule}")


@task(help={"json": AS_JSON})
def rules(_context: Context, *, json: bool = False) -> None:
    """List the rules."""
    if json:
        print_json(list(RULES.values()))
        return
    cells = ((rule.id, rule.name, rule.title) for rule in RULES.values())
    print_table(wide_console(), "Rules", ("id", "name", "what it reports"), cells)


@task(positional=["rule"], help={"rule": "its id, such as TS102, or its name"})
def explain(_context: Context, rule: str) -> None:
    """Say of a rule why it matters, how to mend what it reports, and what it spares."""
    found = next((each for each in RULES.values() if rule.lower() in {each.id.lower(), each.name}), None)
    if found is None:
        raise UsageError(unknown("rule", rule, RULES))
    parts = [f"{found.id} {found.name}: {found.title}", f"Why: {found.why}", f"Mend: {found.mend}"]
    parts += [f"Not reported: {found.spares}"] if found.spares else []
    parts += [f"Reported:\n\n{found.bad}", f"Not reported:\n\n{found.good}"]
    wide_console().print("\n\n".join(parts), markup=False, highlight=False)


ns = Collection(check, rules, explain)
