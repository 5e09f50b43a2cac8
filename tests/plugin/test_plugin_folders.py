"""Tests get the marker of their folder, unless they bear one of a kind."""

from pathlib import Path

import pytest

from tests.plugin.conftest import Run
from toolkit.plugin.folders import marker_of

FOLDERS = """
[tool.toolkit]
folders = {"tests" = "unit", "tests/db" = "integration", "tests/db/late" = "slow"}
"""


@pytest.fixture
def foldered(pytester: pytest.Pytester, active: Path) -> Path:
    pytester.makepyprojecttoml(FOLDERS)
    for folder in ("tests", "tests/db", "tests/db/late"):
        (active / folder).mkdir(parents=True, exist_ok=True)
        name = folder.replace("/", "_")
        text = f"import pytest\ndef test_{name}(): pass\n@pytest.mark.e2e\ndef test_{name}_told(): pass\n"
        (active / folder / f"test_in_{name}.py").write_text(text)
    return active


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("unit", {"test_tests"}),
        ("integration", {"test_tests_db"}),
        ("slow", {"test_tests_db_late", "test_tests_db_late_told"}),
        ("e2e", {"test_tests_told", "test_tests_db_told", "test_tests_db_late_told"}),
    ],
)
def test_folders_mark_what_bears_no_marker_of_a_kind(
    foldered: Path, pytester: pytest.Pytester, expression: str, chosen: set[str]
) -> None:
    result = pytester.runpytest_inprocess("-m", expression, "--collect-only", "-q")
    names = {line.rsplit("::", maxsplit=1)[-1] for line in result.outlines if "::" in line}
    assert names == chosen


def test_workers_mark_as_well(foldered: Path, run: Run) -> None:
    run("-m", "integration", "-n", "2").assert_outcomes(passed=1)


def test_a_folder_that_does_not_exist_is_told(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyprojecttoml('[tool.toolkit]\nfolders = {"tests/gone" = "unit"}\n')
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*tool.toolkit.folders: 'tests/gone' does not exist*"])


def test_the_innermost_folder_decides() -> None:
    root = Path("/p")
    folders = (("tests", "unit"), ("tests/db", "integration"))
    assert marker_of(root / "tests" / "db" / "x", root, folders) == "integration"
    assert marker_of(root / "tests" / "dbx", root, folders) == "unit"
    assert marker_of(root / "src", root, folders) is None
