"""Real pytest sessions of small projects, in processes of their own."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.journal import read_run
from toolkit.records import RunRecord

NEIGHBOURS = (
    "anyio",
    "asyncio",
    "benchmark",
    "cov",
    "hypothesispytest",
    "randomly",
    "rerunfailures",
    "timeout",
)
"""Entry points of other plugins that are installed for these tests; off unless a test asks for one."""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in the project; ``beside=("timeout",)`` lets those neighbours take part."""
    outer = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")
    for name in (*outer, "TOOLKIT_BUILD", "TOOLKIT_PROFILE", "TOOLKIT_ENV", "CI"):
        monkeypatch.delenv(name, raising=False)

    def start(*arguments: str, beside: tuple[str, ...] = ()) -> pytest.RunResult:
        off = [f"-p no:{name}" for name in NEIGHBOURS if name not in beside]
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(["-p no:cacheprovider", *off]))
        return pytester.runpytest_subprocess(*arguments)

    return start


@pytest.fixture
def active(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that asks for the plugin by its table, without neighbours; returns its root."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in NEIGHBOURS))
    pytester.makepyprojecttoml("[tool.toolkit]\n")
    return pytester.path


@pytest.fixture
def record(pytester: pytest.Pytester) -> Callable[[], RunRecord]:
    """Read the newest run of the project."""
    return lambda: read_run(max((pytester.path / ".toolkit" / "runs").iterdir()))


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
