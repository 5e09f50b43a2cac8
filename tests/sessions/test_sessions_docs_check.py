"""The docs session builds with whatever the project is configured for."""

from pathlib import Path

import pytest

from toolkit.config import load_config
from toolkit.sessions.checks import docs_command


@pytest.mark.parametrize(
    ("file", "first"), [("zensical.toml", "zensical"), ("mkdocs.yml", "mkdocs"), (None, "mkdocs")]
)
def test_the_configuration_file_decides_the_generator(tmp_path: Path, file: str | None, first: str) -> None:
    if file:
        (tmp_path / file).touch()
    command = docs_command(load_config(tmp_path, {}))
    assert command[:3] == [first, "build", "--strict"]


def test_mkdocs_writes_into_the_reports(tmp_path: Path) -> None:
    assert docs_command(load_config(tmp_path, {}))[-1] == str(tmp_path / "reports" / "docs")
