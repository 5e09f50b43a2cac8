"""The summary as one HTML file that needs nothing else: no server, no network, no build.

All data is a JSON block, in which ``<``, ``>`` and ``&`` are escaped, and the script builds the page with
``textContent`` only: a test may be called anything. The content security policy allows exactly the one style
and the one script of the template, by their hashes (CSP Level 3, section 2.3.1).
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec

from toolkit import __version__
from toolkit.reports.summary import Summary, summary_json

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_UNSAFE = re.compile("[<>&\u2028\u2029]")


def page(summary: Summary) -> Iterator[str]:
    """Yield the text of the page piece by piece."""
    return filled("report.html", page_data(summary))


def filled(name: str, data: object) -> Iterator[str]:
    """Yield a template with its data and its policy, piece by piece."""
    template = files("toolkit.reports").joinpath(f"templates/{name}").read_text("utf-8")
    head, marker, tail = template.partition("@@DATA@@")
    assert marker, "the template has a place for the data"  # noqa: S101 - our own file
    style, script = _inline(template, "style"), _inline(template, "script")
    policy = (
        f"default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'"
    )
    yield head.replace("@@POLICY@@", policy)
    yield escaped(data)
    yield tail


def page_data(summary: Summary) -> dict[str, Any]:
    """Return what the page shows: the JSON summary and all listed tests as compact rows."""
    outcomes = sorted({row.outcome for row in summary.rows})
    return {
        **summary_json(summary),
        "toolkit": __version__,
        "outcomes": outcomes,
        "sources": [part.source for part in summary.parts],
        "rows": [
            [
                row.test,
                outcomes.index(row.outcome),
                round(row.duration, 4),
                row.attempts,
                int(row.flaky),
                row.source,
            ]
            for row in summary.rows
        ],
    }


def escaped(data: object) -> str:
    """Encode as JSON that can stand inside ``<script>``: no character in it means anything to HTML."""
    return _UNSAFE.sub(lambda match: _ESCAPES[match[0]], msgspec.json.encode(data).decode())


def _inline(template: str, element: str) -> str:
    """Return the CSP source of the template's inline style or script."""
    found = re.search(rf"<{element}>(.*?)</{element}>", template, re.DOTALL)
    assert found, f"the template has one <{element}>"  # noqa: S101 - our own file
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
