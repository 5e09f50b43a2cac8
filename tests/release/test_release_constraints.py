"""constraints.txt is exact: one version of each package for each Python, no address. `.ci/pin` writes it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
OWN = "nox-invoke-toolkit"
PYTHONS = ("3.11", "3.12", "3.13")


def environment(python: str) -> dict[str, str]:
    """Return the variables of markers on Linux, where CI runs."""
    machine = {"sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"}
    return {**machine, "python_version": python, "python_full_version": f"{python}.9"}


def pins(python: str) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for pin in map(Requirement, LINES):
        if pin.marker is None or pin.marker.evaluate(environment(python)):
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def demanded(document: dict[str, Any]) -> Iterator[Requirement]:
    """Yield what the project names itself: base, extras, groups."""
    lists = [
        document["project"]["dependencies"],
        *document["project"]["optional-dependencies"].values(),
        *document["dependency-groups"].values(),
    ]
    words = [word for each in lists for word in each if isinstance(word, str)]
    yield from (need for need in map(Requirement, words) if need.name != OWN)


def test_every_line_is_one_exact_version_without_an_address() -> None:
    for pin in map(Requirement, LINES):
        assert (pin.url, [each.operator for each in pin.specifier]) == (None, ["=="]), pin
    assert [line for line in LINES if "://" in line or line.startswith("-")] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_has_one_version_of_each_package(python: str) -> None:
    found = pins(python)
    assert len(found) > 150
    assert {name: rows for name, rows in found.items() if len(rows) > 1} == {}


@pytest.mark.parametrize("python", PYTHONS)
def test_what_the_project_demands_is_pinned_to_a_version_that_satisfies_it(python: str) -> None:
    found = pins(python)
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        need for need in demanded(document) if not need.marker or need.marker.evaluate(environment(python))
    ]
    assert len(wanted) > 60
    for need in wanted:
        (pin,) = found[canonicalize_name(need.name)]
        (version,) = (each.version for each in pin.specifier)
        assert need.specifier.contains(version, prereleases=True), f"{need}: {pin}"
