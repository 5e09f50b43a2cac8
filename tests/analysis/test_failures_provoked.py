"""Real failures in real runs, judged by what was provoked: category and best cause of each."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.analysis.failures import classify_all
from toolkit.junit.reading import read_cases

PROVOKED = Path(__file__).parents[1] / "data" / "provoked"
OPTIONS = [
    "-q",
    "-n1",
    "--max-worker-restart=5",
    "--timeout=60",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:toolkit",
    "-p",
    "no:randomly",
    # CPython 3.11 may lose count of its parser's depth after a recursion error ("AST constructor recursion
    # depth mismatch"), and pytest parses the source to show a failure in its own style.
    *(["--tb=native"] if sys.version_info < (3, 12) else []),
]

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="provoked by means of Linux: /dev/full, limits, signals"
    ),
]


Judged = tuple[str, str]
"""The categories a judge accepts, with ``|`` between, and a pattern that a right best cause matches."""


def provoke(corpus: str, folder: Path, urls: dict[str, str]) -> tuple[Path, dict[str, Judged]]:
    """Run a file in which everything fails; return its JUnit report and what was provoked in each test."""
    shutil.copy(PROVOKED / corpus, folder / "test_provoked.py")
    (folder / "conftest.py").write_text(_TELL, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *OPTIONS, f"--junitxml={folder / 'junit.xml'}"]
    # Not measured: what is provoked is deep and slow enough without a tracer in it.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    subprocess.run(command, cwd=folder, env=environ | urls, capture_output=True, timeout=240, check=False)
    return folder / "junit.xml", json.loads((folder / "expected.json").read_text("utf-8"))


_TELL = """
import json

def pytest_collection_finish(session):
    told = session.items and session.items[0].module.EXPECTED
    if told:
        (session.config.rootpath / "expected.json").write_text(json.dumps(told))
"""


def judge(report: Path, expected: dict[str, Judged]) -> None:
    """Print both accuracies; fail below 95 % of the categories and 85 % of the best causes."""
    cases = [case for case in read_cases(report) if case.outcome.bad]
    found = classify_all((case.failures, case.outcome) for case in cases)
    wrong, poor = [], []
    for case, diagnosis in zip(cases, found, strict=True):
        categories, pattern = expected[case.name]
        if diagnosis.category not in categories.split("|"):
            wrong.append((case.name, categories, diagnosis.category, diagnosis.causes))
        if diagnosis.category not in categories.split("|") or not re.search(
            pattern, diagnosis.cause.cause, re.IGNORECASE
        ):
            poor.append((case.name, pattern, diagnosis.causes))
    right, best = 1 - len(wrong) / len(cases), 1 - len(poor) / len(cases)
    told = f"{len(cases)} failures: category right {right:.1%}, top cause right {best:.1%}"
    print("", told, *(f"  not right: {one}" for one in (*wrong, *poor)), sep="\n")  # noqa: T201 - seen with -s
    assert {case.name for case in cases} == set(expected)
    assert right >= 0.95, wrong
    assert best >= 0.85, poor


def test_real_failures_are_told_apart(tmp_path: Path) -> None:
    """A hundred failures that the rules were made with."""
    report, expected = provoke("provoked_failures.py", tmp_path, {})
    assert len(expected) >= 100
    judge(report, expected)


@pytest.mark.parametrize("real_urls", ["embedded"], indirect=True)
def test_failures_that_the_rules_were_not_made_with(tmp_path: Path, real_urls: dict[str, str]) -> None:
    """Seventy more, provoked and judged before anybody looked at a rule; a third by real servers."""
    report, expected = provoke("provoked_servers.py", tmp_path, real_urls)
    assert len(expected) >= 70
    judge(report, expected)
