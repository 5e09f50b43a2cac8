"""Recovery times of chaos tests are in every report."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from toolkit.chaos.experiments import Recovery
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted
from toolkit.reports.recoveries import MOST, recoveries_of_runs
from toolkit.reports.writing import write_reports


def run_of(*measures: dict[str, float]) -> RunRecord:
    """Each one a test; it failed first, without having measured anything."""
    cases = [
        CaseResult(
            test=NodeId(f"tests/chaos/test_it.py::test_{place}"),
            attempts=(
                Attempt(test=NodeId("x"), outcome=Outcome.FAILED, duration=1.0),
                Attempt(test=NodeId("x"), number=2, outcome=Outcome.PASSED, duration=1.0, measures=each),
            ),
        )
        for place, each in enumerate(measures)
    ]
    return RunRecord(
        header=RunStarted(run="r", started=1.0, profile="chaos"), cases=tuple(cases), finished=2.0
    )


def recovery(action: str, service: str, seconds: float) -> dict[str, float]:
    """What the fixture records."""
    made = Recovery(action=action, service=service, lasted=1.0, answered=seconds / 2, recovered=seconds)
    return made.measures


def test_every_report_has_them_the_slowest_first(tmp_path: Path) -> None:
    """JSON, Markdown and the data of the page, with the name of the test."""
    run = run_of(
        recovery("kill", "message_queue", 4.5) | {"wall_s": 3.0},
        recovery("pause", "api", 0.25) | recovery("restart", "nats", 9.0),
        {},
    )
    write_reports([run], tmp_path)
    rows = json.loads((tmp_path / "summary.json").read_text())["recoveries"]
    told = [(row["action"], row["service"], row["answered"], row["recovered"]) for row in rows]
    assert told == [
        ("restart", "nats", 4.5, 9.0),
        ("kill", "message_queue", 2.25, 4.5),
        ("pause", "api", 0.125, 0.25),
    ]
    text = (tmp_path / "summary.md").read_text()
    assert "## Recovery from faults" in text
    assert r"| kill | message\_queue | 2.2 s | 4.5 s | `tests/chaos/test_it.py::test_0` |" in text
    assert '"recoveries":[{"test":"tests/chaos/test_it.py::test_1","action":"restart"' in (
        tmp_path / "report.html"
    ).read_text(encoding="utf-8")


def test_without_chaos_there_is_no_such_section(tmp_path: Path) -> None:
    write_reports([run_of({"wall_s": 1.0})], tmp_path)
    assert "Recovery" not in (tmp_path / "summary.md").read_text()


def test_many_are_cut(tmp_path: Path) -> None:
    """The slowest are kept, and Markdown says how many more there are."""
    run = run_of(*(recovery("kill", "api", float(place)) for place in range(1, MOST + 11)))
    assert [row.recovered for row in recoveries_of_runs([run])] == [
        float(place) for place in range(MOST + 10, 10, -1)
    ]
    write_reports([run], tmp_path)
    assert f"… and {MOST - 25} faster ones" in (tmp_path / "summary.md").read_text()


@given(st.dictionaries(st.from_regex(r"(chaos\.)?[a-z_.]{0,20}", fullmatch=True), st.floats(0, 9)))
def test_whatever_else_tests_measure_is_no_recovery(measures: dict[str, float]) -> None:
    """A name that only looks like one is left out."""
    complete = {
        name.removesuffix(".answered_s")
        for name in measures
        if name.endswith(".answered_s") and f"{name.removesuffix('.answered_s')}.recovered_s" in measures
    }
    assert len(recoveries_of_runs([run_of(measures)])) <= len(complete)
