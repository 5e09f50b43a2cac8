"""``invoke analysis.*``: figures, trends, recommendations as a user sees them."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.history.made_runs import made_case, made_run
from toolkit.history.store import open_history

Run = Callable[..., tuple[int, str, str]]
SLOW = "tests/test_a.py::test_slow"
FLAKY = "tests/test_a.py::test_flaky"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of which one test became slower and one is flaky."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_HISTORY_URL", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    (tmp_path / "CODEOWNERS").write_text("* @ann\n", encoding="utf-8")
    with open_history(str(tmp_path / ".toolkit" / "history.sqlite")) as history:
        for index in range(24):
            run = made_run(
                index, {FLAKY: "fp" if index % 6 == 0 else "p"}, commit=f"c{index}", python="3.12.1"
            )
            slow = made_case(SLOW, "p", run.header.started, 0.5 + 2.0 * (index >= 12) + 0.01 * (index % 3))
            history.import_run(msgspec.structs.replace(run, cases=(*run.cases, slow)))
    return tmp_path


def test_figures(invoke: Run) -> None:
    code, out, _ = invoke("analysis.metrics", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["runs"]["runs"], found["runs"]["wall"], found["runs"]["late"]) == (24, 24 * 60.0, 4)
    assert [row["label"] for row in found["by_owner"]] == ["@ann"]
    assert found["slowest"][0]["label"] == SLOW
    shown = invoke("analysis.metrics")[1]
    assert "By owner" in shown
    assert "By Python" in shown
    assert json.loads(invoke("analysis.metrics", "--json", "--profile=none")[1])["runs"]["runs"] == 0


def test_a_test_that_became_slower_is_in_the_trends(invoke: Run) -> None:
    found = json.loads(invoke("analysis.trends", "--json")[1])
    (trend,) = found["tests"]
    assert (trend["label"], trend["moved"][0]["run"]) == (SLOW, "run-0012")
    shown = invoke("analysis.trends")[1]
    assert "run-0012" in shown
    assert SLOW in shown


def test_advice_names_the_test_and_the_action(invoke: Run) -> None:
    found = json.loads(invoke("analysis.advice", "--json")[1])
    assert {(one["rule"], one["subject"]) for one in found} >= {("slower", SLOW), ("flaky-chance", FLAKY)}
    assert "invoke flaky.quarantine" in invoke("analysis.advice")[1]


def test_an_empty_history_is_no_error(invoke: Run, project: Path) -> None:
    (project / ".toolkit" / "history.sqlite").unlink()
    for name in ("metrics", "trends", "advice"):
        assert invoke(f"analysis.{name}")[0] == 0
        assert invoke(f"analysis.{name}", "--json")[0] == 0
