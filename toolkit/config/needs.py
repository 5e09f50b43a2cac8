"""What the tests of a project need, found by the names that projects use for it."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def read_document(root: Path) -> dict[str, Any]:
    """Return the parsed pyproject.toml of a project, an empty one where there is none."""
    file = root / "pyproject.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


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


def canonical(name: str) -> str:
    """Normalise a project's name: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()
