"""What scripts rely on: names, JSON, exit codes of ``invoke failures.*``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.history.store import open_history
from toolkit.records import Attempt, CaseResult, Failure, NodeId, Outcome, RunRecord, RunStarted

Run = Callable[..., tuple[int, str, str]]

REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"
REPORT = f"""<testsuites><testsuite name="pytest">
<testcase classname="tests.test_a" name="test_good"/>
<testcase classname="tests.test_a" name="test_one"><failure
 message="{REFUSED}">E   {REFUSED}</failure></testcase>
<testcase classname="tests.test_a" name="test_two"><error
 message='failed on setup with "{REFUSED}"'>E   {REFUSED}</error></testcase>
<testcase classname="tests.test_b" name="test_wrong"><failure
 message="assert 503 == 200">E   assert 503 == 200
</failure></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_HISTORY_URL", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "junit.xml").write_text(REPORT, encoding="utf-8")
    return tmp_path


def test_every_failing_case_is_classified_and_grouped(invoke: Run) -> None:
    code, out, _ = invoke("failures.classify", "reports", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [(row["classname"], row["name"], row["category"]) for row in rows] == [
        ("tests.test_a", "test_one", "connectivity"),
        ("tests.test_a", "test_two", "connectivity"),
        ("tests.test_b", "test_wrong", "assertion"),
    ]
    assert {row["file"] for row in rows} == {"reports/junit.xml"}
    assert rows[0]["group"] == rows[1]["group"] != rows[2]["group"]
    assert set(rows[0]) == {"file", "classname", "name", "category", "causes", "group"}
    assert set(rows[0]["causes"][0]) == {"cause", "confidence", "evidence"}
    assert rows[0]["causes"][0]["evidence"] == REFUSED


def test_a_file_that_cannot_be_read_is_exit_3_and_the_others_are_classified(
    invoke: Run, project: Path
) -> None:
    (project / "reports" / "torn.xml").write_text(REPORT[:200], encoding="utf-8")
    (project / "reports" / "coverage.xml").write_text("<coverage/>", encoding="utf-8")
    code, out, err = invoke("failures.classify", "--json", "reports", "nowhere.xml")
    assert code == 3
    assert len(json.loads(out)) == 3
    assert "torn.xml" in err
    assert "nowhere.xml" in err
    assert "coverage.xml" not in err


def test_no_path_is_a_usage_error(invoke: Run) -> None:
    assert invoke("failures.classify")[0] == 2


def test_people_see_groups(invoke: Run) -> None:
    code, out, _ = invoke("failures.classify", "reports/junit.xml")
    assert code == 0
    assert "3 failing tests, 2 causes" in out
    assert "2 tests, connectivity: the connection was refused" in out


def test_a_test_that_passed_at_last_is_not_listed(invoke: Run, project: Path) -> None:
    again = REPORT.replace(
        'name="test_good"/>', 'name="test_good"/>\n<testcase classname="tests.test_a" name="x"/>'
    )
    flaky = again.replace(
        "</testsuite></testsuites>",
        '<testcase classname="tests.test_a" name="test_one"/></testsuite></testsuites>',
    )
    (project / "reports" / "junit.xml").write_text(flaky, encoding="utf-8")
    rows = json.loads(invoke("failures.classify", "reports", "--json")[1])
    assert [row["name"] for row in rows] == ["test_two", "test_wrong"]


def recorded(number: int) -> CaseResult:
    test = NodeId(f"tests/test_a.py::test_{number}")
    failure = Failure(
        phase="call", exception="builtins.ConnectionRefusedError", message="[Errno 111] Connection refused"
    )
    attempt = Attempt(test=test, outcome=Outcome.FAILED, started=100.0 + number, failures=(failure,))
    return CaseResult(test=test, attempts=(attempt,))


@pytest.fixture
def history(project: Path) -> None:
    """Five tests that failed of one server."""
    with open_history(str(project / ".toolkit" / "history.sqlite")) as opened:
        record = RunRecord(
            header=RunStarted(run="run-1", started=100.0),
            cases=tuple(map(recorded, range(5))),
            finished=200.0,
        )
        assert opened.import_run(record)


@pytest.mark.usefixtures("history")
def test_the_newest_run_is_explained_with_its_outage(invoke: Run) -> None:
    code, out, _ = invoke("failures.list", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["outage"] for row in rows] == [True] * 5
    assert len({row["group"] for row in rows}) == 1
    assert "5 of them came of an outage" in invoke("failures.list", "--run", "run-1")[1]


@pytest.mark.usefixtures("history")
def test_one_test_is_explained(invoke: Run) -> None:
    test = "tests/test_a.py::test_1"
    rows = json.loads(invoke("failures.show", test, "--json")[1])
    assert [(row["test"], row["category"]) for row in rows] == [(test, "connectivity")]
    assert "Connection refused" in invoke("failures.show", test)[1]
    assert invoke("failures.show", "nowhere.py::x")[0] == 2


def test_an_empty_history_is_no_error(invoke: Run) -> None:
    code, out, _ = invoke("failures.list", "--json")
    assert (code, json.loads(out)) == (0, [])
