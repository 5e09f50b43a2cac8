"""The formats of the report: each says what failed, is valid, and is inert whatever things are called."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.gates.checking import failed_checks, status_line
from toolkit.gates.schema import FILE, schema_text
from toolkit.gates.verdicts import Check, Finding, Report, Severity, Status, WaiverUse, gate_of, off_check
from toolkit.gates.writing import annotations, code_quality, markdown, sarif, write_report

NASTY = "a|b<script>\n::error::`x`,%"


def finding(where: str = "shop/pay.py", line: int | None = 3, *, waiver: str | None = None) -> Finding:
    severity: Severity = "high"
    return Finding(
        tool="bandit", rule="B602", severity=severity, where=where, line=line, message=NASTY, waiver=waiver
    )


def report(*findings: Finding, status: Status = Status.FAILED) -> Report:
    check = Check(
        id="security.high", status=status, message="1 high findings", measured=1, threshold=0,
        comparison="at most", unit="findings", remedy="mend it", findings=findings,
    )  # fmt: skip
    gates = (gate_of("security", [check]), gate_of("performance", [off_check("performance")]))
    used = WaiverUse(
        name="known", rule="B*", where="*", reason=NASTY, expires="2027-01-01", state="used", findings=1
    )
    return Report(
        project="shop", commit="c" * 40, created="2026-11-22T12:00:00+00:00",
        passed=all(gate.status.good for gate in gates), gates=gates, waivers=(used,),
    )  # fmt: skip


def test_the_shipped_schema_is_that_of_the_types() -> None:
    """If not: write ``toolkit.gates.schema.schema_text()`` to the file."""
    assert FILE.read_text(encoding="utf-8") == schema_text()


def test_all_files_are_written(tmp_path: Path) -> None:
    write_report(report(finding()), tmp_path / "reports")
    names = {path.name for path in (tmp_path / "reports").iterdir()}
    assert names == {
        "quality-gates-report.json", "quality-gates.md", "quality-gates.sarif",
        "quality-gates-codequality.json",
    }  # fmt: skip


def test_markdown_names_what_failed_and_what_to_do() -> None:
    text = markdown(report(finding(), finding(waiver="known")))
    assert "❌ failed" in text
    assert "## security.high: failed" in text
    assert "To do: mend it" in text
    assert text.count("`shop/pay.py:3`") == 1, "waived findings are not among the failures"
    assert "<script>" not in text


def test_long_lists_are_cut_and_say_so() -> None:
    assert "and 5 more" in markdown(report(*(finding(line=line) for line in range(1, 26))))


def test_annotations_are_one_line_each_with_file_and_line() -> None:
    check, one, package = annotations(report(finding(), finding("jinja2", None), finding(waiver="known")))
    assert check == "::error title=gate security.high::1 high findings. To do: mend it"
    assert one.startswith("::error file=shop/pay.py,line=3,title=security.high B602::")
    assert package.startswith("::error title=security.high B602::")
    assert one.endswith("a|b<script>%0A::error::`x`,%25")


@pytest.mark.slow
@given(st.text())
def test_no_message_starts_a_workflow_command_of_its_own(text: str) -> None:
    one = Finding(tool="t", rule=text, severity="low", where=f"{text}.py", line=1, message=text)
    for line in annotations(report(one)):
        assert "\n" not in line
        assert "\r" not in line
        assert line.startswith("::error ")


def test_code_quality_is_about_files_and_has_stable_fingerprints() -> None:
    """Code above a finding comes and goes; two alike findings in a file are two."""
    rows = code_quality(report(finding(line=3), finding(line=9), finding("jinja2", None)))
    assert [row["location"] for row in rows] == [
        {"path": "shop/pay.py", "lines": {"begin": 3}},
        {"path": "shop/pay.py", "lines": {"begin": 9}},
    ]
    assert {row["severity"] for row in rows} == {"critical"}
    moved = code_quality(report(finding(line=5), finding(line=11)))
    assert [row["fingerprint"] for row in moved] == [row["fingerprint"] for row in rows]
    assert len({row["fingerprint"] for row in rows}) == 2
    assert code_quality(report(finding(), status=Status.PASSED)) == []


def test_sarif_has_waived_findings_as_suppressed() -> None:
    (run,) = sarif(report(finding(), finding("a b.py", None, waiver="known")))["runs"]
    first, second = run["results"]
    assert run["tool"]["driver"]["rules"] == [{"id": "B602"}]
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "shop/pay.py"}, "region": {"startLine": 3},
    }  # fmt: skip
    assert "suppressions" not in first
    assert second["suppressions"] == [{"kind": "external", "justification": "known"}]
    assert second["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "a%20b.py"}}
    assert re.fullmatch("[0-9a-f]{64}", first["partialFingerprints"]["finding/v1"])


@given(st.text(), st.text())
def test_every_format_takes_every_text(where: str, message: str) -> None:
    one = Finding(tool="t", rule="r", severity="low", where=where, line=1, message=message)
    made = report(one)
    json.dumps([sarif(made), code_quality(made)])
    assert markdown(made)


def test_the_worst_check_decides() -> None:
    def status(*statuses: Status) -> Status:
        return gate_of("g", [Check(id="c", status=one, message="") for one in statuses]).status

    assert status(Status.PASSED, Status.OFF) is Status.PASSED
    assert status(Status.OFF) is Status.OFF
    assert status(Status.PASSED, Status.MISSING) is Status.MISSING
    assert status(Status.MALFORMED, Status.MISSING, Status.FAILED) is Status.FAILED


def test_a_line_says_all_that_matters() -> None:
    (check,) = failed_checks(report(finding()))
    assert status_line(check) == ("security.high: failed: 1 high findings [1 findings; at most 0] → mend it")
    assert status_line(off_check("performance")).startswith("performance: off: not demanded")


@pytest.mark.parametrize(
    ("status", "good"),
    [(Status.PASSED, True), (Status.OFF, True), (Status.FAILED, False), (Status.MISSING, False)],
)
def test_only_passed_and_off_are_good(status: Status, good: bool) -> None:
    assert status.good is good
