"""Markers from folders: tests in ``tests/integration`` are integration tests without saying so.

``[tool.toolkit.folders]`` says which folder means which marker. A test that bears a marker of a kind itself
keeps it, so the folder is only the default.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolkit.markers import KINDS
from toolkit.plugin import activation


def wanted(config: pytest.Config) -> bool:
    """Tell whether any folder has a marker."""
    return bool(activation.settings(config).folders)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register markers that only a folder bears.

    Raises:
        pytest.UsageError: a folder does not exist.
    """
    settings = activation.settings(config)
    for folder, marker in settings.folders.items():
        if not (settings.root / folder).is_dir():
            raise pytest.UsageError(
                f"tool.toolkit.folders: {folder!r} does not exist in {settings.root}; its tests were to be "
                f"marked {marker!r}"
            )
        config.addinivalue_line("markers", f"{marker}: tests in {folder}")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its folder, before anything is selected by marker."""
    settings = activation.settings(item.config)
    marker = marker_of(item.path.parent, settings.root, tuple(settings.folders.items()))
    names = {mark.name for mark in item.iter_markers()} if marker else set()
    if marker and marker not in names and not (marker in KINDS and names.intersection(KINDS)):
        item.add_marker(marker)


@functools.lru_cache(maxsize=4096)
def marker_of(place: Path, root: Path, folders: tuple[tuple[str, str], ...]) -> str | None:
    """Return the marker of the innermost folder that has one; None: no folder at or above has.

    Args:
        place: absolute folder of a test file.
        root: absolute folder of the project.
        folders: folder, relative to the root → marker.
    """
    markers: Mapping[Path, str] = {root / folder: marker for folder, marker in folders}
    return next((markers[above] for above in (place, *place.parents) if above in markers), None)
