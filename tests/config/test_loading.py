"""The table of a project becomes frozen types, and every mistake is named by its key path."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.config import detect_environment, find_root, load_config, parse_config
from toolkit.config.loading import detect_source, merge_tables, supported_pythons
from toolkit.config.profiles import BUILT_IN
from toolkit.errors import ConfigError


def parse(table: object, environ: dict[str, str] | None = None, **document: Any) -> Any:
    return parse_config({"tool": {"toolkit": table}, **document}, root=Path("/p"), environ=environ or {})


def test_defaults_hold_without_a_table(tmp_path: Path) -> None:
    """A project without any configuration has every built-in profile."""
    config = load_config(tmp_path, environ={})
    assert set(config.profiles) == set(BUILT_IN)
    assert config.profiles["integration"].max_workers == 4
    assert config.history_url == str(tmp_path / ".toolkit" / "history.sqlite")
    assert config.reports_dir == tmp_path / "reports"
    assert config.project == tmp_path.name


def test_own_rows_lie_over_built_in_rows() -> None:
    """Only the keys that a project names change; a new name starts from the defaults."""
    config = parse({"profiles": {"unit": {"timeout": 5}, "mine": {"markers": "mine"}}})
    assert config.profiles["unit"].timeout == 5
    assert config.profiles["unit"].markers.startswith("not (")
    assert config.profiles["mine"].workers == "auto"


def test_overlay_of_the_place_is_applied() -> None:
    """CI may differ from local in exactly the keys it names; TOOLKIT_ENV overrides detection."""
    table = {"overlays": {"ci": {"profiles": {"unit": {"retries": 2}}}, "staging": {"reports": "r"}}}
    assert parse(table).profiles["unit"].retries == 0
    assert parse(table, {"CI": "true"}).profiles["unit"].retries == 2
    assert parse(table, {"CI": "true", "TOOLKIT_ENV": "staging"}).reports == "r"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"profile": {}}, ["tool.toolkit.profile = {}", "did you mean 'profiles'?"]),
        ({"profiles": {"unit": {"worker": 1}}}, ["profiles.unit.worker = 1", "did you mean 'workers'?"]),
        (
            {"profiles": {"unit": {"workers": "many"}}},
            ["profiles.unit.workers = 'many'", "'auto' or a number"],
        ),
        ({"profiles": {"unit": {"workers": -1}}}, ["profiles.unit.workers = -1"]),
        ({"profiles": {"unit": {"timeout": "1m"}}}, ["profiles.unit.timeout = '1m'", "expected `float"]),
        ({"profiles": {"unit": {"env": {"A": 1}}}}, ["profiles.unit.env.A = 1", "expected `str`"]),
        ({"profiles": {"unit": 3}}, ["profiles.unit = 3", "expected a table"]),
        ({"profiles": 3}, ["tool.toolkit.profiles = 3"]),
        ({"profiles": {"unit": {"order": "smrt"}}}, ["did you mean 'smart'?", "'fast-first'"]),
        ({"pythons": ["3"]}, ["tool.toolkit.pythons[0] = ['3']"]),
        ({"tests": "tests"}, ["tool.toolkit.tests = 'tests'", "expected `array`"]),
        ({"thresholds": {"coverage": 101}}, ["thresholds.coverage = 101", "<= 100"]),
        ({"root": "/"}, ["tool.toolkit.root", "unknown key"]),
        ({"overlays": {"cl": {}}}, ["overlays.cl", "did you mean 'ci'?"]),
        ({"overlays": 1}, ["overlays = 1"]),
        ({"overlays": {"ci": 1}}, ["overlays.ci = 1"]),
        (4, ["tool.toolkit = 4"]),
    ],
)
def test_mistakes_are_named(table: object, expected: list[str]) -> None:
    """An error has the key path, the value, what is valid, and the nearest match."""
    with pytest.raises(ConfigError) as error:
        parse(table)
    for part in expected:
        assert part in str(error.value)


def test_all_mistakes_are_reported_at_once() -> None:
    """A user mends a table in one go."""
    with pytest.raises(ConfigError, match="3 mistakes") as error:
        parse({"a": 1, "reports": 2, "profiles": {"unit": {"b": 3}}})
    assert "tool.toolkit.profiles.unit.b" in str(error.value)


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"pyproject\.toml: not valid TOML.*line 1"):
        load_config(tmp_path, environ={})


def test_unknown_place_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"TOOLKIT_ENV='stagin'.*did you mean 'staging'"):
        detect_environment({"TOOLKIT_ENV": "stagin"})
    assert detect_environment({"CI": "false"}) == "local"


def test_root_is_found_from_below(tmp_path: Path) -> None:
    """A nested package without a table belongs to the project above it that has one."""
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    inner = tmp_path / "packages" / "a"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[project]\nname='a'\n", encoding="utf-8")
    assert find_root(inner) == tmp_path
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    assert find_root(inner) == inner


def test_history_url_comes_from_the_environment() -> None:
    config = parse({"history": "h.db"}, {"TOOLKIT_HISTORY_URL": "postgresql://h/db"})
    assert config.history_url == "postgresql://h/db"
    assert parse({"history": "h.db"}).history_url == str(Path("/p/h.db"))


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ({"classifiers": ["Programming Language :: Python :: 3.12"]}, ("3.12",)),
        ({"requires-python": ">=3.12,<4"}, ("3.12", "3.13", "3.14")),
        ({"requires-python": ">=3.8, <3.13"}, ("3.11", "3.12")),
        ({}, ("3.11", "3.12", "3.13", "3.14")),
    ],
)
def test_pythons_come_from_the_project(project: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert supported_pythons(project) == expected


def test_source_is_detected(tmp_path: Path) -> None:
    assert detect_source(tmp_path, "my-app") == ()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").touch()
    assert detect_source(tmp_path, "my-app") == ("other",)
    (tmp_path / "my_app.py").touch()
    assert detect_source(tmp_path, "my-app") == ("my_app.py",)
    (tmp_path / "my_app").mkdir()
    assert detect_source(tmp_path, "my-app") == ("my_app",)
    (tmp_path / "src").mkdir()
    assert detect_source(tmp_path, "my-app") == ("src",)


TABLES = st.recursive(
    st.integers() | st.text(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)


@given(
    below=st.dictionaries(st.sampled_from("abc"), TABLES),
    above=st.dictionaries(st.sampled_from("abc"), TABLES),
)
def test_laying_a_table_over_another_keeps_every_key(below: dict[str, Any], above: dict[str, Any]) -> None:
    """Every key of both survives, the upper value wins, and merging with nothing changes nothing."""
    merged = merge_tables(below, above)
    assert set(merged) == set(below) | set(above)
    assert merge_tables(below, {}) == below
    assert merge_tables(merged, above) == merged


@given(st.dictionaries(st.text(max_size=5), TABLES, max_size=4))
def test_any_table_is_a_config_or_a_config_error(  # toolkit: ignore[TS101] not raising is the claim
    table: dict[str, Any],
) -> None:
    """No table, however odd, ends in anything but a Config or a ConfigError."""
    with contextlib.suppress(ConfigError):
        parse(table)
