"""``invoke flaky.*``: names, JSON and exit codes that scripts rely on."""

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.history.made_runs import made_run
from toolkit.analysis.quarantine import parse_quarantine
from toolkit.history.store import open_history

Run = Callable[..., tuple[int, str, str]]
FLAKY = "test_a.py::test_flaky"
GOOD = "test_a.py::test_good[1]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a flaky test, a suspect and a good one in its history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_HISTORY_URL", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit.flaky]\ncap = 2\n", encoding="utf-8")
    with open_history(str(tmp_path / ".toolkit" / "history.sqlite")) as history:
        for index in range(40):
            outcomes = {FLAKY: "fp" if index % 6 == 0 else "p", GOOD: "p"}
            outcomes |= {"test_a.py::test_young": "fp" if index == 39 else "p"} if index > 34 else {}
            history.import_run(made_run(index, outcomes, commit=f"c{index // 3}"))
    return tmp_path


def quarantined(project: Path) -> list[str]:
    file = project / "quarantine.toml"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [entry.id for entry in parse_quarantine(text, "q")]


def test_list(invoke: Run) -> None:
    code, out, _ = invoke("flaky.list", "--json")
    (row,) = json.loads(out)
    assert code == 0
    assert (row["flaky"]["test"], row["flaky"]["state"], row["quarantine"]) == (FLAKY, "flaky", None)
    assert row["flaky"]["low"] < row["flaky"]["rate"] < row["flaky"]["high"]
    assert row["flaky"]["last"] == "PpppppPppp"
    assert len(json.loads(invoke("flaky.list", "--json", "--suspects")[1])) == 2
    shown = invoke("flaky.list")[1]
    assert FLAKY in shown
    assert "1 suspects more" in shown


def test_show(invoke: Run) -> None:
    found = json.loads(invoke("flaky.show", FLAKY, "--json")[1])
    assert found["verdict"]["proofs"] == 7
    assert found["codes"][0] == {"code": "c0", "results": ["passed (tries differ)", "passed", "passed"]}
    assert "flaky (chance)" in invoke("flaky.show", FLAKY)[1]
    assert "nothing speaks" in invoke("flaky.show", GOOD)[1]
    code, _, err = invoke("flaky.show", "test_a.py::test_flake")
    assert code == 2
    assert f"did you mean {FLAKY}" in err


def test_quarantine_and_release(invoke: Run, project: Path) -> None:
    given = ("--owner=@me", "--reason", 'it is "late"')
    assert invoke("flaky.quarantine", FLAKY)[0] == 2
    assert "[[test]]" in invoke("flaky.quarantine", FLAKY, *given, "--dry-run")[1]
    assert quarantined(project) == []
    assert invoke("flaky.quarantine", FLAKY, *given, "--days=3", "--issue=#7")[0] == 0
    (entry,) = parse_quarantine((project / "quarantine.toml").read_text(encoding="utf-8"), "q")
    assert (entry.reason, entry.issue, entry.expires - entry.since) == ('it is "late"', "#7", dt.timedelta(3))
    code, _, err = invoke("flaky.quarantine", FLAKY, *given)
    assert (code, "already" in err) == (2, True)
    assert invoke("flaky.quarantine", "test_a.py::test_gone", *given)[0] == 2
    assert invoke("flaky.quarantine", "test_a.py::test_good", *given)[0] == 0, "all its parameters"
    code, _, err = invoke("flaky.quarantine", GOOD, *given)
    assert (code, "at most 2" in err) == (2, True)
    assert json.loads(invoke("flaky.list", "--json")[1])[0]["quarantine"]["owner"] == "@me"
    assert "until" in invoke("flaky.list")[1]
    assert invoke("flaky.release", FLAKY)[0] == 0
    assert quarantined(project) == ["test_a.py::test_good"]
    code, _, err = invoke("flaky.release", FLAKY)
    assert (code, "in it: test_a.py::test_good" in err) == (2, True)
    assert invoke("flaky.release")[0] == 2


ENTRY = '[[test]]\nid = "{}"\nowner = "@me"\nreason = "r"\nsince = 2020-01-01\nexpires = {}\n\n'


def test_check_and_what_is_stable_again(invoke: Run, project: Path) -> None:
    file = project / "quarantine.toml"
    file.write_text(ENTRY.format(FLAKY, "2999-01-01") + ENTRY.format(GOOD, "2999-01-01"), encoding="utf-8")
    code, out, _ = invoke("flaky.check", "--json")
    found = json.loads(out)
    assert (code, found["problems"]) == (0, [])
    assert [one["stable"] for one in found["entries"]] == [False, True]
    assert "invoke flaky.release --stable" in invoke("flaky.check")[1]
    told = json.loads(invoke("flaky.release", "--stable", "--json", "--dry-run")[1])
    assert told == {"released": [GOOD], "dry_run": True}
    assert quarantined(project) == [FLAKY, GOOD]
    assert invoke("flaky.release", "--stable")[0] == 0
    assert quarantined(project) == [FLAKY]
    assert "no test is stable" in invoke("flaky.release", "--stable")[1]
    file.write_text(ENTRY.format(FLAKY, "2020-01-02") + ENTRY.format("gone", "2999-01-01"), encoding="utf-8")
    code, out, err = invoke("flaky.check")
    assert (code, "2 problems" in err) == (1, True)
    assert "expired on 2020-01-02" in out
    file.write_text("[[test", encoding="utf-8")
    assert invoke("flaky.check")[0] == 3


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_confirm(invoke: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flaky after both outcomes, stable after enough passes, broken after enough failures."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the others cost 0.6 s a run
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p xdist -p toolkit")
    (project / "test_a.py").write_text(
        "import pathlib, pytest\n"
        "def test_flaky():\n"
        "    file = pathlib.Path('count')\n"
        "    count = int(file.read_text()) + 1 if file.exists() else 1\n"
        "    file.write_text(str(count))\n"
        "    assert count != 2\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "def test_skip(): pytest.skip('no server')\n",
        encoding="utf-8",
    )
    words = ("--json", f"--python={sys.executable}", "--rate=0.4")
    code, out, _ = invoke("flaky.confirm", FLAKY, *words)
    assert (code, json.loads(out)["verdict"]) == (1, "flaky")
    code, out, _ = invoke("flaky.confirm", "test_a.py::test_good", *words)
    found = json.loads(out)
    assert (code, found["verdict"], found["passed"]) == (0, "stable", 6)
    assert found["reached"] >= 0.95
    code, out, _ = invoke("flaky.confirm", "test_a.py::test_bad", *words[1:], "--confidence=0.6", "--fresh")
    assert code == 1
    assert "broken: failed all of 2 tries" in out
    code, _, err = invoke("flaky.confirm", "test_a.py::test_skip", *words)
    assert (code, "no server" in err) == (4, True)
    assert invoke("flaky.confirm", FLAKY, "--rate=2")[0] == 2
    assert not list(project.glob(".toolkit/runs/*")), "trials leave no trace in the history"


def test_a_quarantine_that_cannot_be_written_is_an_error_with_a_name(invoke: Run, project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.toolkit.flaky]\nquarantine = "pyproject.toml/quarantine.toml"\n', encoding="utf-8"
    )
    code, _, err = invoke("flaky.quarantine", FLAKY, "--owner=@me", "--reason=late")
    assert code == 1
    assert "quarantine.toml: cannot be written" in err
