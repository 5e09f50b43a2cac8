"""A history to put made-up runs into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.history.store import History, open_history


@pytest.fixture
def history_file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite"


@pytest.fixture
def history(history_file: Path) -> Iterator[History]:
    with open_history(str(history_file)) as opened:
        yield opened
