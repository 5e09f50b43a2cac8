"""Coverage of every process of a run: pytest, its workers, and the subprocesses that tests start.

The project's own coverage settings are kept; what they lack for that is added in a configuration file of the
run, which ``coverage run --rcfile`` takes. Subprocesses are measured by coverage's own patch:
https://coverage.readthedocs.io/en/latest/config.html#run-patch.
"""

import configparser
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from coverage import Coverage

FOLDER = "coverage"
"""Folder of the data files in the folder of a run."""

_LISTS = ("omit", "include", "source_pkgs", "source_dirs", "plugins", "concurrency", "disable_warnings")
_FLAGS = ("relative_files", "timid", "cover_pylib", "sigterm")
_WORDS = ("core", "dynamic_context")


def write_coverage_config(root: Path, run_folder: Path, *, source: Sequence[str], context: str) -> Path:
    """Write the configuration for the coverage of one run and return its path.

    Args:
        root: of the project; its own settings are read here.
        run_folder: gets ``coverage.ini`` and the folder of the data files.
        source: packages and folders to measure, unless the project's own settings say it.
        context: name under which the combined data tells this run from others.

    Raises:
        ConfigError: the project's own settings cannot be read.
        MissingExtra: coverage is not installed beside Nox.
    """
    own = _own_settings(root)
    data = run_folder / FOLDER
    data.mkdir(parents=True, exist_ok=True)
    parser = configparser.RawConfigParser()
    parser["run"] = {
        **dict(_run_section(own, source)),
        "context": context,
        "data_file": str(data / ".coverage"),
    }
    for plugin in _words(own.get_option("run:plugins")):
        parser[plugin] = {key: str(value) for key, value in own.config.get_plugin_options(plugin).items()}
    file = run_folder / "coverage.ini"
    with file.open("w", encoding="utf-8") as stream:
        parser.write(stream)
    return file


def _own_settings(root: Path) -> "Coverage":
    try:
        from coverage import Coverage
        from coverage.exceptions import CoverageException
    except ImportError as error:
        raise MissingExtra("measuring coverage", extra="control", package="coverage") from error
    try:
        with contextlib.chdir(root):
            return Coverage(config_file=True)
    except CoverageException as error:
        raise ConfigError(f"{root}: coverage cannot read the project's settings: {error}") from error


def _run_section(own: "Coverage", source: Sequence[str]) -> Iterator[tuple[str, str]]:
    limits = [own.get_option(f"run:{key}") for key in ("source", "source_pkgs", "source_dirs", "include")]
    yield "source", _joined(map(_importable, _words(limits[0]) if any(limits) else source))
    yield "branch", "true"
    yield "parallel", "true"
    yield "patch", _joined(dict.fromkeys([*_words(own.get_option("run:patch")), "subprocess"]))
    for key in _LISTS:
        if values := _words(own.get_option(f"run:{key}")):
            yield key, _joined(values)
    for key in _FLAGS:
        yield key, str(bool(own.get_option(f"run:{key}"))).lower()
    for key in _WORDS:
        if value := own.get_option(f"run:{key}"):
            yield key, str(value)


def _importable(source: str) -> str:
    """Coverage measures folders and modules: a file is named as its module."""
    return source.removesuffix(".py")


def _words(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _joined(values: Iterable[str]) -> str:
    return "\n".join(["", *values])
