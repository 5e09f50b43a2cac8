"""The checks, with their real tools, on a small project: green when it is clean, and every finding shown."""

import pytest

from tests.sessions.nox_project import Project

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
    checked.write("checked/__init__.py", "import os\ndef double( x ):\n    return 2*x\n")
    done = checked.nox("-s", "lint", "typecheck", bare=False)
    assert done.returncode == 1
    assert "F401" in done.stdout
    assert "would be reformatted" in done.stdout.lower()
    assert "lint: failed: ruff check, ruff format" in done.stdout
    assert "Function is missing a type annotation" in done.stdout, "strict where nothing is configured"


def test_an_unknown_check_is_an_error_that_lists_the_valid(checked: Project) -> None:
    noxfile = NOXFILE.replace("load_config())", 'load_config(), ["lnit"])')
    checked.write("noxfile.py", noxfile)
    done = checked.nox("--list")
    assert "unknown check 'lnit' (did you mean 'lint'?); valid: audit, build, docs" in done.stdout
