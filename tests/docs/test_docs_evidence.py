"""The page of evidence has what benchmarks delivered; a figure that is missing is an error."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import evidence, evidence_figures
from benchmarks.evidence import Result
from benchmarks.evidence_claims import CLAIMS, Claim
from benchmarks.evidence_figures import Row, table

BY_NAME = {claim.name: claim for claim in CLAIMS}
RACE = {"runs killed": 3, "cleanups": 4, "lost": 0, "left": ["db"], "errors": []}


def result(report: Any, **fields: Any) -> Result:
    return Result(
        **{
            "name": "cleanup",
            "command": "uv run benchmarks/x.py",
            "quick": True,
            "exit_code": 0,
            "date": "2026-01-01",
            "commit": "abc",
            "machine": "m",
            "seconds": 1.0,
            "report": report,
            **fields,
        }
    )


def test_a_report_becomes_rows_with_goal_and_verdict() -> None:
    rows = evidence.rows_of(BY_NAME["cleanup"], RACE)
    assert [(row.ours, row.goal, row.met) for row in rows] == [
        ("0", "0", True),
        ("1", "0", False),
        ("0", "0", True),
    ]
    assert rows[1].what == "3 runs killed, 4 cleanups beside living runs: databases of dead runs left"


@pytest.mark.parametrize("report", [{}, {"lost": 1}, [], None, "no"])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_figure_that_is_not_delivered_is_an_error(claim: Claim, report: Any) -> None:
    with pytest.raises(RuntimeError, match=f"^{claim.name}: .*report of {claim.script}"):
        evidence.rows_of(claim, report)


def test_the_table_is_for_readers() -> None:
    rows = [
        Row(what="time | of x", ours="1 s", others="tool 2 s", goal="less", met=True),
        Row(what="y", ours="3 s", goal="less", met=False),
        Row(what="for information", ours="4 s"),
    ]
    assert table(rows).splitlines() == [
        "| what | ours | beside it | goal | reached |",
        "| --- | --- | --- | --- | --- |",
        "| time ¦ of x | 1 s | tool 2 s | less | yes |",
        "| y | 3 s |  | less | **no** |",
        "| for information | 4 s |  |  |  |",
    ]
    assert table(rows[2:]).splitlines()[0] == "| what | ours |"


def test_numbers_have_about_three_digits() -> None:
    assert [evidence_figures.short(value) for value in (1234.5, 100.0, 12.345, 0.001234)] == [
        "1234",
        "100",
        "12.3",
        "0.00123",
    ]
    assert [evidence_figures.percent(share) for share in (1, 0.5, 0.0012, -0.36)] == [
        "100 %",
        "50 %",
        "0.1 %",
        "-36 %",
    ]


def test_rates_of_prediction_are_compared_with_every_rival() -> None:
    def method(value: float) -> dict[str, float]:
        return {"APFD": value, "APFDc": value, "NAPFD": value}

    methods = {
        "random": 0.5,
        "failure rate": 0.7,
        "toolkit, first stage": 0.9,
        "toolkit": 0.7,
        "optimum": 1.0,
    }
    report = {
        "iofrol.csv.gz": {
            "methods": {name: method(value) for name, value in methods.items()},
            "calibration": {"ECE": 0.1013},
        }
    }
    rows = evidence.rows_of(BY_NAME["prediction"], report)
    assert (
        rows[0].what
        == "IOF/ROL (robots; 29 % of verdicts failed): APFD (failures early in the order; at best 1.000)"
    )
    assert rows[0].others == "random 0.500; failure rate 0.700"
    assert [row.met for row in rows] == [False] * 4  # what is shown as equal is not better; 0.1 is above 0.05


def test_json_and_json_lines_are_read() -> None:
    assert evidence.read_report('{"a": 1}') == {"a": 1}
    assert evidence.read_report('{"a": 1}\n{"a": 2}\n', lines=True) == [{"a": 1}, {"a": 2}]
    assert evidence.read_report('{"a": 1}\n', lines=True) == [{"a": 1}]
    assert evidence.read_report('{"a": 1}\n{"a": 2}\n') is None
    assert evidence.read_report("no") is None
    assert evidence.read_report("") is None


def test_a_claim_that_did_not_hold_is_said_and_one_that_was_not_measured_too() -> None:
    text = evidence.page([result(RACE, exit_code=1)])
    assert "**The benchmark ended with code 1: the claim did not hold.**" in text
    assert "databases of dead runs left | 1 | 0 | **no** |" in text
    assert text.count("Not measured yet.") == text.count("| not measured yet |") == len(CLAIMS) - 1
    assert "| 2 of 3 |" in text
    assert "small form" in text


def test_histories_are_files_for_the_script_and_names_for_the_page(tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert list(evidence._filled("{histories}", [str(path) for path in paths], tmp_path)) == [
        *map(str, paths)
    ]
    assert list(evidence._shown("{histories}", paths)) == ["a.csv", "b.csv"]
    assert list(evidence._shown("tomlkit={tomlkit}", [])) == ["tomlkit=tomlkit"]
    assert list(evidence._filled("--json", [], tmp_path)) == ["--json"]


def measured(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> list[str]:
    """Run the command; return which claims were measured."""
    seen: list[str] = []

    def measure(claim: Claim, **_: Any) -> Result:
        seen.append(claim.name)
        return result(RACE, name=claim.name)

    monkeypatch.setattr(evidence, "KEPT", folder)
    monkeypatch.setattr(evidence, "measure", measure)
    monkeypatch.setattr(evidence, "CLAIMS", (BY_NAME["prediction"], BY_NAME["cleanup"]))
    monkeypatch.setattr("sys.argv", ["evidence.py", "--output", str(folder / "page.md"), *words])
    evidence.main()
    return seen


def test_what_is_kept_is_not_measured_again_where_only_the_missing_is_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measured(monkeypatch, tmp_path, "--page") == []
    assert measured(monkeypatch, tmp_path, "--missing") == ["cleanup"]
    assert "prediction: left out, it needs --histories" in capsys.readouterr().err
    assert measured(monkeypatch, tmp_path, "--missing") == []
    assert measured(monkeypatch, tmp_path, "--only", "cleanup") == ["cleanup"]
    assert measured(monkeypatch, tmp_path, "--only", "prediction", "--histories", "x.csv") == ["prediction"]
    assert not (tmp_path / "prediction.json").exists()  # its report had no figures
    (tmp_path / "cleanup.json").write_bytes(msgspec.json.encode(result({"lost": 0}, name="cleanup")))
    assert measured(monkeypatch, tmp_path, "--page") == []
    assert "cleanup.json: is out of date, measure again" in capsys.readouterr().err
    assert measured(monkeypatch, tmp_path, "--missing") == ["cleanup"]
    assert "databases of dead runs left" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_every_claim_has_a_script_that_takes_its_options() -> None:
    for claim in CLAIMS:
        text = (Path(evidence.__file__).parent / claim.script).read_text(encoding="utf-8")
        options = {word for word in (*claim.full, *claim.quick) if word.startswith("--")}
        assert [option for option in options if option not in text] == [], claim.name


def test_the_page_is_there_and_has_every_claim() -> None:
    text = evidence.PAGE.read_text(encoding="utf-8")
    assert [claim.name for claim in CLAIMS if f"## {claim.name.capitalize()}\n" not in text] == []
    assert text.startswith(evidence.HEAD)
    assert "| what | ours |" in text
