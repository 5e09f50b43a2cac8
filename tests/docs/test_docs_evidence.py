"""The page of evidence has what benchmarks delivered; a figure that is missing is an error."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import evidence
from benchmarks.evidence import CLAIMS, Claim, Result

CLAIM = Claim(name="plugin", says="It is cheap.", target="60", script="x.py", figures=("a / *", "list"))


def result(report: Any, **fields: Any) -> Result:
    return Result(
        **{
            "name": "plugin",
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


def test_figures_are_taken_by_their_paths() -> None:
    report = {"a": {"b": 0.123456, "c": 5}, "list": ["x", "y"], "other": 1}
    assert evidence.figures(CLAIM, report) == [("a / b", 0.123456), ("a / c", 5), ("list", 2)]


def test_a_figure_that_is_not_delivered_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"plugin: nothing matches 'list'"):
        evidence.figures(CLAIM, {"a": {"b": 1}})


def test_rows_are_named_by_what_they_are_about() -> None:
    rows = [{"shape": "src", "tests": 3}, {"n": 1}]
    assert dict(evidence.leaves(rows)) == {"src / shape": "src", "src / tests": 3, "1 / n": 1}


def test_json_and_json_lines_are_read() -> None:
    assert evidence.read_report('{"a": 1}') == {"a": 1}
    assert evidence.read_report('{"a": 1}\n{"a": 2}\n', lines=True) == [{"a": 1}, {"a": 2}]
    assert evidence.read_report('{"a": 1}\n', lines=True) == [{"a": 1}]
    assert evidence.read_report('{"a": 1}\n{"a": 2}\n') is None
    assert evidence.read_report("no") is None
    assert evidence.read_report("") is None


def test_a_claim_that_did_not_hold_is_said_and_one_that_was_not_measured_too() -> None:
    report = {"import_inert_ms": 70.0, "inert_adds_cpu_ms": 1}
    text = evidence.page([result(report, exit_code=1)])
    assert "**It ended with code 1: the claim did not hold.**" in text
    assert "| import_inert_ms | 70 |" in text
    assert text.count("Not measured yet.") == len(CLAIMS) - 1
    assert "small form" in text


def test_every_claim_has_a_script_that_takes_its_options() -> None:
    for claim in CLAIMS:
        text = (Path(evidence.__file__).parent / claim.script).read_text(encoding="utf-8")
        options = {word for word in (*claim.full, *claim.quick) if word.startswith("--")}
        assert [option for option in options if option not in text] == [], claim.name


def test_the_page_is_there_and_has_every_claim() -> None:
    text = evidence.PAGE.read_text(encoding="utf-8")
    assert [claim.name for claim in CLAIMS if f"## {claim.name.capitalize()}\n" not in text] == []
