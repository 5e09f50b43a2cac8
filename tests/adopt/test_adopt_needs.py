"""What tests need is taken from where projects say it; what is merely imported is never installed."""

from pathlib import Path
from typing import Any

import pytest

from toolkit.adopt.needs import Used, find_needs, read_used
from toolkit.config.pytest_settings import PytestSettings, read_pytest_settings


def needs(root: Path, document: dict[str, Any], used: Used | None = None, **settings: Any) -> Any:
    return find_needs(root, document, PytestSettings(file="pytest.ini", **settings), used or Used())


def used(root: Path, text: str) -> Used:
    (root / "test_it.py").write_text(text, encoding="utf-8")
    return read_used([root / "test_it.py", root / "gone.py"])


def test_what_tests_use_is_read_from_their_syntax(tmp_path: Path) -> None:
    found = used(
        tmp_path,
        "import os, yaml.x\nfrom trio import run\nfrom . import near\n"
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n"
        "@pytest.mark.asyncio\n@pytest.mark.parametrize('snapshot', [1])\n"
        "async def test_a(mocker, snapshot): ...\n"
        "@pytest.fixture\ndef benchmark(): ...\ndef helper(freezer): ...\n",
    )
    assert found.imports == {"os", "yaml", "trio"}
    assert found.markers == {"asyncio", "parametrize"}
    assert found.arguments == {"mocker", "snapshot"}
    assert found.fixtures >= {"benchmark", "snapshot"}


def test_a_file_that_is_no_python_uses_nothing(tmp_path: Path) -> None:
    assert used(tmp_path, "def test_(:\n") == Used()


def test_the_group_of_the_tests_is_enough(tmp_path: Path) -> None:
    document = {
        "dependency-groups": {"test": ["pytest-mock", {"include-group": "more"}], "more": ["PyYAML>=6"]}
    }
    found = needs(tmp_path, document, used(tmp_path, "import yaml\ndef test_a(mocker): ...\n"))
    assert (found.groups, found.requires, found.unclear) == (("test",), (), ())


def test_widespread_plugins_that_nobody_declares_are_added(tmp_path: Path) -> None:
    document = {"project": {"optional-dependencies": {"test": ["pytest"]}, "dependencies": ["httpx"]}}
    text = "import httpx, freezegun, colour\n@pytest.mark.trio\ndef test_a(mocker): ...\n"
    found = needs(
        tmp_path,
        document,
        used(tmp_path, text),
        keys=("asyncio_mode",),
        addopts=("--cov=shop", "--strict-markers"),
    )
    assert found.extras == ("test",)
    assert found.requires == ("freezegun", "pytest-asyncio", "pytest-cov", "pytest-mock", "pytest-trio")
    assert found.unclear == ("colour",), "anybody may own that name in an index"
    assert "pytest-mock: a test uses mocker" in found.why


def test_an_extra_that_only_the_build_knows_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[options.extras_require]\ntests =\n    anything\n")
    found = needs(tmp_path, {}, used(tmp_path, "import yaml\n"))
    assert (found.extras, found.requires) == (("tests",), ())


def test_extras_of_setup_py_are_read_and_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text(
        "raise SystemExit\nsetup(extras_require={'dev': ['x'], 'test': TESTS})\n"
    )
    assert needs(tmp_path, {}).extras == ("test",)
    (tmp_path / "setup.py").write_text("print 'old'\n")
    assert needs(tmp_path, {}).extras == ()


@pytest.mark.parametrize(
    ("tool", "requires"),
    [
        ({"hatch": {"envs": {"hatch-test": {"extra-dependencies": ["a>1", "x @ {root:uri}"]}}}}, ("a>1",)),
        ({"poetry": {"group": {"test": {"dependencies": {"pytest": "^8", "b": "^1.2"}}}}}, ("b>=1.2",)),
        (
            {"poetry": {"dev-dependencies": {"c": "*", "d": {"version": "~3"}, "e": {"path": "."}}}},
            ("c", "d>=3"),
        ),
        ({"poetry": {"dev-dependencies": {"f": ">=1,<2"}}}, ("f>=1,<2",)),
        ({"pdm": {"dev-dependencies": {"test": ["pytest", "g~=1.0"]}}}, ("g~=1.0",)),
        ({"pdm": {"dev-dependencies": {"docs": ["sphinx"]}}}, ()),
    ],
)
def test_other_tools_say_it_too(tmp_path: Path, tool: dict[str, Any], requires: tuple[str, ...]) -> None:
    assert needs(tmp_path, {"tool": tool}).requires == requires


def test_tox_says_it_too(tmp_path: Path) -> None:
    deps = "deps =\n  pytest\n  h>=2\n  -r x.txt\n  py311: i\n  {[base]deps}\n"
    (tmp_path / "tox.ini").write_text(f"[testenv]\n{deps}")
    assert needs(tmp_path, {}).requires == ("h>=2",)


def test_requirement_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "requirements-test.txt").write_text("-r more.txt\n# trio\n-e .\npytest-mock==3\n")
    (tmp_path / "more.txt").write_text("-r requirements-test.txt\npyyaml\n")
    found = needs(tmp_path, {}, used(tmp_path, "import yaml\ndef test_a(mocker): ...\n"))
    assert (found.requirements, found.requires) == (("requirements-test.txt",), ())


def test_settings_of_a_real_file(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    found = find_needs(tmp_path, {}, read_pytest_settings(tmp_path, {}), Used())
    assert found.why == ("pytest-asyncio: pytest.ini sets asyncio_mode",)
