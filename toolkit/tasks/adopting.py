"""``toolkit init`` and ``toolkit doctor``: the toolkit in a project, and what this machine can do."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from invoke.context import Context
from invoke.exceptions import Exit
from rich.text import Text

from toolkit.adopt.doctor import Finding, examine
from toolkit.adopt.interpreters import find_interpreters
from toolkit.adopt.proposal import Proposal, pretty_summary, propose
from toolkit.adopt.writing import Step, perform, plan_steps, undo_commands
from toolkit.config import load_config
from toolkit.config.loading import SUPPORTED_PYTHONS
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

NOT_SET_UP = 1
SOMETHING_MISSING = 4

WORDS = {"create": "new file", "append": "one table at the end", "keep": "left alone"}


@task(
    help={
        "folder": "the project; empty: this folder",
        "check": "write nothing; exit code 1 when something is to be written",
        "dry_run": "write nothing; show the texts",
        "layout": "also a full layout of tests: folders for each kind, data, schemas, environments",
        "compose": "also the compose files of the services, to be used by hand or changed",
        "json": "print JSON and nothing else",
    }
)
def init(
    _context: Context,
    *,
    folder: str = "",
    check: bool = False,
    dry_run: bool = False,
    layout: bool = False,
    compose: bool = False,
    json: bool = False,
) -> None:
    """Set up the toolkit in this project: short files and one table; nothing is overwritten."""
    root = Path(folder or ".").resolve()
    if not root.is_dir():
        raise Exit(f"{root} is no folder", 2)
    found = find_interpreters(SUPPORTED_PYTHONS, os.environ)
    proposal = propose(root, [version for version, place in found.items() if place])
    steps = plan_steps(proposal, layout=layout, compose=compose)
    undo = undo_commands(root, steps)
    writes = not (check or dry_run)
    if writes:
        perform(root, steps)
    if json:
        print_json(_described(proposal, steps, undo, written=writes))
    else:
        _show(proposal, steps, texts=dry_run)
        _conclude(steps, undo, proposal, written=writes)
    if check and any(step.action != "keep" for step in steps):
        raise Exit(None if json else "not set up: run toolkit init", NOT_SET_UP)


def _described(
    proposal: Proposal, steps: Sequence[Step], undo: Sequence[str], *, written: bool
) -> dict[str, object]:
    found = msgspec.to_builtins(proposal, enc_hook=str)
    return {
        "found": found,
        "steps": [msgspec.to_builtins(step) for step in steps],
        "written": written,
        "undo": list(undo),
    }


def _show(proposal: Proposal, steps: Sequence[Step], *, texts: bool) -> None:
    console = wide_console()
    for word, line in pretty_summary(proposal):
        console.print(Text(f"{word:9} {line}"))
    console.print()
    rows = [(WORDS[step.action], step.path, step.why) for step in steps]
    print_table(console, "files", ("what", "file", "why"), rows)
    for step in steps:
        if step.action == "append" or (texts and step.text):
            console.print(Text(f"\n{step.path}:" if texts else ""))
            console.print(Text(step.text.rstrip()), style="dim")


def _conclude(steps: Sequence[Step], undo: Sequence[str], proposal: Proposal, *, written: bool) -> None:
    console = wide_console()
    if all(step.action == "keep" for step in steps):
        console.print(Text("\nset up already: nothing to do"))
        return
    if not written:
        console.print(Text("\nnothing was written"))
        return
    noxfile = next(step.path for step in steps if step.path.endswith("noxfile.py"))
    option = "" if noxfile == "noxfile.py" else f" -f {noxfile}"
    tests = "" if proposal.layout.tests or proposal.run_doctests else " (there are no tests yet)"
    console.print(Text(f"\nnext: nox{option} -s unit{tests}; toolkit doctor shows what this machine can do"))
    if undo:
        console.print(Text(f"undo: {' && '.join(undo)}"))


@task(help={"json": "print JSON and nothing else"})
def doctor(_context: Context, *, json: bool = False) -> None:
    """Show what works on this machine, what does not, and how to mend it; code 4: a needed thing lacks."""
    findings = examine(load_config(), os.environ)
    if json:
        print_json({"findings": findings, "fine": not _missing(findings)})
    else:
        rows = [(each.state, each.subject, each.found, each.mend) for each in findings]
        print_table(wide_console(), "this machine", ("state", "what", "found", "how to mend it"), rows)
    missing = _missing(findings)
    if missing:
        raise Exit(None if json else f"missing: {', '.join(missing)}", SOMETHING_MISSING)


def _missing(findings: Sequence[Finding]) -> list[str]:
    return [each.subject for each in findings if each.state == "missing"]
