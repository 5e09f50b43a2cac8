"""The markers every project may use, registered whether the plugin is active or not."""

import pytest

from toolkit.markers import MARKERS


def register(config: pytest.Config) -> None:
    """Make the markers known to pytest."""
    for marker, description in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {description}")
