"""``pytest --cluster ADDRESS``: this process collects and reports, a Dask cluster runs the tests."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.errors import ToolkitError
from toolkit.journal import Journal
from toolkit.plugin import planning
from toolkit.plugin.activation import is_worker
from toolkit.plugin.collected import traits_of
from toolkit.plugin.isolated import child_arguments
from toolkit.plugin.report_lines import unpack
from toolkit.plugin.rundir import RUN_DIR
from toolkit.records import Attempt, Outcome
from toolkit.scheduling.jobs import make_jobs

PASSED_ON = (
    "TOOLKIT_ENV",
    "TOOLKIT_PROFILE",
    "TOOLKIT_BUILD",
    "DATABASE_URL",
    "REDIS_URL",
    "AMQP_URL",
    "NATS_URL",
)
"""Variables that the tests on other machines get from here."""


def wanted(config: pytest.Config) -> bool:
    """Only with ``--cluster``."""
    options = config.known_args_namespace
    return bool(getattr(options, "toolkit_cluster", None)) and not is_worker(config)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The cluster takes the place of local workers, also where a profile asks for some."""
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses = 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Leave the recording of attempts to the machines that make them."""
    session.config.stash[_COUNTS] = Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run everything that was collected on the cluster."""
    if session.config.option.collectonly or not session.items:
        return None
    if session.testsfailed and not session.config.option.continue_on_collection_errors:
        return None  # pytest itself says so and stops
    recorder = session.config.pluginmanager.get_plugin("toolkit-recorder")
    if recorder is not None:
        session.config.pluginmanager.unregister(recorder)
    try:
        _run(session)
    except ToolkitError as error:
        raise pytest.UsageError(str(error)) from error
    finally:
        if recorder is not None:
            session.config.pluginmanager.register(recorder, "toolkit-recorder")
    return True


def _run(session: pytest.Session) -> None:
    from toolkit.cluster.runs import ClusterRun, Settings
    from toolkit.cluster.sameness import here

    config = session.config
    experience = planning.background(config).experience
    jobs = make_jobs((traits_of(item) for item in session.items), experience)
    settings = Settings(
        address=str(config.getoption("toolkit_cluster")),
        root=str(config.rootpath),
        arguments=tuple(child_arguments(config)),
        environ={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        sameness=here(config.rootpath),
    )
    run = ClusterRun(jobs, settings, say=_sayer(config))
    results = run.results()
    try:
        for result in results:
            _record(config, result)
            _report(session, result)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
    finally:
        results.close()


def _report(session: pytest.Session, result: Any) -> None:
    """Let every plugin see the reports as if the tests had run here."""
    config = session.config
    for report in unpack(config, result.reports.splitlines()):
        if report.nodeid in result.tests:
            config.hook.pytest_runtest_logreport(report=report)
    if result.crashed is not None:
        path = result.crashed.partition("::")[0]
        report = pytest.TestReport(
            nodeid=result.crashed,
            location=(path, None, path),
            keywords={},
            outcome="failed",
            longrepr=f"{result.crashed} killed its process on {result.machine} twice\n{result.output}",
            when="call",
        )
        config.hook.pytest_runtest_logreport(report=report)


_COUNTS: pytest.StashKey["Counter[str]"] = pytest.StashKey()


def _record(config: pytest.Config, result: Any) -> None:
    """Write the attempts into this run's folder, in a file per machine."""
    folder = os.environ.get(RUN_DIR)
    if not folder or config.pluginmanager.get_plugin("toolkit-controller") is None:
        return
    journal = Journal(Path(folder), result.machine)
    order = config.stash[_COUNTS]
    for attempt in result.attempts:
        place = order[result.machine]
        order[result.machine] += 1
        journal.write(msgspec.structs.replace(attempt, worker=result.machine, order=place))
    if result.crashed is not None:
        reason = "its process was killed twice"
        journal.write(
            Attempt(test=result.crashed, outcome=Outcome.CRASHED, worker=result.machine, reason=reason)
        )
    journal.close()


def _sayer(config: pytest.Config) -> Any:
    reporter = config.pluginmanager.get_plugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is not None and config.getoption("verbose") >= 0:
            reporter.ensure_newline()
            reporter.write_line(f"toolkit: {line}")

    return say
