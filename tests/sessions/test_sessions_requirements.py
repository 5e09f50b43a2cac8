"""One install command has the project, what its tests need, and the toolkit."""

from pathlib import Path
from typing import Any

import pytest

from toolkit.config import Config, Install, Profile
from toolkit.config.needs import find_test_requirements, read_document
from toolkit.errors import ConfigError
from toolkit.sessions.requirements import install_arguments, installable


@pytest.fixture(autouse=True)
def fixed_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toolkit's own origin depends on how these tests are run."""
    monkeypatch.setenv("TOOLKIT_REQUIREMENT", "the-toolkit")


def arguments(
    root: Path, document: dict[str, Any], profile: Profile | None = None, **install: Any
) -> list[str]:
    config = Config(root=root, project="app", install=Install(**install))
    return install_arguments(config, profile or Profile(), document)


def test_the_group_of_the_tests_is_found(tmp_path: Path) -> None:
    document = {"project": {}, "dependency-groups": {"tests": ["trio", {"include-group": "b"}], "b": ["b>1"]}}
    assert arguments(tmp_path, document) == ["-e", ".", "trio", "b>1", "the-toolkit"]


@pytest.mark.parametrize(
    ("document", "files", "expected"),
    [
        ({"project": {"optional-dependencies": {"testing": [], "dev": []}}}, (), (("testing",), (), ())),
        ({"dependency-groups": {"dev": [], "test": []}}, (), ((), ("test",), ())),
        ({"dependency-groups": {"dev": []}}, (), ((), ("dev",), ())),
        (
            {"dependency-groups": {"dev": []}},
            ("requirements/tests.txt",),
            ((), (), ("requirements/tests.txt",)),
        ),
        ({}, ("requirements-dev.txt",), ((), (), ("requirements-dev.txt",))),
        ({}, (), ((), (), ())),
    ],
)
def test_what_the_tests_need_is_found(
    tmp_path: Path, document: dict[str, Any], files: tuple[str, ...], expected: object
) -> None:
    """What bears the name of the tests comes before what is the developers'."""
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert find_test_requirements(tmp_path, document) == expected


def test_what_the_configuration_names_replaces_what_would_be_found(tmp_path: Path) -> None:
    document = {"project": {"optional-dependencies": {"test": []}}, "dependency-groups": {"g": ["g"]}}
    made = arguments(
        tmp_path,
        document,
        Profile(requires=("p",), extras=("e",)),
        groups=("g",),
        requires=("r",),
        constraints=("c.txt",),
        editable=False,
    )
    assert made == [".[e]", "g", "r", "p", "the-toolkit", "-c", "c.txt"]


def test_an_unknown_group_is_an_error_that_lists_the_valid(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown dependency group 'tset' \(did you mean 'test'\?\)"):
        arguments(tmp_path, {"dependency-groups": {"test": []}}, groups=("tset",))


def test_an_unknown_extra_is_an_error_that_lists_the_valid(tmp_path: Path) -> None:
    """Pip would only warn, and the tests would fail for another reason."""
    document = {"project": {"name": "app", "optional-dependencies": {"test": []}}}
    with pytest.raises(ConfigError, match=r"unknown extra 'tset' \(did you mean 'test'\?\)"):
        arguments(tmp_path, document, extras=("tset",))
    dynamic = {"project": {"name": "app", "dynamic": ["optional-dependencies"]}}
    assert ".[tset]" in arguments(tmp_path, dynamic, extras=("tset",))


def test_a_tree_without_build_is_not_installed(tmp_path: Path) -> None:
    assert arguments(tmp_path, {"tool": {}}) == ["the-toolkit"]
    assert arguments(tmp_path, {"project": {}}, project=False) == ["the-toolkit"]
    assert not installable(tmp_path, {"tool": {}})
    (tmp_path / "setup.py").touch()
    assert installable(tmp_path, {})


def test_the_toolkit_under_test_is_installed_once(tmp_path: Path) -> None:
    """A second copy beside the project would be another toolkit than the one tested."""
    config = Config(root=tmp_path, project="Nox_Invoke.Toolkit")
    made = install_arguments(config, Profile(), {"project": {"optional-dependencies": {"test": []}}})
    assert made == ["-e", ".[test]"]


def test_profiling_brings_its_extra(tmp_path: Path) -> None:
    config = Config(root=tmp_path, project="nox-invoke-toolkit")
    made = install_arguments(config, Profile(profile_slow=1.0), {"project": {}})
    assert made[:2] == ["-e", ".[test,profiling]"]


def test_benchmarks_bring_their_plugin(tmp_path: Path) -> None:
    made = install_arguments(Config(root=tmp_path), Profile(), {}, benchmarks=True)
    assert any(argument.startswith("pytest-benchmark") for argument in made)


def test_a_project_without_pyproject_has_an_empty_document(tmp_path: Path) -> None:
    assert read_document(tmp_path) == {}
    (tmp_path / "pyproject.toml").write_text("[project]\nname='x'\n", encoding="utf-8")
    assert read_document(tmp_path) == {"project": {"name": "x"}}


def test_lowest_versions_are_resolved_without_the_pins(tmp_path: Path) -> None:
    """Constraint files pin the newest versions: with them nothing low could be found."""
    made = arguments(tmp_path, {"project": {}}, Profile(resolution="lowest-direct"), constraints=("c.txt",))
    assert made == ["--resolution", "lowest-direct", "-e", ".", "the-toolkit"]


def test_members_are_installed_with_what_their_tests_need(tmp_path: Path) -> None:
    texts = {
        "a/pyproject.toml": '[project]\nname = "a"\n[project.optional-dependencies]\ntest = ["x"]\n',
        "b/pyproject.toml": '[project]\nname = "b"\n[dependency-groups]\ntests = ["y"]\n',
        "c/setup.py": "",
        "c/requirements-dev.txt": "z\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    made = arguments(tmp_path, {}, members=("a", "b", "c"))
    assert made == [
        *("-e", "./a[test]", "-e", "./b", "y", "-e", "./c", "-r", "./c/requirements-dev.txt"),
        "the-toolkit",
    ]
    assert arguments(tmp_path, {}, members=("c",), editable=False)[0] == "./c"


def test_a_member_without_a_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"install\.members: 'a' is no folder with a project"):
        arguments(tmp_path, {}, members=("a",))
