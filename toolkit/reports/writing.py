"""All reports of a summary into one folder. A report is complete or it is not there.

Each file is written to a temporary name beside its place and moved: a reader never sees half of one, and a
full disk leaves the old one.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import ToolkitError
from toolkit.junit.writing import junit_xml
from toolkit.records import RunRecord
from toolkit.reports.aggregate import summarise
from toolkit.reports.causes import causes_of_runs
from toolkit.reports.markdown import markdown
from toolkit.reports.page import page
from toolkit.reports.recoveries import recoveries_of_runs
from toolkit.reports.summary import Summary, summary_json


def write_reports(
    runs: Sequence[RunRecord], folder: Path, *, title: str = "", coverage: float | None = None
) -> Summary:
    """Write ``junit.xml``, ``summary.json``, ``summary.md`` and ``report.html`` for some runs.

    Args:
        runs: whatever belongs together: the profiles and Pythons of one command.
        folder: made if need be.
        title: heading; by default the name of the project.
        coverage: percent of all together, if it was measured.

    Raises:
        ToolkitError: a file cannot be written.
    """
    title = title or next((run.header.project for run in runs if run.header.project), "")
    summary = summarise(runs, created=time.time(), title=title)
    summary.coverage = coverage
    summary.causes = causes_of_runs(runs)
    summary.recoveries = recoveries_of_runs(runs)
    place(folder / "junit.xml", junit_xml(runs))
    write_summary(summary, folder)
    return summary


def write_summary(summary: Summary, folder: Path) -> None:
    """Write ``summary.json``, ``summary.md`` and ``report.html``.

    Raises:
        ToolkitError: a file cannot be written.
    """
    encoded = msgspec.json.format(msgspec.json.encode(summary_json(summary)), indent=2)
    place(folder / "summary.json", [encoded.decode(), "\n"])
    place(folder / "summary.md", [markdown(summary)])
    place(folder / "report.html", page(summary))


def place(path: Path, pieces: Iterable[str]) -> None:
    """Write a text file as a whole or not at all; lone surrogates, which no file can hold, are escaped.

    Raises:
        ToolkitError: it cannot be written; what was there before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.writelines(pieces)
        temporary.replace(path)
    except OSError as error:
        raise ToolkitError(
            f"{path}: cannot be written: {error.strerror or error}", hint="check the folder and the disk"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
