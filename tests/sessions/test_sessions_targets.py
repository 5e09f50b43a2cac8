"""A command names tests once: the user's, else the profile's, else the project's."""

from pathlib import Path

import pytest

from toolkit.config import Config, Profile
from toolkit.sessions.targets import default_targets, has_testpaths, names_tests


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tests"], True),
        (["tests/test_a.py::test_x[1::2]"], True),
        (["-x", "tests/test_a.py"], True),
        (["--pyargs", "package"], True),
        (["--ignore", "tests/test_a.py"], False),
        (["--ignore=tests/test_a.py"], False),
        (["-k", "tests"], False),
        (["-p", "no:cacheprovider", "-x"], False),
        ([], False),
    ],
)
def test_named_tests_are_told_from_values(project: Path, arguments: list[str], expected: bool) -> None:
    assert names_tests(project, arguments) is expected


def test_the_user_then_the_profile_then_the_project(project: Path) -> None:
    config = Config(root=project)
    assert default_targets(config, Profile(), []) == ["tests"]
    assert default_targets(config, Profile(paths=("more",)), []) == ["more"]
    assert default_targets(config, Profile(paths=("more",)), ["tests/test_a.py"]) == []
    assert default_targets(Config(root=project, tests=("absent",)), Profile(), []) == []


def test_testpaths_of_the_project_hold_unless_it_names_its_tests_to_us(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\ntestpaths = tests src\n", encoding="utf-8")
    assert default_targets(Config(root=project), Profile(), []) == []
    assert default_targets(Config(root=project, tests=("tests/",)), Profile(), []) == ["tests/"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, False),
        ({"pytest.ini": "[pytest]\ntestpaths = t"}, True),
        ({"pytest.toml": '[pytest]\ntestpaths = ["t"]'}, True),
        ({"pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["t"]'}, True),
        ({"pyproject.toml": '[tool.pytest]\ntestpaths = ["t"]'}, True),
        ({"pyproject.toml": "[tool.other]"}, False),
        ({"pyproject.toml": "[tool"}, False),
        ({"tox.ini": "[pytest]\ntestpaths = t"}, True),
        ({"setup.cfg": "[tool:pytest]\ntestpaths = t"}, True),
        ({"setup.cfg": "[pytest]\ntestpaths = t"}, False),
        ({"setup.cfg": "no section"}, False),
        ({"pytest.ini": "", "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["t"]'}, False),
        ({"pyproject.toml": "[tool.pytest.ini_options]", "tox.ini": "[pytest]\ntestpaths = t"}, False),
    ],
)
def test_the_file_that_pytest_takes_decides(tmp_path: Path, files: dict[str, str], expected: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert has_testpaths(tmp_path) is expected
