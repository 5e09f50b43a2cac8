"""What pytest is told in a project, whichever file it is told in."""

import configparser
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

FILE_PATTERNS = ("test_*.py", "*_test.py")
"""Files that pytest takes for tests when it is told nothing."""


class PytestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that matter here, and the file they stand in."""

    file: str = ""
    """Empty: there are none."""
    testpaths: tuple[str, ...] = ()
    file_patterns: tuple[str, ...] = FILE_PATTERNS
    addopts: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    """Names of registered markers."""
    keys: tuple[str, ...] = ()
    """Every key that is set."""


def read_pytest_settings(root: Path, document: Mapping[str, Any]) -> PytestSettings:
    """Read them from the file that pytest would take, in its order of precedence.

    The order: https://docs.pytest.org/en/stable/reference/customize.html#initialization-determining-rootdir-and-configfile
    """
    for file, table in _tables(root, document):
        return PytestSettings(
            file=file,
            testpaths=_words(table.get("testpaths", ())),
            file_patterns=_words(table.get("python_files", ())) or FILE_PATTERNS,
            addopts=_words(table.get("addopts", ())),
            markers=tuple(_marker(line) for line in _lines(table.get("markers", ()))),
            keys=tuple(table),
        )
    return PytestSettings()


def own_expression(addopts: Sequence[str]) -> str:
    """Return what ``-m`` says in addopts: the last one holds, as for pytest; empty: there is none."""
    found = ""
    for place, word in enumerate(addopts):
        if word == "-m" and place + 1 < len(addopts):
            found = addopts[place + 1]
        elif re.match(r"-m[^-]", word):
            found = word[2:].removeprefix("=")
    return found


def joined_expression(own: str, profile: str) -> str:
    """Join the project's own ``-m`` with that of a profile, which would replace it on the command line.

    A profile that asks for a marker by name ("slow") is stronger than a project that usually leaves it out.
    """
    if not own or not profile:
        return profile
    named = set(re.findall(r"\w+", own)) & set(re.findall(r"\w+", profile)) - {"not", "and", "or"}
    asks = not profile.lstrip("( ").startswith("not ")
    return profile if asks and named else f"({own}) and ({profile})"


def _tables(root: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in ("pytest.ini", ".pytest.ini"):
        if (root / name).is_file():
            yield name, read_ini(root / name).get("pytest", {})
    tool = document.get("tool", {}).get("pytest", {})
    table = tool.get("ini_options") or {key: value for key, value in tool.items() if key != "ini_options"}
    if table:
        yield "pyproject.toml", table
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        found = read_ini(root / name).get(section) if (root / name).is_file() else None
        if found is not None:
            yield name, found


def read_ini(file: Path) -> dict[str, dict[str, str]]:
    """Return the sections of an INI file; one that cannot be read has none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8", errors="replace"))
    except (configparser.Error, OSError):
        return {}
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value, comments=True))
        except ValueError:
            return tuple(value.split())
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()


def _lines(value: object) -> tuple[str, ...]:
    lines = (
        value.splitlines() if isinstance(value, str) else value if isinstance(value, (list, tuple)) else ()
    )
    return tuple(str(line).strip() for line in lines if str(line).strip())


def _marker(line: str) -> str:
    return line.split(":", maxsplit=1)[0].split("(", maxsplit=1)[0].strip()
