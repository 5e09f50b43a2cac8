"""What scripts rely on: names, JSON, exit codes of ``invoke history.*``."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.history.made_runs import made_run
from tests.history.test_history_imports import JUNIT
from tests.history.test_history_survival import write_journal
from toolkit.history.store import open_history

A = "tests/test_a.py::test_a[x y]"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three recorded runs that nobody has imported yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_HISTORY_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    for index, outcomes in enumerate([{A: "p"}, {A: "fp", "b.py::b": "s"}, {A: "f"}]):
        write_journal(
            tmp_path / ".toolkit" / "runs" / f"run-000{index}", made_run(index, outcomes, commit="abc")
        )
    return tmp_path


def test_recorded_runs_are_listed_although_nobody_imported_them(invoke: Run) -> None:
    code, out, _ = invoke("history.runs", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["run"] for row in rows] == ["run-0002", "run-0001", "run-0000"]
    assert (rows[1]["tests"], rows[1]["flaky"], rows[1]["skipped"], rows[0]["failed"]) == (2, 1, 1, 1)


def test_runs_can_be_chosen(invoke: Run) -> None:
    assert json.loads(invoke("history.runs", "--json", "--limit", "1")[1])[0]["run"] == "run-0002"
    assert json.loads(invoke("history.runs", "--json", "--profile", "none", "--limit=0")[1]) == []
    assert "run-0001" in invoke("history.runs", "--commit", "abc")[1]


def test_the_results_of_a_test(invoke: Run) -> None:
    code, out, _ = invoke("history.test", A, "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["outcome"] for row in found["results"]] == ["failed", "passed", "passed"]
    assert [len(row["attempts"]) for row in found["results"]] == [1, 2, 1]
    assert found["failures"][0]["failure"]["exception"] == "builtins.AssertionError"
    shown = invoke("history.test", A)[1]
    assert "passed (flaky)" in shown
    assert "assert 1 == 2" in shown
    assert A in shown


def test_an_unknown_test_is_an_error_that_names_near_ones(invoke: Run) -> None:
    code, _, err = invoke("history.test", "tests/test_a.py::test_b[x y]")
    assert code == 2
    assert f"did you mean {A}?" in err
    assert "did you mean b.py::b?" in invoke("history.test", "b.py")[2]
    assert "pass a node id" in invoke("history.test", "zzz")[2]


def test_the_state_of_the_history(invoke: Run) -> None:
    found = json.loads(invoke("history.show", "--json")[1])
    assert (found["totals"]["runs"], found["totals"]["tests"]) == (3, 2)
    assert found["slowest"][0]["test"] == A
    assert "3 runs, 2 tests, 5 attempts" in invoke("history.show")[1]


def test_import_takes_any_number_of_paths_and_names_bad_ones(invoke: Run, project: Path) -> None:
    (project / "good.xml").write_text(JUNIT)
    (project / "bad.xml").write_text("<testsuite><testcase name='a'")
    code, out, err = invoke("history.import", "good.xml", "bad.xml", ".toolkit/runs", "--json")
    done = json.loads(out)
    assert code == 3
    assert len(done["new"]) == 4
    assert done["unreadable"][0]["path"] == "bad.xml"
    assert "1 of the inputs could not be read" in err
    code, out, _ = invoke("history.import", "good.xml")
    assert (code, out) == (0, "0 runs taken in, 1 were there already\n")
    assert "not read: bad.xml: " in invoke("history.import", "bad.xml")[1]


def test_import_without_or_with_wrong_paths(invoke: Run) -> None:
    assert invoke("history.import")[0] == 2
    code, _, err = invoke("history.import", "nowhere.xml")
    assert code == 3
    assert "nowhere.xml: no such file or folder" in err


def test_export_and_import_on_another_machine(invoke: Run, project: Path) -> None:
    assert invoke("history.export", "out/all.jsonl.gz")[1] == "out/all.jsonl.gz: 3 runs\n"
    (project / ".toolkit").rename(project / "other-machine")
    code, out, _ = invoke("history.import", "out/all.jsonl.gz", "--json")
    assert (code, len(json.loads(out)["new"])) == (0, 3)
    assert len(json.loads(invoke("history.runs", "--json")[1])) == 3


def test_prune_shows_first_and_removes_then(invoke: Run) -> None:
    assert "2 runs with 3 results would be removed" in invoke("history.prune", "--keep", "1", "--dry-run")[1]
    assert "2 runs with 3 results removed" in invoke("history.prune", "--keep", "1")[1]
    assert json.loads(invoke("history.prune", "--days", "1", "--json")[1])["runs"] == ["run-0002"]
    assert json.loads(invoke("history.runs", "--json")[1]) == []
    code, _, err = invoke("history.prune")
    assert code == 2
    assert "--days or --keep" in err


def test_check_says_sound_or_names_the_damage(invoke: Run, project: Path) -> None:
    invoke("history.runs")
    assert "sound" in invoke("history.check")[1]
    with open_history(str(project / ".toolkit" / "history.sqlite")) as history:
        history.database.rows("DELETE FROM texts")
    code, out, err = invoke("history.check", "--json")
    assert code == 3
    assert len(json.loads(out)["problems"]) == 2
    assert "the history is damaged: 2 problems" in err
    assert "failures whose message is lost" in invoke("history.check")[1]


def test_a_damaged_history_is_one_message_and_code_3(invoke: Run, project: Path) -> None:
    (project / ".toolkit" / "history.sqlite").write_bytes(b"rubbish" * 1000)
    code, _, err = invoke("history.runs")
    assert code == 3
    assert "the history is damaged" in err
    assert "Traceback" not in err


def test_every_task_and_option_has_help(invoke: Run) -> None:
    out = invoke("--list")[1]
    for name in ("show", "runs", "test", "import", "export", "prune", "check"):
        assert f"history.{name} " in out
        assert "Options:" in invoke("--help", f"history.{name}")[1]


def test_the_pages_show_commands_and_options_that_exist(invoke: Run) -> None:
    """Every option in the how-to and the reference is an option of its task."""
    docs = Path(__file__).parents[2] / "docs"
    text = "".join(
        (docs / kind / "history.md").read_text(encoding="utf-8") for kind in ("how-to", "reference")
    )
    shown = re.findall(r"(history\.(?:show|runs|test|import|export|prune|check)\b)([^\n`]*)", text)
    assert len(shown) > 15
    for name, rest in shown:
        options = re.findall(r"--[a-z-]+", rest)
        told = invoke("--help", name)[1] if options else ""
        assert [option for option in options if option not in told] == [], name
