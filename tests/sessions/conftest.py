"""What the tests of the sessions share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.nox_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with one passing test."""
    made = Project(tmp_path / "project")
    yield made
    made.stop()
