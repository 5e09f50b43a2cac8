"""The bill of materials lists what a wheel alone installs; without its tool there is none."""

from pathlib import Path
from typing import Any

import pytest

from toolkit.config import Config
from toolkit.sessions.sbom import write_sbom


class Session:
    """Notes what a session is asked to run."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.bin = str(folder)
        self.venv_backend = backend
        self.ran: list[tuple[str, ...]] = []

    def run(self, *command: str, external: bool = False) -> None:
        self.ran.append(command)

    def log(self, line: str) -> None:
        assert line.startswith("bill of materials: ")


@pytest.mark.parametrize(("backend", "maker"), [("uv", "uv venv"), ("virtualenv", "python -m")])
def test_the_wheel_is_installed_alone(tmp_path: Path, backend: str, maker: str) -> None:
    tool = tmp_path / "cyclonedx-py"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    session: Any = Session(tmp_path, backend)
    file = write_sbom(session, Config(root=tmp_path), "a.whl", tmp_path)
    made, installed, listed = session.ran
    assert " ".join(made[:2]) == maker
    assert installed[-1] == "a.whl"
    assert listed[:2] == ("cyclonedx-py", "environment")
    assert file == tmp_path / "reports" / "sbom.cdx.json"


def test_without_the_tool_there_is_none(tmp_path: Path) -> None:
    session: Any = Session(tmp_path, "uv")
    assert write_sbom(session, Config(root=tmp_path), "a.whl", tmp_path) is None
    assert session.ran == []
