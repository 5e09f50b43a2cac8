"""Which files and folders a pytest command names."""

import configparser
import tomllib
from collections.abc import Sequence
from pathlib import Path

from toolkit.config import Config, Profile

_WITH_VALUE = frozenset(
    {
        *("-k", "-m", "-p", "-c", "-o", "-W", "-n", "-r"),
        *("--ignore", "--ignore-glob", "--deselect", "--rootdir", "--confcutdir", "--basetemp", "--rsyncdir"),
        *("--junitxml", "--junit-xml", "--config-file", "--override-ini", "--import-mode", "--log-file"),
        *(
            "--cov",
            "--cov-config",
            "--cov-report",
            "--maxfail",
            "--durations",
            "--tb",
            "--capture",
            "--color",
        ),
        *("--timeout", "--retries", "--order", "--shard"),
    }
)
"""Options of pytest and its common plugins whose value may be a word of its own."""


def default_targets(config: Config, profile: Profile, posargs: Sequence[str]) -> list[str]:
    """List what to run when the command line names nothing: the profile's paths or the project's tests.

    Empty where pytest knows better: the user named tests, or the project's own pytest configuration has
    ``testpaths`` and the project's ``tests`` is not set.
    """
    if names_tests(config.root, posargs):
        return []
    if profile.paths:
        return list(profile.paths)
    if config.tests == Config().tests and has_testpaths(config.root):
        return []
    return [path for path in config.tests if (config.root / path).exists()]


def names_tests(root: Path, arguments: Sequence[str]) -> bool:
    """Tell whether pytest arguments name a file, a folder or a test by its node id."""
    previous = ""
    for argument in arguments:
        is_value = previous in _WITH_VALUE
        if not argument.startswith("-") and not is_value and (root / argument.partition("::")[0]).exists():
            return True
        previous = argument
    return "--pyargs" in arguments


def has_testpaths(root: Path) -> bool:
    """Tell whether the project's own pytest configuration says where its tests are.

    The first file that pytest would take decides:
    https://docs.pytest.org/en/stable/reference/customize.html#configuration-file-formats.
    """
    for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"):
        if (root / name).is_file():  # these count even when they are empty
            return "testpaths" in (_settings(root / name) or {})
    for name in ("pyproject.toml", "tox.ini", "setup.cfg"):
        settings = _settings(root / name) if (root / name).is_file() else None
        if settings is not None:
            return "testpaths" in settings
    return False


def _settings(file: Path) -> dict[str, object] | None:
    """Return the pytest section of a file, None when there is none. pytest itself reports broken files."""
    try:
        text = file.read_text(encoding="utf-8")
        return _toml_settings(text, file.name) if file.suffix == ".toml" else _ini_settings(text, file.name)
    except (tomllib.TOMLDecodeError, configparser.Error, UnicodeDecodeError):
        return None


def _toml_settings(text: str, name: str) -> dict[str, object] | None:
    document = tomllib.loads(text)
    table = document.get("pytest") if name != "pyproject.toml" else document.get("tool", {}).get("pytest")
    if not isinstance(table, dict):
        return None
    inner = table.get("ini_options", table)
    return inner if isinstance(inner, dict) else None


def _ini_settings(text: str, name: str) -> dict[str, object] | None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    section = "tool:pytest" if name == "setup.cfg" else "pytest"
    return dict(parser[section]) if parser.has_section(section) else None
