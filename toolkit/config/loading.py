"""Finding the project, reading its table, laying the overlay of the place over it."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from toolkit.config.ci import ci_mistakes
from toolkit.config.databases import database_mistakes
from toolkit.config.gates import gate_mistakes
from toolkit.config.maintenance import maintenance_mistakes
from toolkit.config.pipeline import pipeline_mistakes
from toolkit.config.profiles import BUILT_IN
from toolkit.config.services import BUILT_IN_ENVIRONMENTS, BUILT_IN_SERVICES, service_mistakes
from toolkit.config.settings import FOUND_FIELDS, Config, EnvironmentName
from toolkit.config.smells import smell_mistakes
from toolkit.config.tools import tool_mistakes, with_known_tools
from toolkit.config.validation import convert, raise_mistakes, unknown
from toolkit.errors import ConfigError

SUPPORTED_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""The Pythons this toolkit runs on, oldest first."""

TABLE = "tool.toolkit"


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` whose pyproject.toml has a [tool.toolkit] table.

    Without one: the nearest with any pyproject.toml, else the nearest with ``.git``, else ``start``.
    """
    start = start.resolve()
    candidates = [start, *start.parents]
    fallback: Path | None = None
    for folder in candidates:
        file = folder / "pyproject.toml"
        if file.is_file():
            if re.search(
                r"^\s*\[\[?tool\.toolkit[.\]]",
                file.read_text(encoding="utf-8", errors="replace"),
                re.MULTILINE,
            ):
                return folder
            fallback = fallback or folder
    return fallback or next((folder for folder in candidates if (folder / ".git").exists()), start)


def detect_environment(environ: Mapping[str, str]) -> EnvironmentName:
    """Tell where we are: ``TOOLKIT_ENV`` decides, else a CI variable, else local.

    Raises:
        ConfigError: ``TOOLKIT_ENV`` names no known place.
    """
    named = environ.get("TOOLKIT_ENV", "")
    places = get_args(EnvironmentName)
    if named:
        if named not in places:
            raise ConfigError(f"TOOLKIT_ENV={named!r}: {unknown('environment', named, places)}")
        return named  # type: ignore[return-value]  # checked against the literal's values
    return "ci" if environ.get("CI", "").lower() not in {"", "0", "false"} else "local"


def load_config(root: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Load the configuration of a project; without a table, the defaults.

    Args:
        root: the project's folder; None: found from the working directory.
        environ: None: the process's own. ``TOOLKIT_ENV`` and ``CI`` choose the overlay,
            ``TOOLKIT_HISTORY_URL`` replaces ``history``.

    Raises:
        ConfigError: every wrong key, type and value of the table.
    """
    environ = os.environ if environ is None else environ
    folder = find_root(Path.cwd()) if root is None else Path(root).resolve()
    file = folder / "pyproject.toml"
    document: dict[str, Any] = {}
    if file.is_file():
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: not valid TOML: {error}") from error
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from error
    return parse_config(document, root=folder, environ=environ)


def parse_config(document: Mapping[str, Any], *, root: Path, environ: Mapping[str, str]) -> Config:
    """Turn a parsed pyproject.toml into the configuration. See :func:`load_config`."""
    where = str(root / "pyproject.toml")
    table = document.get("tool", {}).get("toolkit", {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: {TABLE} = {table!r}: expected a table")
    environment = detect_environment(environ)
    table = _with_overlay(dict(table), environment, where)
    table["profiles"] = _with_built_ins(table.get("profiles", {}))
    table["services"] = _with_built_ins(table.get("services", {}), BUILT_IN_SERVICES)
    table["environments"] = _with_built_ins(table.get("environments", {}), BUILT_IN_ENVIRONMENTS)
    table["tools"] = with_known_tools(table.get("tools", {}))
    if environ.get("TOOLKIT_HISTORY_URL"):
        table["history"] = environ["TOOLKIT_HISTORY_URL"]
    config = convert(table, Config, path=TABLE, where=where, forbidden=FOUND_FIELDS)
    wanted = {name: profile.services for name, profile in config.profiles.items()}
    raise_mistakes(
        [
            *service_mistakes(config.services, config.environments, wanted),
            *database_mistakes(config.databases),
            *pipeline_mistakes(config.pipeline),
            *smell_mistakes(config.smells),
            *maintenance_mistakes(config.maintenance),
            *gate_mistakes(config.gates),
            *tool_mistakes(config.tools),
            *ci_mistakes(config.ci, {**config.services, **config.environments}, config.profiles),
        ],
        where,
    )
    project = document.get("project", {})
    return msgspec.structs.replace(
        config,
        root=root,
        environment=environment,
        project=str(project.get("name", "") or root.name),
        pythons=config.pythons or supported_pythons(project),
        source=config.source or detect_source(root, str(project.get("name", ""))),
    )


def supported_pythons(project: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell from a [project] table which of the supported Pythons it supports, oldest first.

    Classifiers decide; without any, ``requires-python`` (only its lower and upper bounds of the form
    ``>=``, ``>``, ``<``, ``<=``); without both, all.
    """
    prefix = "Programming Language :: Python :: "
    named = {str(line).removeprefix(prefix) for line in project.get("classifiers", ())}
    by_classifier = tuple(version for version in SUPPORTED_PYTHONS if version in named)
    if by_classifier:
        return by_classifier
    required = str(project.get("requires-python", ""))
    return tuple(version for version in SUPPORTED_PYTHONS if _allows(required, version)) or SUPPORTED_PYTHONS


def _allows(required: str, version: str) -> bool:
    wanted = tuple(map(int, version.split(".")))
    for operator, bound in re.findall(r"(>=|<=|<|>)\s*(\d+(?:\.\d+)?)", required):
        limit = tuple(map(int, bound.split(".")))
        shown = wanted[: len(limit)]
        refused = {">=": shown < limit, ">": shown < limit, "<": shown >= limit, "<=": shown > limit}
        if refused[operator]:
            return False
    return True


def detect_source(root: Path, project: str) -> tuple[str, ...]:
    """Guess where the code under test is: ``src``, the package named as the project, or all packages."""
    if (root / "src").is_dir():
        return ("src",)
    name = re.sub(r"[-_.]+", "_", project).lower()
    for candidate in (name, name.removeprefix("python_")):
        if candidate and (root / candidate).is_dir():
            return (candidate,)
        if candidate and (root / f"{candidate}.py").is_file():
            return (f"{candidate}.py",)
    packages = sorted(path.parent.name for path in root.glob("*/__init__.py"))
    return tuple(name for name in packages if name not in {"tests", "test", "docs", "examples", "benchmarks"})


def _with_overlay(table: dict[str, Any], environment: str, where: str) -> dict[str, Any]:
    overlays = table.pop("overlays", {})
    if not isinstance(overlays, Mapping):
        raise ConfigError(f"{where}: {TABLE}.overlays = {overlays!r}: expected a table")
    places = get_args(EnvironmentName)
    for name in overlays:
        if name not in places:
            raise ConfigError(f"{where}: {TABLE}.overlays.{name}: {unknown('environment', name, places)}")
        if not isinstance(overlays[name], Mapping):
            raise ConfigError(f"{where}: {TABLE}.overlays.{name} = {overlays[name]!r}: expected a table")
    return merge_tables(table, overlays.get(environment, {}))


def _with_built_ins(rows: Any, built_in: Mapping[str, Any] = BUILT_IN) -> Any:
    return merge_tables(built_in, rows) if isinstance(rows, Mapping) else rows


def merge_tables(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another: tables merge key by key, all other values replace."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            merged[key] = merge_tables(under, value)
        else:
            merged[key] = value
    return merged
