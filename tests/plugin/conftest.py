"""Real pytest sessions of small projects."""

import contextlib
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg  # noqa: F401 - pytester forgets what is imported while it is in use; this cannot come twice
import pytest

from toolkit.journal import read_run
from toolkit.records import RunRecord

OURS = ("xdist", "toolkit")
"""Entry points that sessions of pytest get: loading all that is installed for our tests costs 0.6 s each."""

Run = Callable[..., pytest.RunResult]


def plugins(*beside: str) -> list[str]:
    """Name ours and others for the command line of pytest."""
    return [f"-p {name}" for name in (*OURS, *beside)]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in the project; ``beside=("timeout",)`` lets these plugins take part, too.

    In this process, where that is not the subject: importing pytest again takes longer than most sessions.
    In a process of its own where it has workers, and with ``apart=True``: for a session that ends its
    process, burdens it, or asks what is imported.
    """
    outer = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")
    for name in (*outer, "TOOLKIT_BUILD", "TOOLKIT_PROFILE", "TOOLKIT_ENV", "CI"):
        monkeypatch.delenv(name, raising=False)

    def start(*arguments: str, beside: tuple[str, ...] = (), apart: bool = False) -> pytest.RunResult:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(["-p no:cacheprovider", *plugins(*beside)]))
        if apart or any(word.startswith("-n") and word != "-n0" for word in map(str, arguments)):
            return pytester.runpytest_subprocess(*arguments, timeout=240)
        with fresh_process():
            return pytester.runpytest_inprocess(*arguments)

    return start


@contextlib.contextmanager
def fresh_process() -> Iterator[None]:
    """Filter warnings as a process does at its start, and leave variables as they were."""
    before = dict(os.environ)
    try:
        with warnings.catch_warnings():
            warnings.resetwarnings()
            yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@pytest.fixture
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Sessions of pytest load our plugins only."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(plugins()))
    return pytester


@pytest.fixture
def active(alone: pytest.Pytester) -> Path:
    """A project that asks for the plugin by its table, without neighbours; returns its root."""
    alone.makepyprojecttoml("[tool.toolkit]\n")
    return alone.path


@pytest.fixture
def record(pytester: pytest.Pytester) -> Callable[[], RunRecord]:
    """Read the newest run of the project."""
    runs = pytester.path / ".toolkit" / "runs"  # names of the same second do not tell which came first
    return lambda: read_run(max(runs.iterdir(), key=lambda folder: folder.stat().st_mtime_ns))


@pytest.fixture
def printed_counts() -> Callable[[pytest.RunResult], dict[str, int]]:
    """Read what pytest's last line counts, with the names of ``pytest_counts``."""

    def read(result: pytest.RunResult) -> dict[str, int]:
        line = next(line for line in reversed(result.outlines) if re.search(r" in [\d.]+s", line))
        found = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", line)}
        found["errors"] = found.get("error", 0) + found.get("errors", 0)
        names = ("passed", "failed", "errors", "skipped", "xfailed", "xpassed", "deselected")
        return {name: found.get(name, 0) for name in names}

    return read
