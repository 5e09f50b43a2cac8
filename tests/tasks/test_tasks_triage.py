"""``invoke failures.explain/similar/resolve/changes/remediate`` as scripts call them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reports.made_dashboard import EPOCH, HOUR, case_of, filled
from toolkit.history.store import open_history
from toolkit.records import RunRecord, RunStarted

Run = Callable[..., tuple[int, str, str]]
KNOWN = "tests/test_cart.py::test_discount[20]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n[tool.toolkit]\n", encoding="utf-8")
    (tmp_path / ".toolkit").mkdir()
    return tmp_path


@pytest.fixture
def recorded(project: Path) -> None:
    filled(project / ".toolkit").close()


@pytest.mark.usefixtures("recorded")
def test_a_failure_is_explained_with_its_episodes(invoke: Run) -> None:
    code, out, _ = invoke("failures.explain", KNOWN, "--json")
    told = json.loads(out)
    assert (code, told["test"], told["run"], told["state"]) == (0, KNOWN, "run-5", "known")
    mine = [fix["episode"] for fix in told["fixes"] if fix["episode"]["test"] == KNOWN]
    assert [(one["first"], one["last"], one["green"]) for one in mine] == [
        ("run-4", "run-5", ""),
        ("run-1", "run-1", "run-2"),
    ]
    assert (mine[1]["bad"], mine[1]["fixed"]) == ("c1" * 10, "c2" * 10)
    code, out, _ = invoke("failures.explain", told["diagnosis"]["group"])
    assert code == 0
    assert "failed in 1 runs, run-1 to run-1; good again in run-2" in out


@pytest.mark.usefixtures("recorded")
def test_a_note_is_shown_when_the_same_comes_again(invoke: Run, project: Path) -> None:
    code, _, err = invoke("failures.resolve", KNOWN)
    assert (code, "--note is missing" in err) == (2, True)
    code, out, _ = invoke(
        "failures.resolve", KNOWN, "--note", "the tax table was old", "--commit", "abc", "--json"
    )
    assert (code, json.loads(out)["note"]) == (0, "the tax table was old")
    with (project / ".toolkit" / "resolutions.jsonl").open("ab") as stream:
        stream.write(b'{"signature": "torn')
    assert "the tax table was old (abc)" in invoke("failures.explain", KNOWN)[1]
    assert "noted" in invoke("failures.resolve", KNOWN, "--note", "again")[1]


@pytest.mark.usefixtures("recorded")
def test_similar_failures_are_listed_without_the_same(invoke: Run) -> None:
    code, out, _ = invoke("failures.similar", KNOWN, "--json")
    rows = json.loads(out)
    assert code == 0
    assert rows
    assert all(0.4 <= row["similarity"] < 1 for row in rows)
    assert [row["similarity"] for row in rows] == sorted((row["similarity"] for row in rows), reverse=True)
    assert rows[0]["signature"] in invoke("failures.similar", KNOWN)[1]
    code, _, err = invoke("failures.similar", "tests/no.py::such")
    assert (code, "no test, signature or group" in err) == (2, True)


@pytest.mark.usefixtures("recorded")
def test_changes_are_listed_worst_first(invoke: Run) -> None:
    code, out, _ = invoke("failures.changes", "--json")
    states = [row["state"] for row in json.loads(out)]
    assert (code, states[0], states[-1]) == (0, "new", "fixed")
    assert "regressed" in invoke("failures.changes", "--run", "run-5")[1]
    assert invoke("failures.changes", "--run", "run-99")[0] == 2


def test_the_commits_and_files_that_ended_a_failure_are_named(invoke: Run, project: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], cwd=project, check=True)
    commits = []
    for index, text in enumerate(("broken", "mended")):
        (project / "cart.py").write_text(text)
        subprocess.run([*git, "add", "cart.py"], cwd=project, check=True)
        subprocess.run([*git, "commit", "-qm", f"{text} the cart"], cwd=project, check=True)
        found = subprocess.run(
            [*git, "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True
        )
        commits.append(found.stdout.strip())
        case = case_of(KNOWN, "fp"[index], index, 0)
        header = RunStarted(run=f"r{index}", started=EPOCH + index * HOUR, profile="unit", commit=commits[-1])
        with open_history(str(project / ".toolkit" / "history.sqlite")) as history:
            history.import_run(RunRecord(header=header, cases=(case,), finished=header.started + 1))
    (fix,) = json.loads(invoke("failures.explain", KNOWN, "--json")[1])["fixes"]
    assert fix["files"] == ["cart.py"]
    assert [line.partition(" ")[2] for line in fix["commits"]] == ["mended the cart"]
    assert "files: cart.py" in invoke("failures.explain", KNOWN)[1]


@pytest.mark.usefixtures("recorded")
def test_nothing_is_done_unless_told_and_what_fails_is_exit_code_1(invoke: Run, project: Path) -> None:
    """The made run's server is nobody's: it is suggested to restart it, and refused."""
    code, out, _ = invoke("failures.remediate", "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["groups"], told["outcomes"], told["dry_run"]) == (0, 6, [], True)
    assert told["suggestions"][0]["remedy"] == "restart-service"
    assert told["suggestions"][0]["count"] == 6
    code, out, err = invoke("failures.remediate")
    assert (code, "restart-service (automatic)" in out, "add --yes" in err) == (0, True, True)
    code, out, err = invoke("failures.remediate", "--yes")
    assert (code, "did not help" in out, "not everything" in err) == (1, True, True)
    assert "restart-service" in (project / ".toolkit" / "remedies.jsonl").read_text()
    assert invoke("failures.remediate", "--only", "clear-cache", "--yes")[0] == 2
    assert invoke("failures.remediate", "--run", "run-99")[0] == 2
    assert json.loads(invoke("failures.remediate", "--run", "run-0", "--json")[1])["suggestions"] == []


def test_an_answer_decides_where_somebody_can_be_asked(
    invoke: Run, recorded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert invoke("failures.remediate")[0] == 0
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert invoke("failures.remediate")[0] == 1


def test_an_empty_history_is_an_error(invoke: Run) -> None:
    assert invoke("failures.remediate")[0] == 3
