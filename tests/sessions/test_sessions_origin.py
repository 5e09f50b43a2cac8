"""The environment of the tests gets the very toolkit that runs Nox, however that was installed."""

import importlib.metadata
from pathlib import Path

import pytest

from toolkit.errors import EnvironmentFailed
from toolkit.sessions.origin import DISTRIBUTION, OVERRIDE, arguments_of, toolkit_arguments

EXTRAS = ("test",)
NAME = f"{DISTRIBUTION}[test]"


def test_from_an_index_it_is_the_version() -> None:
    assert arguments_of(None, version="1.2", extras=EXTRAS) == (f"{NAME}==1.2",)
    assert arguments_of(None, version="1.2", extras=()) == (f"{DISTRIBUTION}==1.2",)


def test_from_a_repository_it_is_the_commit() -> None:
    record = {
        "url": "https://example.org/r.git",
        "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "abc"},
    }
    assert arguments_of(record, version="1", extras=EXTRAS) == (
        f"{NAME} @ git+https://example.org/r.git@abc",
    )
    below = {**record, "subdirectory": "python"}
    assert arguments_of(below, version="1", extras=())[0].endswith("@abc#subdirectory=python")


def test_from_a_folder_editable_stays_editable(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    editable = {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
    assert arguments_of(editable, version="1", extras=EXTRAS) == ("-e", f"{tmp_path}[test]")
    copied = {"url": tmp_path.as_uri(), "dir_info": {}}
    assert arguments_of(copied, version="1", extras=EXTRAS) == (f"{NAME} @ {tmp_path.as_uri()}",)


@pytest.mark.parametrize("name", ["a b.whl", "nox_invoke_toolkit-1.tar.gz"])
def test_from_a_file_it_is_the_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.touch()
    record = {"url": file.as_uri(), "archive_info": {}}
    assert arguments_of(record, version="1", extras=EXTRAS) == (f"{NAME} @ {file.as_uri()}",)
    file.unlink()
    with pytest.raises(EnvironmentFailed, match="which is gone") as error:
        arguments_of(record, version="1", extras=EXTRAS)
    assert OVERRIDE in str(error.value)


def test_from_an_address_it_is_the_address() -> None:
    record = {"url": "https://example.org/x.whl", "archive_info": {}}
    assert arguments_of(record, version="1", extras=()) == (f"{DISTRIBUTION} @ https://example.org/x.whl",)


def test_the_environment_overrides(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    wheel = tmp_path / "x.whl"
    wheel.touch()
    assert toolkit_arguments(EXTRAS, {OVERRIDE: str(tmp_path)}) == ("-e", f"{tmp_path}[test]")
    assert toolkit_arguments(EXTRAS, {OVERRIDE: str(wheel)}) == (f"{NAME} @ {wheel.as_uri()}",)
    assert toolkit_arguments(EXTRAS, {OVERRIDE: "x==1"}) == ("x==1",)


def test_the_one_installed_here_is_found() -> None:
    """This environment is made by a session or by uv: either recorded where the toolkit is."""
    arguments = toolkit_arguments(EXTRAS, {})
    assert any("test" in argument for argument in arguments)


def test_without_metadata_it_is_the_source_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    assert toolkit_arguments((), {})[0] == "-e"
    monkeypatch.setattr("toolkit.__file__", str(tmp_path / "toolkit" / "__init__.py"))
    with pytest.raises(EnvironmentFailed, match="no project that can be installed"):
        toolkit_arguments((), {})
