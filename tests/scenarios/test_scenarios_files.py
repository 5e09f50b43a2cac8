"""Scenario files are read strictly: what is wrong is named with its file and key."""

import sys
from pathlib import Path

import pytest

from toolkit.errors import InputError, MissingExtra, UsageError
from toolkit.scenarios.checks import read_check
from toolkit.scenarios.files import Rows, Scenario, find_scenario, read_scenario, scenario_files, with_counts
from toolkit.scenarios.rows import Nothing, generate
from toolkit.scenarios.tables import Column, Rule, Table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables: [", "while parsing"),
        ("tabels: {}", "unknown field `tabels`"),
        ("tables: {a: -1}", r"\$.tables"),
        ("tables: {a: {rows: 1, each: {b: 1}}}", "tables.a: expected either `rows` or `each`"),
        ("tables: {a: {values: {}}}", "tables.a: expected either `rows` or `each`"),
        ("tables: {a: {each: {b: 1, c: 1}}}", "tables.a.each: expected one table"),
        ("api: [{name: x}]", r"missing required field `post` - at `\$.api\[0\]`"),
        ("- 1", "Expected `object`"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_scenario(file)
    assert str(file) in str(caught.value)


def test_scenarios_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "busy.yaml").write_text("tables: {a: 1}", encoding="utf-8")
    (tmp_path / "empty.yml").write_text("", encoding="utf-8")
    (tmp_path / "README.md").write_text("", encoding="utf-8")
    assert list(scenario_files(tmp_path)) == ["empty", "shop/busy"]
    assert find_scenario(tmp_path, "empty") == Scenario()
    assert find_scenario(tmp_path, "shop/busy").wanted == {"a": Rows(rows=1)}
    with pytest.raises(UsageError, match="'bussy'"):
        find_scenario(tmp_path, "bussy")


def test_counts_can_be_changed_and_added() -> None:
    before = Scenario(tables={"a": 1, "b": Rows(each={"a": 2}, values={"x": 1})})
    changed = with_counts(before, {"b": 5, "c": 7}).wanted
    assert changed == {"a": Rows(rows=1), "b": Rows(rows=5, values={"x": 1}), "c": Rows(rows=7)}


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yml").write_text("", encoding="utf-8")
    column = Column(name="x", kind="text", nullable=False)
    match = Rule(column="x", test="match", value="^[ab]{9}$")
    schema = {"a": Table(name="a", columns=(column,), rules=(match,))}
    for module, package, act in (
        ("yaml", "pyyaml", lambda: read_scenario(tmp_path / "a.yml")),
        ("sqlglot", "sqlglot", lambda: read_check("x > 0")),
        ("mimesis", "mimesis", lambda: generate(schema, Scenario(tables={"a": 1}), Nothing())),
        ("rstr", "rstr", lambda: generate(schema, Scenario(tables={"a": 1}), Nothing())),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtra, match=package):
                act()
