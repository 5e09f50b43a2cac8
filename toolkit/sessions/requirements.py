"""What a profile's environment must contain: the project, what its tests need, and the toolkit."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nox.project

from toolkit.config import Config, Profile
from toolkit.config.validation import unknown
from toolkit.errors import ConfigError
from toolkit.sessions.origin import DISTRIBUTION, toolkit_arguments

TEST_NAMES = ("test", "tests", "testing")
"""Names of groups and extras that are taken for the tests' when the configuration names none."""

DEVELOPER_NAMES = ("dev", "develop", "development")
"""Taken when there is none for the tests."""

REQUIREMENT_FILES = tuple(
    pattern.format(name)
    for name in (*TEST_NAMES, *DEVELOPER_NAMES)
    for pattern in (
        "requirements-{}.txt",
        "requirements/{}.txt",
        "{}-requirements.txt",
        "requirements_{}.txt",
    )
)

TOOLKIT_EXTRAS = ("test",)


def install_arguments(
    config: Config, profile: Profile, document: Mapping[str, Any], *, benchmarks: bool = False
) -> list[str]:
    """List the arguments of one ``pip install`` that makes the environment of a profile.

    One command, so that the resolver sees every constraint at once. The lowest versions are resolved without
    the constraint files, which pin the newest.

    Args:
        config: of the project.
        profile: whose environment it is.
        document: the project's parsed pyproject.toml.
        benchmarks: whether pytest-benchmark is needed.

    Raises:
        ConfigError: a named dependency group or extra does not exist.
        EnvironmentFailed: the running toolkit cannot be installed again, see :mod:`toolkit.sessions.origin`.
    """
    extras, groups, files = _wanted(config, profile, document)
    _check_extras(document, extras)
    own = _canonical(config.project) == DISTRIBUTION  # the toolkit tests itself
    arguments = _project_arguments(config, document, [*extras, *(TOOLKIT_EXTRAS if own else ())])
    arguments += group_requirements(document, groups)
    for file in files:
        arguments += ["-r", file]
    arguments += [*config.install.requires, *profile.requires]
    arguments += ["pytest-benchmark>=4"] if benchmarks else []
    arguments += () if own else toolkit_arguments(TOOLKIT_EXTRAS)
    if profile.resolution != "highest":
        return ["--resolution", profile.resolution, *arguments]
    for file in config.install.constraints:
        arguments += ["-c", file]
    return arguments


def group_requirements(document: Mapping[str, Any], groups: Sequence[str]) -> tuple[str, ...]:
    """Resolve dependency groups (PEP 735) to requirements.

    Raises:
        ConfigError: there is no group of this name.
    """
    known = document.get("dependency-groups", {})
    for name in groups:
        if _canonical(name) not in map(_canonical, known):
            raise ConfigError(f"[dependency-groups]: {unknown('dependency group', name, known)}")
    return nox.project.dependency_groups(dict(document), *groups) if groups else ()


def _check_extras(document: Mapping[str, Any], extras: Sequence[str]) -> None:
    project = document.get("project", {})
    if "name" not in project or "optional-dependencies" in project.get("dynamic", ()):
        return  # only the build knows
    known = project.get("optional-dependencies", {})
    for name in extras:
        if _canonical(name) not in map(_canonical, known):
            raise ConfigError(f"[project.optional-dependencies]: {unknown('extra', name, known)}")


def read_document(root: Path) -> dict[str, Any]:
    """Return the parsed pyproject.toml of a project, an empty one where there is none."""
    file = root / "pyproject.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def installable(root: Path, document: Mapping[str, Any]) -> bool:
    """Tell whether a folder holds a project that pip can build, not only settings of tools."""
    return "project" in document or "build-system" in document or (root / "setup.py").is_file()


def _project_arguments(config: Config, document: Mapping[str, Any], extras: Sequence[str]) -> list[str]:
    if not config.install.project or not installable(config.root, document):
        return []
    what = f".[{','.join(dict.fromkeys(extras))}]" if extras else "."
    return ["-e", what] if config.install.editable else [what]


def _wanted(
    config: Config, profile: Profile, document: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return extras, groups and requirement files: those that the configuration names, else found ones."""
    install = config.install
    named = (install.extras, install.groups, install.requirements)
    said = any(named) or bool(install.requires)
    extras, groups, files = named if said else find_test_requirements(config.root, document)
    return (*extras, *profile.extras), (*groups, *profile.groups), files


def find_test_requirements(
    root: Path, document: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Find what the tests need: (extras, dependency groups, requirement files), the first kind that exists.

    First whatever bears the name of the tests, then whatever bears that of the developers.
    """
    groups = document.get("dependency-groups", {})
    extras = document.get("project", {}).get("optional-dependencies", {})
    for names in (TEST_NAMES, DEVELOPER_NAMES):
        for name in names:
            if name in groups:
                return (), (name,), ()
            if name in extras:
                return (name,), (), ()
        files = [file for file in REQUIREMENT_FILES if any(name in file for name in names)]
        found = next((file for file in files if (root / file).is_file()), None)
        if found:
            return (), (), (found,)
    return (), (), ()


def _canonical(name: str) -> str:
    """Normalise a project's name: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()
