"""What the tests need beside the project: what it declares somewhere, and widespread plugins that it uses.

Where no group, extra or file bears the name of the tests, the places are read that other tools use: tox,
hatch, poetry, pdm, ``setup.py``. What a test imports or asks for is looked up in the short tables of
widespread packages in :mod:`toolkit.adopt.known`. A name that was merely seen in an
``import`` is never installed: anybody may own it in the index.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import msgspec

from toolkit.adopt.known import (
    KNOWN_FIXTURES,
    KNOWN_IMPORTS,
    KNOWN_KEYS,
    KNOWN_MARKERS,
    KNOWN_OPTIONS,
)
from toolkit.config.needs import DEVELOPER_NAMES, TEST_NAMES, canonical, find_test_requirements
from toolkit.config.pytest_settings import PytestSettings, read_ini

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be installed beside the project, and why it is known."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    """Requirement files."""
    requires: tuple[str, ...] = ()
    """Single requirements that no group, extra or file has."""
    why: tuple[str, ...] = ()
    """One line for each finding."""
    unclear: tuple[str, ...] = ()
    """Modules that tests import and nobody declares; told, never installed."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests use, read from their syntax."""

    imports: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()
    markers: frozenset[str] = frozenset()
    fixtures: frozenset[str] = frozenset()
    """Fixtures that the tests define themselves."""


def read_used(files: Iterable[Path]) -> Used:
    """Read which modules, fixtures and markers test files use; a file that is no Python uses nothing."""
    imports: set[str] = set()
    arguments: set[str] = set()
    markers: set[str] = set()
    fixtures: set[str] = set()
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        guarded = _guarded(tree)
        for node in ast.walk(tree):
            imports.update(() if node in guarded else _imported(node))
            markers.update(_marked(node))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                _note_function(node, arguments, fixtures)
    return Used(
        imports=frozenset(imports),
        arguments=frozenset(arguments),
        markers=frozenset(markers),
        fixtures=frozenset(fixtures),
    )


def _guarded(tree: ast.AST) -> set[ast.AST]:
    """Return the nodes inside ``try``: such an import may fail."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (name.name.split(".")[0] for name in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.split(".")[0]


def _marked(node: ast.AST) -> Iterator[str]:
    """Yield NAME of ``pytest.mark.NAME``."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark":
        yield node.attr


def _note_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, arguments: set[str], fixtures: set[str]
) -> None:
    is_fixture = any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
    if is_fixture:
        fixtures.add(node.name)
    if is_fixture or node.name.startswith("test"):
        arguments.update(argument.arg for argument in node.args.args)
        for decorator in node.decorator_list:  # parameters are no fixtures
            if "parametrize" in ast.unparse(decorator):
                fixtures.update(re.findall(r"\w+", ast.unparse(decorator)))


def find_needs(
    root: Path,
    document: Mapping[str, Any],
    settings: PytestSettings,
    used: Used,
    *,
    local: frozenset[str] = frozenset(),
    also: frozenset[str] = frozenset(),
) -> Needs:
    """Tell what is to be written into ``[tool.toolkit.install]``.

    Args:
        root: the project's folder.
        document: its parsed pyproject.toml.
        settings: what pytest is told.
        used: what the tests use.
        local: names of modules that are in the project itself.
        also: distributions that are installed for another reason.
    """
    extras, groups, files = find_test_requirements(root, document)
    found = Needs(extras=extras, groups=groups, requirements=files)
    if not (extras or groups or files):
        found = _elsewhere(root, document)
    declared = declared_names(root, document, found)
    if found.extras and not declared:
        return found  # only the build knows what the extra contains
    declared |= also
    missing = dict(_missing(settings, used, declared))
    if not missing:
        return msgspec.structs.replace(found, unclear=_unclear(used, declared, local))
    return msgspec.structs.replace(
        found,
        requires=(*found.requires, *sorted(missing)),
        why=(*found.why, *(f"{name}: {why}" for name, why in sorted(missing.items()))),
        unclear=_unclear(used, declared | missing.keys(), local),
    )


def _missing(settings: PytestSettings, used: Used, declared: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    asked = used.arguments - used.fixtures
    seen = [
        *((KNOWN_IMPORTS[name], "a test imports it") for name in sorted(used.imports & KNOWN_IMPORTS.keys())),
        *((KNOWN_FIXTURES[name], f"a test uses {name}") for name in sorted(asked & KNOWN_FIXTURES.keys())),
        *(
            (KNOWN_MARKERS[name], f"a test bears {name}")
            for name in sorted(used.markers & KNOWN_MARKERS.keys())
        ),
        *((KNOWN_KEYS[key], f"{settings.file} sets {key}") for key in settings.keys if key in KNOWN_KEYS),
        *(
            (package, f"{settings.file} has {option}")
            for option in settings.addopts
            for start, package in KNOWN_OPTIONS.items()
            if option.startswith(start)
        ),
    ]
    yield from ((package, why) for package, why in reversed(seen) if package not in declared)


def _unclear(used: Used, declared: AbstractSet[str], local: frozenset[str]) -> tuple[str, ...]:
    import sys

    known = {"pytest", "_pytest", "pluggy", "setuptools", "pkg_resources", *local, *sys.stdlib_module_names}
    named = {name.replace("-", "_") for name in declared}
    return tuple(
        sorted(
            name
            for name in used.imports
            if name not in known and name.lower() not in named and name not in KNOWN_IMPORTS
        )
    )


def declared_names(root: Path, document: Mapping[str, Any], found: Needs) -> frozenset[str]:
    """Return the canonical names of all that the project and its found test requirements declare."""
    project = document.get("project", {})
    extras = project.get("optional-dependencies", {})
    lines = [*project.get("dependencies", ()), *found.requires]
    for name in found.extras:
        lines += extras.get(name, ())
    for name in found.groups:
        lines += group_lines(document, name)
    for file in found.requirements:
        lines += file_lines(root / file)
    return frozenset(canonical(_name(line)) for line in lines)


def _name(line: str) -> str:
    match = _NAME.match(line)
    return match[1] if match else ""


def group_lines(document: Mapping[str, Any], name: str, *, depth: int = 0) -> list[str]:
    """Return the requirements of a dependency group and of those that it includes."""
    lines: list[str] = []
    for entry in document.get("dependency-groups", {}).get(name, ()):
        if isinstance(entry, str):
            lines.append(entry)
        elif isinstance(entry, Mapping) and depth < DEEPEST:
            lines += group_lines(document, str(entry.get("include-group", "")), depth=depth + 1)
    return lines


DEEPEST = 10
"""Groups and files that include each other are followed so deep."""


def file_lines(file: Path, *, depth: int = 0) -> list[str]:
    """Return the requirements of a requirement file and of those that it includes."""
    lines: list[str] = []
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for line in text.splitlines():
        included = re.match(r"\s*(?:-r|--requirement)[ =]\s*(\S+)", line)
        if included and depth < DEEPEST:
            lines += file_lines(file.parent / included[1], depth=depth + 1)
        elif line.strip() and not line.strip().startswith(("#", "-")):
            lines.append(line.strip())
    return lines


def _elsewhere(root: Path, document: Mapping[str, Any]) -> Needs:
    """Look where other tools keep what tests need; the first place that has something wins."""
    tool = document.get("tool", {})
    places = (
        ("[tool.hatch.envs]", _of_hatch(tool.get("hatch", {}).get("envs", {}))),
        ("[tool.poetry]", _of_poetry(tool.get("poetry", {}))),
        ("[tool.pdm.dev-dependencies]", _named(tool.get("pdm", {}).get("dev-dependencies", {}))),
        ("tox.ini", _of_tox(read_ini(root / "tox.ini"))),
    )
    extra = next(iter(_setup_extras(root)), "")
    if extra:
        return Needs(extras=(extra,), why=(f"the extra {extra!r} of setup.py or setup.cfg",))
    for place, found in places:
        lines = [line for line in found if _name(line) and canonical(_name(line)) != "pytest"]
        if lines:
            return Needs(requires=tuple(dict.fromkeys(lines)), why=(f"taken over from {place}",))
    return Needs()


def _named(table: Mapping[str, Any]) -> list[str]:
    """Return the rows of the first name that tests or developers use."""
    for name in (*TEST_NAMES, *DEVELOPER_NAMES):
        if table.get(name):
            return [str(line) for line in table[name]]
    return []


def _of_hatch(environments: Mapping[str, Any]) -> list[str]:
    for name in ("hatch-test", *TEST_NAMES, "default", *DEVELOPER_NAMES):
        table = environments.get(name, {})
        lines = [*table.get("dependencies", ()), *table.get("extra-dependencies", ())]
        if lines:
            return [str(line) for line in lines if "{" not in str(line)]
    return []


def _of_poetry(table: Mapping[str, Any]) -> list[str]:
    groups = {name: group.get("dependencies", {}) for name, group in table.get("group", {}).items()}
    groups.setdefault("dev", table.get("dev-dependencies", {}))
    rows: Mapping[str, Any] = next(
        (groups[name] for name in (*TEST_NAMES, *DEVELOPER_NAMES) if groups.get(name)), {}
    )
    return [requirement for name, value in rows.items() if (requirement := _poetry_requirement(name, value))]


def _poetry_requirement(name: str, value: Any) -> str:
    """Turn a poetry constraint into a lower bound: ``^1.2`` into ``>=1.2``; a path or URL into nothing."""
    if isinstance(value, Mapping):
        value = value.get("version", "")
    if not isinstance(value, str) or not value:
        return ""
    match = re.match(r"[\^~]?=?\s*(\d[\w.]*)", value)
    if match and value[0] in "^~0123456789":
        return f"{name}>={match[1]}"
    return name if value == "*" else f"{name}{value}"


def _of_tox(sections: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the plain requirements of ``[testenv] deps``; factors and substitutions are left out."""
    lines = sections.get("testenv", {}).get("deps", "").splitlines()
    return [line.strip() for line in lines if line.strip() and not re.search(r"[{}\[\]]|^\s*-|^\S+:\s", line)]


def _setup_extras(root: Path) -> Iterator[str]:
    """Yield the extras of setup.cfg and setup.py that bear a name of tests; setup.py is read, not run."""
    names = set(read_ini(root / "setup.cfg").get("options.extras_require", {}))
    file = root / "setup.py"
    if file.is_file():
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            tree = ast.Module(body=[], type_ignores=[])
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "extras_require"
                and isinstance(node.value, ast.Dict)
            ):
                names.update(str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))
    yield from (name for name in (*TEST_NAMES, *DEVELOPER_NAMES) if name in names)
