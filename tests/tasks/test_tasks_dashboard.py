"""``invoke reports.dashboard`` as scripts call it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reports.made_dashboard import filled

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n[tool.toolkit]\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def recorded(project: Path) -> None:
    (project / ".toolkit").mkdir()
    filled(project / ".toolkit").close()


@pytest.mark.usefixtures("recorded")
def test_one_file_and_the_same_as_markdown_and_json(invoke: Run, project: Path) -> None:
    code, out, _ = invoke("reports.dashboard", "--output", "out/board.html")
    assert code == 0
    assert "out/board.html" in out
    assert {path.name for path in (project / "out").iterdir()} == {"board.html", "board.md", "board.json"}
    assert json.loads((project / "out" / "board.json").read_text())["verdict"] == "FAIL"


@pytest.mark.usefixtures("recorded")
def test_json_and_markdown_on_standard_output(invoke: Run, project: Path) -> None:
    code, out, _ = invoke("reports.dashboard", "--json")
    told = json.loads(out)
    assert (code, told["title"], told["trend"][-1]["run"]) == (0, "shop", "run-5")
    assert (project / "reports" / "dashboard.html").is_file()
    code, out, _ = invoke("reports.dashboard", "run-0", "--markdown", "--title", "Old")
    assert out.startswith("# Old\n")
    assert "What changed" not in out


@pytest.mark.usefixtures("recorded")
def test_an_unknown_run_and_a_wrong_name_are_named(invoke: Run) -> None:
    code, _, err = invoke("reports.dashboard", "run-77")
    assert (code, "run-77" in err) == (2, True)
    code, _, err = invoke("reports.dashboard", "--output", "board.txt")
    assert (code, "board.txt" in err) == (2, True)


def test_an_empty_history_is_an_error_that_says_what_to_do(invoke: Run) -> None:
    code, _, err = invoke("reports.dashboard")
    assert (code, "holds no run" in err) == (3, True)
