"""Where things are in a project: code, tests, members, who installs it, what pytest is told already."""

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from toolkit.config.loading import detect_source, supported_pythons
from toolkit.config.pytest_settings import PytestSettings, read_ini, read_pytest_settings

Shape = Literal["src", "flat", "monorepo", "none"]

SKIPPED = frozenset(
    {
        "build",
        "dist",
        "docs",
        "doc",
        "node_modules",
        "site-packages",
        "venv",
        "env",
        "vendor",
        "_vendor",
        "examples",
    }
)
"""Folders in which no test of the project is looked for; hidden ones are none either."""

TEST_FOLDERS = ("tests", "test", "testing")

MANAGERS = (
    ("uv.lock", "uv"),
    ("poetry.lock", "poetry"),
    ("pdm.lock", "pdm"),
    ("pixi.lock", "pixi"),
    ("Pipfile.lock", "pipenv"),
)
"""A lock file → whoever wrote it; the first that exists decides."""

DEEPEST = 6
"""Levels of folders that are looked into."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a project. All paths are relative to ``root`` and use ``/``."""

    root: Path
    project: str
    """Name of the distribution; without one, that of the folder."""
    shape: Shape
    source: tuple[str, ...]
    """Folders and files of the code under test."""
    tests: tuple[str, ...]
    """Folders and files with tests."""
    files: tuple[str, ...]
    """Every test file."""
    members: tuple[str, ...]
    """Folders of more projects in this one."""
    manager: str
    """Who installs it: uv, poetry, pdm, hatch, setuptools …"""
    pythons: tuple[str, ...]
    """Supported Pythons, as the metadata say; empty: they do not."""
    discovered: bool
    """Whether setuptools takes every folder for a package, since nobody says which are."""
    pytest: PytestSettings
    existing: tuple[str, ...]
    """Files that are there and that adoption would have written, or that do similar things."""


def read_layout(root: Path, document: Mapping[str, Any]) -> Layout:
    """Look at a project; reads names of files, and the configuration of pytest.

    Args:
        root: the project's folder, absolute.
        document: its parsed pyproject.toml.
    """
    settings = read_pytest_settings(root, document)
    members = tuple(find_members(root, document))
    files = tuple(sorted(find_files(root, settings.file_patterns)))
    project = document.get("project", {})
    name = str(project.get("name", ""))
    source = tuple(dict.fromkeys(_sources(root, name, members)))
    return Layout(
        root=root,
        project=name or root.name,
        shape=_shape(source, members),
        source=source,
        tests=test_folders(root, settings, files, source),
        files=files,
        members=members,
        manager=find_manager(root, document),
        pythons=_said_pythons(project),
        discovered=_discovered(root, document, source),
        pytest=settings,
        existing=tuple(name for name in NEIGHBOURS if (root / name).exists()),
    )


NEIGHBOURS = (
    "noxfile.py",
    "tasks.py",
    "tox.ini",
    "pytest.ini",
    "setup.cfg",
    "setup.py",
    "Makefile",
    ".github/workflows",
)


def _sources(root: Path, name: str, members: Iterable[str]) -> Iterator[str]:
    namespace = name.split(".", maxsplit=1)[0]  # its folder is no package: any project may add to it
    yield from detect_source(root, name) or (
        (namespace,) if (root / namespace).is_dir() and namespace else ()
    )
    for member in members:
        folder = root / member
        for found in detect_source(folder, folder.name) or (".",):
            yield member if found == "." else f"{member}/{found}"


def _shape(source: tuple[str, ...], members: tuple[str, ...]) -> Shape:
    if members:
        return "monorepo"
    if not source:
        return "none"
    return "src" if source[0] == "src" else "flat"


def _said_pythons(project: Mapping[str, Any]) -> tuple[str, ...]:
    said = any("Programming Language :: Python :: 3." in str(line) for line in project.get("classifiers", ()))
    return supported_pythons(project) if said or project.get("requires-python") else ()


def _discovered(root: Path, document: Mapping[str, Any], source: tuple[str, ...]) -> bool:
    """Tell whether a new folder of any name would be taken for a package by setuptools.

    See https://setuptools.pypa.io/en/latest/userguide/package_discovery.html#flat-layout.
    """
    backend = str(document.get("build-system", {}).get("build-backend", "setuptools"))
    if not backend.startswith("setuptools") or "src" in source:
        return False
    table = document.get("tool", {}).get("setuptools", {})
    options = read_ini(root / "setup.cfg").get("options", {})
    script = (root / "setup.py").read_bytes() if (root / "setup.py").is_file() else b""
    said = {"packages", "py-modules", "py_modules"}.intersection({*table, *options})
    return not said and b"packages" not in script and b"py_modules" not in script


def find_manager(root: Path, document: Mapping[str, Any]) -> str:
    """Tell who installs the project: its lock file says, else its build backend."""
    for file, manager in MANAGERS:
        if (root / file).is_file():
            return manager
    backend = str(document.get("build-system", {}).get("build-backend", "")).split(".", maxsplit=1)[0]
    known = {"hatchling": "hatch", "poetry": "poetry", "pdm": "pdm", "uv_build": "uv", "flit_core": "flit"}
    if backend:
        return known.get(backend, backend)
    return "setuptools" if (root / "setup.py").is_file() or (root / "setup.cfg").is_file() else "none"


def find_members(root: Path, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders of further projects: what the workspace names, else folders with metadata and tests.

    Examples and templates that only look like projects have no tests of their own.
    """
    workspace = document.get("tool", {}).get("uv", {}).get("workspace", {})
    excluded = [str(pattern) for pattern in workspace.get("exclude", ())]
    if workspace.get("members"):
        for pattern in workspace["members"]:
            for folder in sorted(root.glob(str(pattern))):
                name = folder.relative_to(root).as_posix()
                if _is_project(folder) and not any(fnmatch.fnmatch(name, each) for each in excluded):
                    yield name
        return
    for pattern in ("*", "packages/*", "libs/*", "projects/*", "plugins/*"):
        for folder in sorted(root.glob(pattern)):
            name = folder.relative_to(root).as_posix()
            if _looked_into(folder.name) and _is_project(folder) and _has_tests(folder):
                yield name


def _is_project(folder: Path) -> bool:
    if (folder / "setup.py").is_file():
        return True
    file = folder / "pyproject.toml"
    return file.is_file() and b"[project]" in file.read_bytes()


def _has_tests(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in TEST_FOLDERS)


def _looked_into(name: str) -> bool:
    return (
        not name.startswith((".", "_"))
        and name not in SKIPPED
        and not name.endswith((".egg-info", ".dist-info"))
    )


def find_files(root: Path, patterns: Iterable[str]) -> Iterator[str]:
    """Yield the files below ``root`` whose names match, relative to it; not what is hidden or built."""
    for folder, names, files in os.walk(root):
        here = Path(folder).relative_to(root)
        names[:] = sorted(
            name
            for name in names
            if _looked_into(name)
            and len(here.parts) < DEEPEST
            and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            readable = os.access(Path(folder) / name, os.R_OK)  # editors leave links to nothing
            if readable and any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                yield (here / name).as_posix()


def test_folders(
    root: Path, settings: PytestSettings, files: Iterable[str], source: tuple[str, ...]
) -> tuple[str, ...]:
    """Return where tests are: what pytest is told, else the outermost folders that hold them.

    A folder inside the code (``package/tests``) is one. A module of the code (``package/test_it.py``) is
    named itself where nothing else has tests: beside real ones it rather helps others to test. Test modules
    of an unusual name are named too, since pytest runs what it is given. The code belongs to it where pytest
    is told to run doctests of modules.
    """
    told = [
        path.relative_to(root).as_posix() for name in settings.testpaths for path in sorted(root.glob(name))
    ]
    if told:
        return tuple(dict.fromkeys(told))
    found = list(dict.fromkeys(_place(file) for file in files))
    apart = [place for place in found if not (place.endswith(".py") and _is_inside(place, source))]
    found = apart or found
    unusual = [name for folder in TEST_FOLDERS for name in _unusual(root, folder, found)]
    outermost = [place for place in found if not _is_inside(place, found)]
    doctested = [place for place in source if "--doctest-modules" in settings.addopts]
    return tuple(dict.fromkeys((*outermost, *unusual, *doctested)))


def _is_inside(place: str, folders: Iterable[str]) -> bool:
    return any(place.startswith(f"{folder}/") for folder in folders)


def _place(file: str) -> str:
    """Return the outermost folder of a test file whose name says that tests are in it, else the file."""
    parts = file.split("/")
    for depth, name in enumerate(parts[:-1], start=1):
        if name in TEST_FOLDERS:
            return "/".join(parts[:depth])
    return file


def _unusual(root: Path, folder: str, found: Iterable[str]) -> list[str]:
    """Return the test modules of a folder in which no file bears the name of a test."""
    if folder in found or not (root / folder).is_dir():
        return []
    modules = sorted((root / folder).rglob("*.py"))
    return [path.relative_to(root).as_posix() for path in modules if _defines_tests(path)]


def _defines_tests(path: Path) -> bool:
    return re.search(rb"TestCase\)|^(?:async )?def test_", path.read_bytes(), re.MULTILINE) is not None


def top_of(file: Path) -> Path:
    """Return the outermost package of a module, or the module itself: under its name it is imported."""
    top = file
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    return top
