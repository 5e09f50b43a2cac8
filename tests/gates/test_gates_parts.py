"""Globs, waivers, thresholds, sources, bases: the parts of the gates, one claim each."""

import datetime as dt
import importlib.util
import itertools
import json
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gates.gated_project import Gated, measured
from toolkit.config import load_config, parse_config
from toolkit.config.gates import Waiver
from toolkit.errors import ConfigError
from toolkit.gates.coverage import (
    Coverage,
    FileCoverage,
    NewCode,
    NewFile,
    judge_overall,
    line_ranges,
    told_new,
)
from toolkit.gates.globs import matches_name, matches_path
from toolkit.gates.inputs import read_document
from toolkit.gates.newcode import base_revision, cobertura, has_code, is_omitted, read_new_code
from toolkit.gates.sources import PARSERS, source_of
from toolkit.gates.verdicts import Absent, Finding, Status
from toolkit.gates.waivers import uses, waive

Run = Callable[..., tuple[int, str, str]]
TODAY = dt.date(2026, 11, 22)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gated:
    made = Gated(tmp_path / "shop")
    monkeypatch.chdir(made.root)
    return made


@pytest.mark.parametrize(
    ("path", "glob", "fits"),
    [
        ("src/pay/a.py", "src/pay/**", True),
        ("src/pay/deep/a.py", "src/pay/**", True),
        ("src/pay/a.py", "src/pay", True),
        ("src/pay/a.py", "./src/pay/", True),
        ("src/payment.py", "src/pay", False),
        ("src/pay/deep/a.py", "src/pay/*.py", False),
        ("src/a/b/x.py", "**/x.py", True),
        ("x.py", "**/x.py", True),
        ("src\\pay\\a.py", "src/pay/*", True),
        ("src/a.py", "src/?.py", True),
        ("srcXa.py", "src.a.py", False),
    ],
)
def test_globs_of_paths(path: str, glob: str, fits: bool) -> None:
    assert matches_path(path, glob) is fits


@given(st.text(), st.text())
def test_a_star_stands_for_anything_and_all_else_for_itself(one: str, other: str) -> None:
    """Names of tests have brackets."""
    assert matches_name(one + other, f"{one}*") or "*" in one
    assert matches_name(one, one)
    assert matches_name(one, "*")


@given(st.integers(1, 400), st.integers(0, 400), st.floats(0, 100, allow_nan=False))
def test_the_threshold_is_compared_exactly(total: int, covered: int, threshold: float) -> None:
    """94.999 % is not 95 %, and exactly 95 % is."""
    covered = min(covered, total)
    files = (FileCoverage(path="a.py", total=total, covered=covered),)
    check = judge_overall(Coverage(source="c", files=files), threshold)
    assert (check.status is Status.PASSED) == (Fraction(100 * covered, total) >= Fraction(str(threshold)))


@given(st.sets(st.integers(1, 60)))
def test_ranges_have_the_same_lines(lines: set[int]) -> None:
    ranges = line_ranges(lines)
    assert {line for first, last in ranges for line in range(first, last + 1)} == lines
    assert all(later[0] > earlier[1] + 1 for earlier, later in itertools.pairwise(ranges))


def found(rule: str, where: str) -> Finding:
    return Finding(tool="t", rule=rule, severity="high", where=where, message="m", names=("CVE-1",))


def test_waivers_are_told_with_their_use() -> None:
    made = {
        "used": Waiver(rule="B1", reason="r", expires=TODAY),
        "other": Waiver(rule="B1", where="b.py", reason="r", expires=TODAY),
        "over": Waiver(rule="*", reason="r", expires=TODAY - dt.timedelta(days=1)),
    }
    findings = waive([found("B1", "a.py"), found("B2", "a.py")], made, TODAY)
    assert [one.waiver for one in findings] == ["used", None]
    assert [(one.name, one.state, one.findings) for one in uses(made, findings, TODAY)] == [
        ("used", "used", 1), ("other", "unused", 0), ("over", "expired", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"off": ["coverag"]}, "unknown gate or check 'coverag' (did you mean 'coverage'?)"),
        (
            {"waivers": {"w": {"rule": "B1", "reason": " ", "expires": TODAY}}},
            "waivers.w.reason: must not be",
        ),
        ({"waivers": {"w": {"rule": "B1", "reason": "r"}}}, "waivers.w.expires: missing"),
        ({"waivers": {"w": {"rule": "B1", "reason": "r", "expires": "soon"}}}, "waivers.w.expires = 'soon'"),
        ({"performance": 0}, "gates.performance = 0"),
        ({"security_high_max": -1}, "gates.security_high_max = -1"),
    ],
)
def test_mistakes_in_the_settings_are_named(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"tool": {"toolkit": {"gates": table}}}, root=Path(), environ={})
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--coverage-threshold=many"], "--coverage-threshold=many: expected `float`"),
        (["--coverage-threshold=101"], "--coverage-threshold=101: expected `float` <= 100"),
        (["--security-high-max=-1"], "--security-high-max=-1: expected `int` >= 0"),
        (["--only=speed"], "--only: unknown gate 'speed'"),
    ],
)
def test_wrong_options_are_usage_errors(project: Gated, invoke: Run, arguments: list[str], says: str) -> None:
    code, _, err = invoke("gates.check", *arguments)
    assert code == 2
    assert says in err


def test_people_read_a_table_and_ci_gets_annotations(
    project: Gated, invoke: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = project.root / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.drop("reports/benchmarks.json")
    project.settings(
        '[tool.toolkit.gates]\noff = ["performance.paired"]\n[tool.toolkit.gates.waivers.old]\n'
        'rule = "X"\nreason = "r"\nexpires = 2020-01-01\n'
    )
    code, out, err = invoke("gates.check", "--only=performance", "--only=security", "--output=elsewhere")
    assert code == 1
    assert "::error title=gate performance.absolute::" in out
    assert "performance.absolute: missing: reports/benchmarks.json: not there → run: nox" in out
    assert "waiver old is expired: remove it" in out
    assert "not fit to be merged: performance.absolute" in err
    assert "# Quality gates: shop" in summary.read_text(encoding="utf-8")
    assert (project.root / "elsewhere" / "quality-gates.sarif").is_file()


def test_everything_off_is_no_failure_and_is_said(project: Gated, invoke: Run) -> None:
    project.settings('[tool.toolkit.gates]\noff = ["coverage", "performance", "security", "reliability"]\n')
    code, out, _ = invoke("gates.check", "--json")
    assert code == 0
    assert {gate["status"] for gate in json.loads(out)["gates"]} == {"off"}


def test_the_schema_is_printed(project: Gated, invoke: Run) -> None:
    code, out, _ = invoke("gates.schema")
    assert code == 0
    assert json.loads(out)["title"] == "quality-gates-report.json"


BANDIT: Mapping[str, Any] = {
    "errors": [{"filename": "./a.py", "reason": "syntax error"}],
    "metrics": {"_totals": {"loc": 1}, "./a.py": {"loc": 1}},
    "results": [
        {
            "filename": "a.py", "line_number": 3, "test_id": "B602", "test_name": "shell",
            "issue_severity": "UNDEFINED", "issue_text": "shell",
        }
    ],
}  # fmt: skip


def test_files_that_bandit_could_not_parse_are_findings() -> None:
    """It ends with 0 on them."""
    unseen, risky = source_of("bandit", BANDIT, "bandit.json").findings
    assert (unseen.rule, unseen.where, unseen.message) == ("not-checked", "a.py", "not checked: syntax error")
    assert (risky.rule, risky.where, risky.line, risky.severity) == ("B602", "a.py", 3, "medium")


def test_who_answered_is_told() -> None:
    report = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
    assert source_of("pip-audit", report, "p", asked="http://osv").asked == "http://osv"
    assert source_of("pip-audit", report, "p").looked_at == "1 of 1 packages"


def test_what_safety_was_told_to_ignore_is_not_ignored() -> None:
    row = {"vulnerability_id": "7", "package_name": "a", "CVE": None, "analyzed_version": "1"}
    report = {
        "report_meta": {}, "scanned_packages": {"a": {}}, "vulnerabilities": [],
        "ignored_vulnerabilities": [row],
    }  # fmt: skip
    source = source_of("safety", report, "s")
    assert source.asked == "safety's own service"
    assert [(one.rule, one.severity) for one in source.findings] == [("7", "critical")]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
KEYS = ("errors", "metrics", "results", "dependencies", "scanned_packages", "vulnerabilities", "report_meta",
        "ignored_vulnerabilities")  # fmt: skip


@given(st.sampled_from(sorted(PARSERS)), st.dictionaries(st.sampled_from(KEYS), JSONS))
def test_no_report_of_any_shape_escapes_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, tool: str, document: dict[str, Any]
) -> None:
    """Malformed input is a failed gate, never a traceback."""
    folder = tmp_path_factory.mktemp("malformed")
    (folder / "r.json").write_text(json.dumps(document), encoding="utf-8")
    told = read_document(
        folder / "r.json", folder, lambda read: source_of(tool, read, "r.json"), remedy="nox -s audit"
    )
    assert not isinstance(told, Absent) or (told.malformed and told.remedy == "run: nox -s audit")


def test_a_folder_in_place_of_a_report_is_malformed(tmp_path: Path) -> None:
    told = read_document(tmp_path, tmp_path.parent / "other", lambda read: read, remedy="x")
    assert isinstance(told, Absent)
    assert told.malformed


def test_deeply_nested_json_is_malformed(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("[" * 200_000, encoding="utf-8")
    told = read_document(tmp_path / "r.json", tmp_path, lambda read: read, remedy="x")
    assert isinstance(told, Absent)
    assert told.malformed


def test_the_base_is_that_of_the_merge_request(project: Gated) -> None:
    project.repository()
    project.git("update-ref", "refs/remotes/origin/develop", "main")
    config = load_config(project.root, {})
    assert base_revision(config, {"GITHUB_BASE_REF": "develop"}) == "origin/develop"
    assert base_revision(config, {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "develop"}) == "origin/develop"
    assert base_revision(config, {"CI_MERGE_REQUEST_DIFF_BASE_SHA": "main"}) == "main"
    assert base_revision(config, {"GITHUB_BASE_REF": "gone"}) == "main", "the next that git knows"
    assert base_revision(config, {}, "HEAD") == "HEAD"
    assert isinstance(base_revision(config, {}, "gone"), Absent), "what is named on purpose must exist"


def test_a_project_in_a_subfolder_has_its_own_paths(tmp_path: Path) -> None:
    """diff-cover names files from the top of the repository."""
    project = Gated(tmp_path / "top" / "shop")
    top = Gated(tmp_path / "top" / "other")
    top.root = tmp_path / "top"
    top.repository()
    project.write("shop/core.py", "x = 1\n")
    project.report("coverage.json", {"files": {"shop/core.py": measured(1, [1])}})
    new = read_new_code(load_config(project.root, {}), "main")
    assert not isinstance(new, Absent)
    assert [(file.path, file.missing) for file in new.files] == [("shop/core.py", (1,))]


def test_without_diff_cover_the_gate_says_what_to_install(
    project: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.repository()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    told = read_new_code(load_config(project.root, {}), "main")
    assert isinstance(told, Absent)
    assert "nox-invoke-toolkit[gates]" in told.remedy


def test_a_diff_cover_that_fails_is_no_pass(project: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    project.repository()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    told = read_new_code(load_config(project.root, {}), "main")
    assert isinstance(told, Absent)
    assert told.malformed


def test_paths_are_escaped_for_diff_cover() -> None:
    import xml.etree.ElementTree as ET

    text = "".join(cobertura(Path("/a&<b"), {'a"<&.py': {"executed_lines": [1], "missing_lines": [2]}}))
    tree = ET.fromstring(text)
    assert tree.findtext(".//source") == "/a&<b"
    assert [one.get("filename") for one in tree.iter("class")] == ['a"<&.py']
    assert [(one.get("number"), one.get("hits")) for one in tree.iter("line")] == [("1", "1"), ("2", "0")]


@pytest.mark.parametrize(
    ("text", "code"), [("", False), ('"""Doc."""\n', False), ("x = 1\n", True), ("def f(:\n", True)]
)
def test_files_without_a_statement_need_no_coverage(tmp_path: Path, text: str, code: bool) -> None:
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    assert has_code(tmp_path / "a.py") is code


@pytest.mark.parametrize(
    ("glob", "omitted"),
    [("*/gen/*", True), ("src/gen/*", True), ("src/*", True), ("/top/src/gen/**", True), ("gen/*", False)],
)
def test_omitted_files_need_no_coverage(glob: str, omitted: bool) -> None:
    assert is_omitted(Path("/top"), "src/gen/a.py", [glob]) is omitted


def test_new_code_is_told_in_one_line() -> None:
    """Without a judgement: also what is not known, and a diff that brings nothing."""
    file = NewFile(path="a.py", covered=(1, 2, 3), missing=(9,))
    new = NewCode(base="main", changed=5, files=(file,))
    assert told_new(new) == "75.0 %, 3 of 4 new lines are covered (against main)"
    assert told_new(NewCode(base="main", changed=0)).startswith("the diff is empty")
    assert told_new(Absent(reason="no git", remedy="")) == "not known: no git"
