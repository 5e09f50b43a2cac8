"""``--profile-slow SECONDS``: profiles tests that take long by the history, and keeps a page of each.

The pages are in ``profiles`` in the folder of the reports; the dashboard links to them from that of the test.
"""

import time
import warnings
from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any

import pytest

from toolkit.plugin import activation
from toolkit.plugin.recording import identity
from toolkit.records import NodeId

if TYPE_CHECKING:
    from toolkit.performance.profiles import Kind


def wanted(config: pytest.Config) -> bool:
    """Only where it was asked for.

    Raises:
        pytest.UsageError: only ``--profiler`` was given.
    """
    namespace = config.known_args_namespace
    least = getattr(namespace, "toolkit_profile_slow", None)
    if least is None and getattr(namespace, "toolkit_profiler", None) is not None:
        raise pytest.UsageError("--profiler says how: --profile-slow SECONDS says which tests, 0 for all")
    return least is not None


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin last, so that making a page is not counted to the test by whoever records it."""
    from toolkit.errors import MissingExtra
    from toolkit.performance.profiles import require_profiler

    kind: Kind = config.getoption("toolkit_profiler") or "time"
    try:
        require_profiler(kind)
    except MissingExtra as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(Profiling(config, config.getoption("toolkit_profile_slow"), kind))


class Profiling:
    """Profiles the slow tests of one process.

    Args:
        config: of the session.
        least: seconds from which on a test is slow; 0: every test is.
        kind: what is followed.
    """

    def __init__(self, config: pytest.Config, least: float, kind: "Kind") -> None:
        from toolkit.performance.profiles import FOLDER

        self._config, self._least, self._kind = config, least, kind
        self._folder = activation.settings(config).reports_dir / FOLDER
        self._begun = time.time()
        self._slow: Collection[NodeId] = ()

    def pytest_collection_finish(self) -> None:
        """Ask the history which tests are slow."""
        if self._least > 0:
            self._slow = slow_tests(self._config, self._least)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Profile a slow test with its set-up and tear-down; all tries of it together."""
        test = identity(item)
        if self._least > 0 and test not in self._slow:
            return (yield)
        from toolkit.errors import EnvironmentFailed
        from toolkit.performance.profiles import profiled

        result: object = True
        try:
            with profiled(self._kind, test, self._folder):
                result = yield
        except EnvironmentFailed as error:
            warnings.warn(pytest.PytestWarning(f"toolkit: no profile: {error}"), stacklevel=1)
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say how many profiles there are, and where."""
        from toolkit.performance.profiles import read_profiles

        made = sum(note.made >= self._begun for note in read_profiles(self._folder))
        unknown = "" if made or not self._least else ": by the history no test here takes so long"
        terminalreporter.write_line(f"toolkit: {made} tests profiled, pages in {self._folder}{unknown}")


def slow_tests(config: pytest.Config, least: float) -> Collection[NodeId]:
    """Return the tests whose typical duration is at least so many seconds; a warning without a history."""
    from pathlib import Path

    from toolkit.errors import ToolkitError
    from toolkit.history.store import open_history

    url = activation.settings(config).history_url
    if "://" not in url and not Path(url).exists():
        return ()
    try:
        with open_history(url) as history:
            return {test for test, seconds in history.durations().items() if seconds >= least}
    except ToolkitError as error:
        warnings.warn(
            pytest.PytestWarning(f"toolkit: nobody knows which tests are slow: {error}"), stacklevel=1
        )
        return ()
