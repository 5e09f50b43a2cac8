"""The gates session: judges what the other sessions of a pipeline left in the reports folder."""

import datetime as dt
import os

import nox

from toolkit.config import Config
from toolkit.gates.checking import check_gates, failed_checks, status_line
from toolkit.gates.writing import JSON, write_report
from toolkit.sessions.guarding import fail
from toolkit.sessions.tools import installs_only


def gates(session: nox.Session, config: Config) -> None:
    """Judge coverage, performance, security and reliability: may this be merged?"""
    if installs_only(session):
        return
    report = check_gates(config, now=dt.datetime.now(tz=dt.UTC), environ=os.environ)
    write_report(report, config.reports_dir)
    for gate in report.gates:
        for check in gate.checks:
            (session.log if check.status.good else session.warn)("%s", status_line(check))
    session.log("report: %s", config.reports_dir / JSON)
    if not report.passed:
        fail(session, f"not fit to be merged: {', '.join(one.id for one in failed_checks(report))}")
