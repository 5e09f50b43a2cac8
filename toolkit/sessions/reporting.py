"""Reports of one session, and of all sessions of this nox command together."""

from collections.abc import Sequence
from pathlib import Path

from toolkit.config import Config
from toolkit.records import RunRecord
from toolkit.reports.summary import Summary
from toolkit.reports.writing import write_reports
from toolkit.sessions.recording import Run, runs_of_build


def report_run(config: Config, run: Run, record: RunRecord) -> Summary:
    """Write the reports of one session to ``reports/<session>``, those of its whole build to ``reports``.

    Raises:
        ToolkitError: a report cannot be written.
    """
    summary = write_reports([record], config.reports_dir / run.name)
    together: Sequence[RunRecord] = [other for _, other in runs_of_build(config, run.build)]
    write_reports(together, merged_folder(config))
    return summary


def merged_folder(config: Config) -> Path:
    """Return where the reports of all sessions together are."""
    return config.reports_dir
