"""In the process of a batch on a cluster: hand every report back, and die with whoever started us."""

import ctypes
import os
import signal
import sys
from pathlib import Path

import pytest

from toolkit.cluster.batches import REPORTS
from toolkit.plugin.report_lines import pack

PR_SET_PDEATHSIG = 1  # prctl(2)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to hand reports back."""
    path = os.environ.pop(REPORTS, None)
    if path is not None:
        _die_with_parent()
        config.pluginmanager.register(_Messenger(config, Path(path)), "toolkit-messenger")


class _Messenger:
    """Appends whole lines, so that what was reported survives the end of the process."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config = config
        self._stream = path.open("ab", buffering=0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._stream.write(pack(self._config, report))

    def pytest_unconfigure(self) -> None:
        self._stream.close()


def _die_with_parent() -> None:
    """Let the kernel end this process when Dask's worker is killed, where that is possible (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
