"""Command lines of invoke in this process, as typed in the folder that the fixture ``project`` made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke.program import Program

from toolkit.tasks import ns


@pytest.fixture
def invoke(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line: exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            Program(namespace=ns).run(["invoke", *words])
            code: Any = 0
        except SystemExit as end:
            code = end.code
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run
