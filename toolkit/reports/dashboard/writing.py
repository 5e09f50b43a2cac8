"""The dashboard on disk: a page, Markdown and JSON that tell the same. Each is complete or not there."""

from pathlib import Path

import msgspec

from toolkit.reports.dashboard.facts import Facts
from toolkit.reports.dashboard.markdown import markdown
from toolkit.reports.dashboard.page import page
from toolkit.reports.dashboard.sources import Sources
from toolkit.reports.dashboard.telling import tell
from toolkit.reports.writing import place


def write_dashboard(sources: Sources, path: Path) -> Facts:
    """Write the page and, beside it, the same name with ``.md`` and ``.json``.

    Args:
        sources: what was read.
        path: of the page, such as ``reports/dashboard.html``.

    Raises:
        ToolkitError: a file cannot be written.
    """
    told = tell(sources)
    place(path, page(told, sources))
    place(path.with_suffix(".md"), [markdown(told.facts)])
    place(path.with_suffix(".json"), [facts_json(told.facts), "\n"])
    return told.facts


def facts_json(facts: Facts) -> str:
    """Return the facts as JSON for people and scripts; docs/reference/dashboard.md describes every key."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=2).decode()
