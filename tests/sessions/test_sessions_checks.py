"""The checks, with their real tools, on a small project: green when it is clean, and every finding shown."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sessions.nox_project import Project
from toolkit.config import parse_config
from toolkit.errors import ConfigError
from toolkit.gates.inputs import read_session
from toolkit.gates.static import Ran
from toolkit.sessions.audit import audit
from toolkit.sessions.gates import gates
from toolkit.sessions.tools import required_by_rows, row_commands, run_side_by_side

NOXFILE = """
import nox
from toolkit.config import load_config
from toolkit.sessions.checks import add_check_sessions
nox.options.default_venv_backend = "uv|virtualenv"
add_check_sessions(load_config())
"""

PYPROJECT = """
[project]
name = "checked"
version = "1"
description = "is checked"
readme = "README.md"
requires-python = ">=3.11"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[dependency-groups]
lint = ["ruff"]
[tool.toolkit]
source = ["checked"]
"""

CUSTOM = """
[tool.toolkit.tools.own]
command = ["python", "-c", "import sys; print(*sys.argv[1:])", "{reports}/own.json", "{source}"]
"""


@pytest.fixture
def checked(project: Project) -> Project:
    project.write("noxfile.py", NOXFILE)
    project.write("pyproject.toml", PYPROJECT)
    project.write("README.md", "# Checked\n")
    project.write("LICENSE", "free\n")
    project.write("checked/__init__.py", '"""Checked."""\n\n\ndef double(x: int) -> int:\n    return 2 * x\n')
    project.write("checked/py.typed", "")
    project.write("mkdocs.yml", "site_name: Checked\nnav: [index.md]\n")
    project.write("docs/index.md", "# Checked\n")
    (project.root / "noxfile.py").write_text(NOXFILE.lstrip(), encoding="utf-8")
    (project.root / "tests" / "test_sums.py").unlink()
    return project


@pytest.mark.e2e
def test_a_clean_project_passes_every_check(checked: Project) -> None:
    done = checked.nox("-s", "lint", "typecheck", "build", "docs", bare=False)
    assert "* typecheck: success" in done.stdout, done.stdout
    assert "* build: success" in done.stdout
    assert "* docs: success" in done.stdout
    assert "checked-1-py3-none-any.whl" in done.stdout


@pytest.mark.e2e
def test_all_tools_run_although_the_first_finds_something(checked: Project) -> None:
    checked.write("checked/__init__.py", "import sys\nimport os\ndef double( x ):\n    return 2*x\n")
    checked.write("pyproject.toml", PYPROJECT + "[tool.toolkit.tools.isort]\n" + CUSTOM)
    done = checked.nox("-s", "lint", "typecheck", bare=False)
    assert done.returncode == 1
    assert "F401" in done.stdout
    assert "would be reformatted" in done.stdout.lower()
    assert "lint: failed: ruff check, ruff format, isort" in done.stdout
    assert "own: content" in done.stdout
    reports = checked.root / "reports" / "lint"
    assert (reports / "own.txt").read_text("utf-8").strip() == "reports/lint/own.json checked"
    assert "+import os" in (reports / "isort.txt").read_text("utf-8")
    ran = json.loads((reports / "tools.json").read_text("utf-8"))
    assert ran["exit_codes"] == {"ruff check": 1, "ruff format": 1, "isort": 1, "own": 0}
    assert "Function is missing a type annotation" in done.stdout, "strict where nothing is configured"


class Session:
    """As much of a Nox session as tools side by side use; every tool ends well."""

    def __init__(self, *posargs: str, install_only: bool = False) -> None:
        self.posargs = list(posargs)
        self._runner = SimpleNamespace(global_config=SimpleNamespace(install_only=install_only))

    def log(self, *_words: object) -> None:
        pass

    def run(self, *_words: str, **_options: object) -> bool | None:
        return None if self._runner.global_config.install_only else True


@pytest.mark.parametrize(
    ("session", "told"),
    [(Session(), True), (Session("one.py"), False), (Session(install_only=True), False)],
)
def test_only_a_whole_session_that_ran_counts_as_content(tmp_path: Path, session: Any, told: bool) -> None:
    """A gate that reads it would else pass although one file was looked at, or nothing."""
    config = parse_config({"tool": {"toolkit": {}}}, root=tmp_path, environ={})
    run_side_by_side(session, config, "typecheck", {"mypy": ["mypy"]})
    ran = read_session(config, "typecheck")
    assert isinstance(ran, Ran) == told, ran


@pytest.mark.parametrize("body", [audit, gates])
def test_installing_alone_judges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    """``nox --install-only`` of a fresh project ends well, and leaves no report."""
    monkeypatch.setattr(Session, "venv_backend", "none", raising=False)
    session = Session(install_only=True)
    body(session, parse_config({"tool": {"toolkit": {}}}, root=tmp_path, environ={}))
    assert not (tmp_path / "reports").exists()


def test_an_unknown_check_is_an_error_that_lists_the_valid(checked: Project) -> None:
    noxfile = NOXFILE.replace("load_config())", 'load_config(), ["lnit"])')
    checked.write("noxfile.py", noxfile)
    done = checked.nox("--list")
    assert "unknown check 'lnit' (did you mean 'lint'?); valid: audit, build, docs" in done.stdout


def configured(tools: dict[str, Any]) -> Any:
    table = {"source": ["src", "lib"], "tools": tools}
    return parse_config({"tool": {"toolkit": table}}, root=Path("/nowhere"), environ={})


def test_known_tools_only_have_to_be_named() -> None:
    """Own keys are laid over; tools that nobody named stay away; places become words."""
    config = configured({"black": {}, "pylint": {"command": ["pylint", "-E", "{source}"]}})
    assert row_commands(config, "lint") == {"black": ["black", "--check", "--diff", "src", "lib"]}
    assert row_commands(config, "typecheck") == {"pylint": ["pylint", "-E", "src", "lib"]}
    assert required_by_rows(config, "typecheck") == ["pylint>=3.3"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "tool.toolkit.tools.mine.command: missing"),
        ({"command": []}, "command: must not be empty"),
        ({"command": ["x", "{sources}"]}, "unknown place 'sources' (did you mean 'source'?)"),
        ({"command": ["pylint", "--exit-zero"]}, "with it the tool passes whatever it finds"),
        ({"command": ["x"], "session": "build"}, "session = 'build'"),
        ("pylint", "expected a table"),
    ],
)
def test_mistakes_in_rows_are_named(row: Any, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        configured({"mine": row})
    assert says in str(error.value)


def test_names_of_rows_are_names_of_files() -> None:
    with pytest.raises(ConfigError, match="a name has letters"):
        configured({"../mine": {"command": ["x"]}})
    with pytest.raises(ConfigError, match="tools"):
        parse_config({"tool": {"toolkit": {"tools": 3}}}, root=Path(), environ={})
