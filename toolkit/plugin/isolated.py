"""``@pytest.mark.isolated``: the test runs in a process of its own, with and without workers.

The process is started for this test alone and collects nothing else; its reports come back and are treated
as if the test had run here: one result, one record, one exit code. When it dies, the test has failed and says
so; nobody else notices.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.plugin.ordering import ISOLATED
from toolkit.plugin.report_lines import unpack

CHILD = "import os, sys, json, pytest; sys.path[:] = json.loads(os.environ.pop('TOOLKIT_ISOLATED_PATH')); "
CHILD += "sys.exit(pytest.main(sys.argv[1:]))"
STRIPPED = (
    "--impacted",
    "--no-impacted",
    "--impacted-shadow",
    "--shard",
    "--plan",
    "--run-list",
    "--record",
    "--retries",
    "--repeat",
    "--cluster",
)
"""Options that choose among tests, repeat or record them: the process that started us does that."""
OWN_PLUGIN = ("-p", "toolkit.plugin.isolated_child", "--no-record")
PHASES = ("setup", "call", "teardown")
SHOWN_OUTPUT = 20_000
RUN_KEY = pytest.StashKey[str]()
"""What the processes of one run have in common; see toolkit.plugin.fixtures.sharing."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What the process of an isolated test is told."""

    nodeid: str
    reports: str
    shares: str = ""
    """The run whose shared resources are this test's, too."""


def wanted(config: pytest.Config) -> bool:
    """Everywhere but in the process of an isolated test, and where somebody watches."""
    watched = ("usepdb", "trace", "setuponly", "setupplan", "collectonly")
    options = config.known_args_namespace
    return ISOLATED not in os.environ and not any(getattr(options, name, False) for name in watched)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take part if there is an isolated test; cost the others nothing."""
    if any(map(is_isolated, session.items)):
        session.config.pluginmanager.register(_Elsewhere(), "toolkit-elsewhere")


def is_isolated(item: pytest.Item) -> bool:
    """Tell whether a test wants a process of its own."""
    return "isolated" in item.keywords and item.get_closest_marker("isolated") is not None


class _Elsewhere:
    """Runs the isolated tests; toolkit.plugin.retries does so itself for those that it may try again."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run an isolated test elsewhere; others are left to whoever runs them."""
        if not is_isolated(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in run_elsewhere(item):
            item.ihook.pytest_runtest_logreport(report=report)
        tear_down_for(item, nextitem)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def run_elsewhere(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Run a test in a new process and yield its reports, at least one."""
    with tempfile.TemporaryDirectory(prefix="toolkit-isolated-") as folder:
        reports = Path(folder) / "reports"
        output = Path(folder) / "output.txt"
        shares = item.config.stash.get(RUN_KEY, "")
        environ = child_environment(Assignment(nodeid=item.nodeid, reports=str(reports), shares=shares))
        began = time.time()
        shown = item.config.getoption("capture", "fd") == "no"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-c", CHILD, *child_arguments(item.config), *OWN_PLUGIN],
                cwd=item.config.invocation_params.dir,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=None if shown else stream,
                stderr=None if shown else subprocess.STDOUT,
            )
            problem = _wait(process)
        found = list(unpack(item.config, reports.read_bytes().splitlines() if reports.exists() else ()))
        yield from found
        if problem or not found or found[-1].when != "teardown":
            printed = output.read_text(encoding="utf-8", errors="replace")[-SHOWN_OUTPUT:]
            yield _failed(item, problem or _death(process.returncode), printed, began, found)


def _wait(process: "subprocess.Popen[bytes]") -> str:
    """Wait for the end. An interruption (a time-out, Ctrl-C) ends the process, too.

    Returns:
        why it was interrupted, else nothing.
    """
    try:
        process.wait()
    except BaseException as error:
        process.kill()
        process.wait()
        if isinstance(error, KeyboardInterrupt | SystemExit | pytest.exit.Exception):
            raise
        return str(error) or type(error).__name__
    return ""


def child_arguments(config: pytest.Config) -> list[str]:
    """Return the arguments of this session without those that choose tests, count workers or write files."""
    kept: list[str] = []
    skip = False
    for argument in map(str, config.invocation_params.args):
        if skip:
            skip = False
        elif argument.startswith(STRIPPED):
            skip = "=" not in argument and argument in {
                "--shard",
                "--plan",
                "--run-list",
                "--cluster",
                "--retries",
                "--repeat",
                "--repeat-new",
            }
        else:
            kept.append(argument)
    kept += ["-p", "no:cacheprovider"]
    if config.pluginmanager.has_plugin("xdist"):
        kept += ["-n", "0"]
    if config.pluginmanager.has_plugin("_cov") or config.pluginmanager.has_plugin("pytest_cov"):
        kept.append("--no-cov")
    return kept


def child_environment(assignment: Assignment) -> dict[str, str]:
    """Return the environment of the process of an isolated test."""
    return {
        **os.environ,
        ISOLATED: msgspec.json.encode(assignment).decode(),
        "TOOLKIT_ISOLATED_PATH": json.dumps(sys.path),
    }


def _death(code: int) -> str:
    if code < 0:
        import signal

        with contextlib.suppress(ValueError):
            return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code} before the test was over"


def _failed(
    item: pytest.Item, why: str, printed: str, began: float, found: list[pytest.TestReport]
) -> pytest.TestReport:
    """Make the report of a test whose process did not live to report."""
    phase: Any = PHASES[min(len([report for report in found if report.when in PHASES]), 2)]
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=f"isolated test {item.nodeid}: {why}",
        when=phase,
        sections=[("Captured output of its process", printed)] if printed.strip() else [],
        duration=time.time() - began,
        start=began,
        stop=time.time(),
    )


def tear_down_for(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Tear down what earlier tests left here and the next one does not need: nobody else does it now."""
    session: Any = item.session
    call = pytest.CallInfo.from_call(
        lambda: session._setupstate.teardown_exact(nextitem),  # noqa: SLF001 - as the runner does
        when="teardown",
    )
    if call.excinfo is not None:
        report = item.config.hook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
