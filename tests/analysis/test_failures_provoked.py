"""A hundred real failures in one real run: category and best cause of each."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.analysis.failures import classify_all
from toolkit.junit.reading import read_cases

PROVOKED = Path(__file__).parents[1] / "data" / "provoked" / "provoked_failures.py"
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


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """The JUnit file of a run in which everything fails."""
    shutil.copy(PROVOKED, tmp_path / "test_provoked.py")
    (tmp_path / "conftest.py").write_text(_TELL, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *OPTIONS, f"--junitxml={tmp_path / 'junit.xml'}"]
    # Not measured: what is provoked is deep and slow enough without a tracer in it.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, timeout=240, check=False)
    return tmp_path / "junit.xml"


_TELL = """
import json

def pytest_collection_finish(session):
    told = session.items and session.items[0].module.EXPECTED
    if told:
        (session.config.rootpath / "expected.json").write_text(json.dumps(told))
"""


def test_real_failures_are_told_apart(report: Path) -> None:
    """At least 95 of 100 categories and 85 of 100 best causes are right; so are all that were provoked."""
    expected = json.loads((report.parent / "expected.json").read_text("utf-8"))
    cases = [case for case in read_cases(report) if case.outcome.bad]
    found = classify_all((case.failures, case.outcome) for case in cases)
    wrong, poor = [], []
    for case, diagnosis in zip(cases, found, strict=True):
        category, word = expected[case.name]
        if diagnosis.category != category:
            wrong.append((case.name, category, diagnosis.causes))
        elif word not in diagnosis.cause.cause:
            poor.append((case.name, word, diagnosis.causes))
    assert {case.name for case in cases} == set(expected)
    assert len(expected) >= 100
    assert len(wrong) <= 0.05 * len(cases), wrong
    assert len(wrong) + len(poor) <= 0.15 * len(cases), poor
