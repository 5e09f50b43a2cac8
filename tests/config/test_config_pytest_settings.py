"""What pytest is told is found in whichever file it would take; its ``-m`` is joined, not replaced."""

from pathlib import Path
from typing import Any

import pytest

from toolkit.config.pytest_settings import (
    FILE_PATTERNS,
    joined_expression,
    own_expression,
    read_ini,
    read_pytest_settings,
)


@pytest.mark.parametrize(
    ("files", "document", "file", "testpaths"),
    [
        ({}, {}, "", ()),
        ({"pytest.ini": "[pytest]\ntestpaths = a b\n"}, {}, "pytest.ini", ("a", "b")),
        ({}, {"tool": {"pytest": {"ini_options": {"testpaths": ["c"]}}}}, "pyproject.toml", ("c",)),
        ({}, {"tool": {"pytest": {"testpaths": ["d"]}}}, "pyproject.toml", ("d",)),
        ({"tox.ini": "[pytest]\ntestpaths = e\n"}, {}, "tox.ini", ("e",)),
        ({"tox.ini": "[tox]\n", "setup.cfg": "[tool:pytest]\ntestpaths=f\n"}, {}, "setup.cfg", ("f",)),
        ({"pytest.ini": "[pytest]\n"}, {"tool": {"pytest": {"testpaths": ["no"]}}}, "pytest.ini", ()),
    ],
)
def test_the_file_that_pytest_takes_is_read(
    tmp_path: Path, files: dict[str, str], document: dict[str, Any], file: str, testpaths: tuple[str, ...]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = read_pytest_settings(tmp_path, document)
    assert (found.file, found.testpaths, found.file_patterns) == (file, testpaths, FILE_PATTERNS)


def test_words_and_lines_are_split_as_pytest_does(tmp_path: Path) -> None:
    ini = "[pytest]\naddopts = -m 'not slow' --cov\npython_files = check_*.py\n"
    ini += "markers =\n  net: needs it\n  a(x)\n"
    (tmp_path / "pytest.ini").write_text(ini)
    found = read_pytest_settings(tmp_path, {})
    assert found.addopts == ("-m", "not slow", "--cov")
    assert found.markers == ("net", "a")
    assert found.file_patterns == ("check_*.py",)
    assert found.keys == ("addopts", "python_files", "markers")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = 'open\n")
    assert read_pytest_settings(tmp_path, {}).addopts == ("'open",)


def test_an_ini_file_that_cannot_be_read_has_no_sections(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("no section\n")
    assert read_ini(tmp_path / "setup.cfg") == read_ini(tmp_path / "gone.cfg") == {}


@pytest.mark.parametrize(
    ("addopts", "expected"),
    [
        ((), ""),
        (("-m", "a", "-m", "b"), "b"),
        (("-mnot a",), "not a"),
        (("-m=c",), "c"),
        (("-m",), ""),
        (("--maxfail=1",), ""),
    ],
)
def test_the_last_expression_of_addopts_holds(addopts: tuple[str, ...], expected: str) -> None:
    assert own_expression(addopts) == expected


@pytest.mark.parametrize(
    ("own", "profile", "expected"),
    [
        ("", "unit", "unit"),
        ("not slow", "", ""),
        ("not stress", "not (e2e)", "(not stress) and (not (e2e))"),
        ("not e2e and not stress", "not (e2e)", "(not e2e and not stress) and (not (e2e))"),
        ("not slow", "slow", "slow"),
        ("not slow", "integration", "(not slow) and (integration)"),
    ],
)
def test_a_profile_that_asks_by_name_is_stronger(own: str, profile: str, expected: str) -> None:
    assert joined_expression(own, profile) == expected
