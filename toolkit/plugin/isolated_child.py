"""In the process of an isolated test: run this one test, hand the reports back."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.plugin.isolated import Assignment
from toolkit.plugin.ordering import ISOLATED
from toolkit.plugin.report_lines import pack

WRITERS = ("xmlpath", "htmlpath", "report_log", "json_report_file", "md_report_output", "resultlog")
"""Options of plugins that write a file at the end: the whole run's, not ours."""
CHOOSERS = ("markexpr", "keyword", "lf", "failedfirst", "newfirst", "stepwise", "stepwise_skip", "deselect")
"""Options that could leave the test out."""

_ASSIGNMENT = pytest.StashKey[Assignment]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the assignment out of the environment; what the test starts is not isolated by it."""
    assignment = msgspec.json.decode(os.environ[ISOLATED], type=Assignment)
    config.stash[_ASSIGNMENT] = assignment
    for name in (*WRITERS, *CHOOSERS):
        if hasattr(config.option, name):
            setattr(config.option, name, "" if name in {"markexpr", "keyword"} else None)
    path, separator, name = assignment.nodeid.partition("::")
    config.args[:] = [f"{config.rootpath / path}{separator}{name}"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the one test, should its id name several."""
    nodeid = session.config.stash[_ASSIGNMENT].nodeid
    os.environ.pop(ISOLATED, None)
    session.items[:] = [item for item in session.items if item.nodeid == nodeid][:1]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Hand a report back, whole lines only."""
    config: Any = _config
    with Path(config.stash[_ASSIGNMENT].reports).open("ab") as stream:
        stream.write(pack(config, report))


_config: pytest.Config | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the session's configuration: the hook for reports does not get it."""
    global _config  # noqa: PLW0603 - one process, one session
    _config = session.config
