"""The quarantine: failures of the tests it names are reported and recorded, and do not fail the run.

To pytest and to all other plugins such a failure looks like an expected one (xfail), so neither the exit code
nor ``--maxfail`` counts it; the terminal lists it as quarantined, and our record says that the test failed.
A test whose worker dies fails the run, in quarantine or not. An entry that has expired only explains.

What a module, class or session tears down is reported at whichever test runs last. A tear-down that ends more
than its test is therefore never the quarantined test's own: it fails the run.
"""

import datetime as dt
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from toolkit.plugin import activation
from toolkit.plugin.outcomes import QUARANTINED, is_bad
from toolkit.plugin.recording import RECORDER, identity

EXPIRED = "toolkit_quarantine_expired"
SHOWN_MESSAGE = 200


def wanted(config: pytest.Config) -> bool:
    """Take part where there is a quarantine file."""
    return quarantine_file(config).is_file()


def quarantine_file(config: pytest.Config) -> Path:
    """Return where the project keeps it."""
    settings = activation.settings(config)
    return settings.root / settings.flaky.quarantine


def pytest_configure(config: pytest.Config) -> None:
    """Read the file; a mistake in it ends the session before any test runs."""
    from toolkit.analysis.quarantine import parse_quarantine
    from toolkit.errors import ToolkitError

    file = quarantine_file(config)
    try:
        entries = parse_quarantine(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise pytest.UsageError(f"{file.name}: cannot be read: {error}") from error
    except ToolkitError as error:
        raise pytest.UsageError(str(error)) from error
    if entries:
        today = dt.datetime.now(tz=dt.UTC).date()
        found = Quarantined({entry.id: entry for entry in entries}, today)
        config.pluginmanager.register(found, "toolkit-quarantined")


class Quarantined:
    """Turns failures of tests in quarantine into reports that fail nothing."""

    def __init__(self, entries: Mapping[str, Any], today: dt.date) -> None:
        self._entries = entries
        self._today = today

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mark the report of a failure."""
        report = yield
        if report.outcome == "failed" and call.excinfo is not None:
            self._judge(item, call, report)
        return report

    def _judge(self, item: pytest.Item, call: pytest.CallInfo[Any], report: pytest.TestReport) -> None:
        from toolkit.analysis.quarantine import entry_of

        entry = entry_of(identity(item), self._entries)
        if entry is None:
            return
        standing = item.session._setupstate.stack  # noqa: SLF001 - what is still set up, as the runner knows it
        if report.when == "teardown" and item.parent not in standing:
            return
        if entry.expired(self._today):
            said = f"its quarantine expired on {entry.expires} (owner {entry.owner}: {entry.reason})"
            setattr(report, EXPIRED, said)
            report.sections.append(("toolkit", said))
            return
        recorder = item.config.stash.get(RECORDER, None)
        if recorder is not None:  # pytest does not show expected failures to pytest_exception_interact
            recorder.pytest_exception_interact(call, report)
        setattr(report, QUARANTINED, entry.told())
        report.outcome = "skipped"
        report.wasxfail = f"quarantined {entry.told()}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Call it quarantined, not xfailed."""
        if QUARANTINED in report.__dict__:
            return "quarantined", "q", ("QUARANTINED", {"yellow": True})
        return None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """List what failed in quarantine, and what failed because its time there is over."""
        shielded = terminalreporter.stats.get("quarantined", ())
        if shielded:
            terminalreporter.section(f"quarantined failures: {len(shielded)}", sep="-", yellow=True)
        for report in shielded:
            terminalreporter.line(f"quarantined: {report.nodeid} {getattr(report, QUARANTINED)}")
            terminalreporter.line(f"    {message_of(report)}")
        for category in ("failed", "error"):
            for report in terminalreporter.stats.get(category, ()):
                if is_bad(report) and hasattr(report, EXPIRED):
                    terminalreporter.line(f"{report.nodeid}: {getattr(report, EXPIRED)}", red=True)


def message_of(report: pytest.TestReport) -> str:
    """Return the line that says what went wrong."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(report.longrepr if crash is None else crash.message).strip().splitlines()
    return lines[0 if crash is not None else -1][:SHOWN_MESSAGE] if lines else ""
