"""Coverage of several profiles becomes one report, with the figure of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.reports.coverage import REMEMBERED, combine_coverage, find_data


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A module of which each of two runs executes another half."""
    (tmp_path / "halves.py").write_text(
        "import sys\n\nif sys.argv[1] == 'left':\n    a = 1\n    b = 2\nelse:\n    c = 3\n    d = 4\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.coverage.run]\nbranch = true\n")
    return tmp_path


def run(project: Path, half: str) -> Path:
    """Measure one run in a process of its own."""
    folder = project / half
    data = folder / "coverage" / ".coverage"
    data.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "coverage", "run", "-p", f"--data-file={data}", "halves.py", half]
    subprocess.run(command, cwd=project, check=True)
    return folder


def test_halves_make_a_whole(project: Path) -> None:
    groups = {half: find_data(run(project, half)) for half in ("left", "right")}
    report = combine_coverage(groups, project / "reports", root=project)
    assert [measure.name for measure in report.profiles] == ["left", "right"]
    assert all(measure.percent < 70 for measure in report.profiles)
    assert report.total.percent == 100
    assert report.total.branches == 2
    assert list(report.lines())[-1] == "all: 100.0 % of 6 statements"
    written = {path.name for path in (project / "reports").iterdir()}
    assert written == {".coverage", "coverage.xml", "coverage.json", "coverage.txt", "coverage"}
    assert json.loads((project / "reports/coverage.json").read_text())["totals"]["percent_covered"] == 100
    assert (project / "reports/coverage/index.html").is_file()
    assert "100%" in (project / "reports/coverage.txt").read_text()
    assert all(path.is_file() for files in groups.values() for path in files), "data is not consumed"


def test_a_second_report_replaces_the_first(project: Path) -> None:
    left = find_data(run(project, "left"))
    for _ in range(2):
        combine_coverage({"left": left}, project / "reports", root=project)
    assert not list((project / "reports").glob(".coverage-*"))
    assert not list((project / "reports").glob("*.old"))


def test_damaged_data_is_named_and_the_rest_counts(project: Path) -> None:
    """A data file cut off by a kill is no reason to lose the others, and not lost in silence."""
    left = find_data(run(project, "left"))
    torn = project / "torn.coverage"
    torn.write_bytes(left[0].read_bytes()[:100])
    report = combine_coverage(
        {"left": [*left, torn], "gone": [project / "nothing"]}, project / "reports", root=project
    )
    assert [measure.name for measure in report.profiles] == ["left"]
    assert len(report.problems) == 2
    assert "torn.coverage" in report.problems[0]
    assert any(line.startswith("not counted: ") for line in report.lines())


def test_no_data_is_an_error(project: Path) -> None:
    with pytest.raises(InputError, match="no data file was written"):
        combine_coverage({"unit": ()}, project / "reports", root=project)
    (project / "torn").write_bytes(b"SQLite format 3\x00 torn")
    with pytest.raises(InputError, match="torn"):
        combine_coverage({"unit": [project / "torn"]}, project / "reports", root=project)


def test_what_is_only_remembered_is_marked(project: Path) -> None:
    """Lines that a left-out test would execute count, and every report says which they are."""
    from coverage import CoverageData

    left = run(project, "left")
    code = str(project / "halves.py")
    data = CoverageData(basename=str(left / "coverage" / ".coverage.kept"))
    data.set_context(f"left|{REMEMBERED}")
    data.add_arcs({code: [(-1, 1), (1, 3), (3, 7), (7, 8), (8, -1)]})
    data.write()
    data.close()
    report = combine_coverage({"left": find_data(left)}, project / "reports", root=project)
    assert report.total.percent == 100
    assert report.remembered == 2
    assert list(report.lines())[-1] == "of these, 2 lines are remembered: only left-out tests execute them"
    assert "halves.py: 7, 8\n" in (project / "reports/coverage.txt").read_text()
    told = json.loads((project / "reports/coverage.json").read_text())
    assert told["files"]["halves.py"]["contexts"]["7"] == [f"left|{REMEMBERED}"]
    assert any(REMEMBERED in page.read_text() for page in (project / "reports/coverage").glob("*halves*"))
