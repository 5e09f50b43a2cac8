"""What a profile's environment must contain: the project, what its tests need, and the toolkit."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import nox.project

from toolkit.config import Config, Profile
from toolkit.config.needs import canonical, find_test_requirements, read_document
from toolkit.config.validation import unknown
from toolkit.errors import ConfigError
from toolkit.sessions.origin import DISTRIBUTION, toolkit_arguments

TOOLKIT_EXTRAS = ("test",)
PROFILING = "profiling"
"""Extra of the toolkit for a profile that profiles slow tests."""


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
    mine = TOOLKIT_EXTRAS if profile.profile_slow is None else (*TOOLKIT_EXTRAS, PROFILING)
    own = canonical(config.project) == DISTRIBUTION  # the toolkit tests itself
    arguments = _project_arguments(config, document, [*extras, *(mine if own else ())])
    arguments += group_requirements(document, groups)
    for file in files:
        arguments += ["-r", file]
    for member in config.install.members:
        arguments += _member_arguments(config, member)
    arguments += [*config.install.requires, *profile.requires]
    arguments += ["pytest-benchmark>=4"] if benchmarks else []
    arguments += () if own else toolkit_arguments(mine)
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
        if canonical(name) not in map(canonical, known):
            raise ConfigError(f"[dependency-groups]: {unknown('dependency group', name, known)}")
    return nox.project.dependency_groups(dict(document), *groups) if groups else ()


def _check_extras(document: Mapping[str, Any], extras: Sequence[str]) -> None:
    project = document.get("project", {})
    if "name" not in project or "optional-dependencies" in project.get("dynamic", ()):
        return  # only the build knows
    known = project.get("optional-dependencies", {})
    for name in extras:
        if canonical(name) not in map(canonical, known):
            raise ConfigError(f"[project.optional-dependencies]: {unknown('extra', name, known)}")


def installable(root: Path, document: Mapping[str, Any]) -> bool:
    """Tell whether a folder holds a project that pip can build, not only settings of tools."""
    return "project" in document or "build-system" in document or (root / "setup.py").is_file()


def _project_arguments(config: Config, document: Mapping[str, Any], extras: Sequence[str]) -> list[str]:
    if not config.install.project or not installable(config.root, document):
        return []
    what = f".[{','.join(dict.fromkeys(extras))}]" if extras else "."
    return ["-e", what] if config.install.editable else [what]


def _member_arguments(config: Config, member: str) -> list[str]:
    """Return what installs another project of the repository, and what its own tests need."""
    folder = config.root / member
    document = read_document(folder)
    if not installable(folder, document):
        raise ConfigError(
            f"tool.toolkit.install.members: {member!r} is no folder with a project: expected a "
            "pyproject.toml with a [project] table, or a setup.py, in it"
        )
    extras, groups, files = find_test_requirements(folder, document)
    path = f"./{PurePosixPath(member)}"
    arguments = [f"{path}[{','.join(extras)}]" if extras else path]
    if config.install.editable:
        arguments.insert(0, "-e")
    arguments += group_requirements(document, groups)
    for file in files:
        arguments += ["-r", f"{path}/{file}"]
    return arguments


def _wanted(
    config: Config, profile: Profile, document: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return extras, groups and requirement files: those that the configuration names, else found ones."""
    install = config.install
    named = (install.extras, install.groups, install.requirements)
    said = any(named) or bool(install.requires)
    extras, groups, files = named if said else find_test_requirements(config.root, document)
    return (*extras, *profile.extras), (*groups, *profile.groups), files
