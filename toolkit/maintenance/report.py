"""What maintenance did, for people: Markdown. JSON is the struct itself."""

import time
from collections.abc import Iterator

from toolkit.maintenance.steps import Maintained, StepReport

SIGNS = {"done": "✔", "nothing": "·", "attention": "!", "skipped": "-", "failed": "✘"}
_MOST = 200
"""Items of one step that are listed; the JSON has all."""


def markdown(maintained: Maintained) -> str:
    """Write the report."""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(maintained.started))
    title = f"# Maintenance of {_inert(maintained.project)}"
    tried = "\n\nA dry run: nothing was changed." if maintained.dry_run else ""
    rows = "".join(
        f"| {SIGNS[step.state]} {step.name} | {step.state} | {_inert(step.summary)} | {step.seconds:.1f} |\n"
        for step in maintained.steps
    )
    table = f"| step | state | summary | seconds |\n|---|---|---|---|\n{rows}"
    details = "".join(part for step in maintained.steps for part in _details(step))
    return f"{title}\n\n{when}{tried}\n\n{table}\n{details}".rstrip() + "\n"


def _details(step: StepReport) -> Iterator[str]:
    if not step.items:
        return
    yield f"## {step.name}\n\n"
    for item in step.items[:_MOST]:
        why = f": {_inert(item.why)}" if item.why else ""
        yield f"* {item.action} {_inert(item.what)}{why}\n"
    if len(step.items) > _MOST:
        yield f"* … and {len(step.items) - _MOST} more\n"
    yield "\n"


def _inert(text: str) -> str:
    """Return text that Markdown shows as it is, on one line; names of files may hold anything."""
    return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in " ".join(text.split()))


_SPECIAL = frozenset("\\`*_{}[]<>#|!~&$@")
