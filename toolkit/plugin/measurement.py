"""The measurement by coverage that is under way in this process, if there is one."""

import sys
from typing import Any

import pytest


def measured() -> Any:
    """Return the measurement by coverage that is under way in this process; None: there is none."""
    coverage = sys.modules.get("coverage")
    return None if coverage is None else coverage.Coverage.current()


def save_coverage(measurement: Any, config: pytest.Config) -> None:
    """Write what coverage has measured so far: a worker that is terminated later does not lose it.

    Args:
        measurement: the one that was under way at the start; tests may have begun and ended others since.
        config: of the session: where pytest-cov takes part, it looks after its own measurement.
    """
    if measurement is not None and not config.pluginmanager.has_plugin("_cov"):
        measurement.save()
