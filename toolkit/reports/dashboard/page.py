"""The dashboard as one HTML file that needs nothing else: no server, no network, no build.

The facts are a JSON block in which ``<``, ``>`` and ``&`` are escaped; the table of all tests is base64. The
scripts build the page with ``textContent`` only: a test may be called anything. The content security policy
allows exactly the one style and the one script of the page, by their hashes (CSP Level 3, section 2.3.1).
"""

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files

from toolkit.reports.dashboard.columns import columns
from toolkit.reports.dashboard.sources import Sources
from toolkit.reports.dashboard.telling import Told
from toolkit.reports.page import escaped

STYLES = ("uplot/uPlot.min.css", "dashboard.css")
SCRIPTS = (
    "uplot/uPlot.iife.min.js",
    "shapes.js",
    "columns.js",
    "charts.js",
    "tests.js",
    "views.js",
    "measured.js",
    "case.js",
    "main.js",
)
"""In the order in which they stand in the page; they share one scope."""
LICENCE = "uplot/LICENSE"

VENDORED = {
    "uplot/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot/LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""SHA-256 of the files that are others' work, as published: see assets/uplot/README.md."""


def asset(name: str) -> str:
    """Return one of our own files."""
    return files("toolkit.reports.dashboard").joinpath("assets", *name.split("/")).read_text("utf-8")


def style() -> str:
    """Return the whole style sheet."""
    return "\n".join(map(asset, STYLES))


def script() -> str:
    """Return the whole script, with the licence of what is not ours."""
    own = "\n".join(map(asset, SCRIPTS[1:]))
    return f'/*!\n{asset(LICENCE)}*/\n{asset(SCRIPTS[0])}\n(() => {{\n"use strict";\n{own}}})();\n'


def policy(*, live: bool = False) -> str:
    """Return the content security policy; only a live page may connect, and only to where it came from."""
    connect = " connect-src 'self';" if live else ""
    return (
        f"default-src 'none'; style-src {_source(style())}; script-src {_source(script())}; img-src data:;"
        f"{connect} base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page(told: Told, sources: Sources) -> Iterator[str]:
    """Yield the text of the page piece by piece."""
    return assembled(escaped(told.facts), columns(told, sources))


def assembled(facts: str, tests: str, *, live: bool = False) -> Iterator[str]:
    """Yield the page around facts and columns; a live page begins empty and asks for both."""
    values = {
        "@@POLICY@@": policy(live=live),
        "@@STYLE@@": style(),
        "@@FACTS@@": facts,
        "@@TESTS@@": tests,
        "@@LIVE@@": "live" if live else "file",
        "@@SCRIPT@@": script(),
    }
    rest = asset("dashboard.html")
    for marker, value in values.items():
        before, found, rest = rest.partition(marker)
        assert found, "the template has a place for everything, in this order"  # noqa: S101 - our own file
        yield before
        yield value
    yield rest
