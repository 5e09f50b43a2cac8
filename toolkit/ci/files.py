"""Writing a CI definition, and telling whether the one that is there is still true."""

import difflib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.ci import github, gitlab
from toolkit.ci.jobs import CiJob, chosen_sessions, make_jobs
from toolkit.ci.text import yaml_text
from toolkit.config import Config
from toolkit.errors import InputError, UsageError
from toolkit.reports.writing import place

Platform = Literal["github", "gitlab"]
PLATFORMS: tuple[Platform, ...] = ("github", "gitlab")

MARK = "Written by `invoke ci.{platform}` from pyproject.toml and noxfile.py: change those, not this."


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One definition: is it what would be written now?"""

    platform: Platform
    path: str
    state: Literal["true", "stale", "absent", "foreign"]
    """"foreign": somebody wrote it by hand, so it is left alone."""
    diff: str = ""
    """From what is there to what should be, as ``diff -u`` shows it."""


def definition(config: Config, platform: Platform, jobs: Sequence[CiJob]) -> str:
    """Return the text of a CI definition.

    Raises:
        MissingExtra: ruamel.yaml is not installed.
    """
    document = github.workflow(config, jobs) if platform == "github" else gitlab.pipeline(config, jobs)
    return yaml_text(document, MARK.format(platform=platform))


def child_definition(config: Config, jobs: Sequence[CiJob]) -> str:
    """Return the text of GitLab's child pipeline, whose jobs know their number of shards.

    Raises:
        MissingExtra: ruamel.yaml is not installed.
    """
    return yaml_text(gitlab.child(config, jobs), "Written by `invoke ci.gitlab --planned` for one pipeline.")


def default_path(config: Config, platform: Platform) -> Path:
    """Return where the definition of a platform is."""
    return config.root / (config.ci.github if platform == "github" else config.ci.gitlab)


def write(text: str, path: Path, *, force: bool = False) -> bool:
    """Write a definition, whole or not at all; tell whether that changed anything.

    Raises:
        UsageError: there is a file that we did not write, and ``force`` is not given.
        ToolkitError: it cannot be written.
    """
    before = _read(path)
    if before == text:
        return False
    if before is not None and not _is_ours(before) and not force:
        raise UsageError(f"{path}: was not written by `invoke ci.*`, so it is left alone", hint="--force")
    place(path, [text])
    return True


def check(config: Config) -> tuple[Checked, ...]:
    """Compare the definitions that are there with what would be written now.

    Raises:
        UsageError: there is none that `invoke ci.*` wrote.
        InputError: a file cannot be read.
    """
    jobs = functools.cache(lambda: make_jobs(config, chosen_sessions(config)))
    found = tuple(_check(config, platform, jobs) for platform in PLATFORMS)
    if all(row.state in {"absent", "foreign"} for row in found):
        paths = " and ".join(f"{row.path}: {row.state}" for row in found)
        raise UsageError(f"nothing to check: {paths}", hint="invoke ci.github, or invoke ci.gitlab")
    return found


def _check(config: Config, platform: Platform, jobs: Callable[[], Sequence[CiJob]]) -> Checked:
    path = default_path(config, platform)
    shown = path.relative_to(config.root).as_posix() if path.is_relative_to(config.root) else str(path)
    text = _read(path)
    if text is None or not _is_ours(text):
        return Checked(platform=platform, path=shown, state="absent" if text is None else "foreign")
    wanted = definition(config, platform, jobs())
    if text == wanted:
        return Checked(platform=platform, path=shown, state="true")
    return Checked(platform=platform, path=shown, state="stale", diff=difference(text, wanted, shown))


def difference(before: str, after: str, path: str) -> str:
    """Return what must change, as ``diff -u`` shows it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), path, f"{path} as it should be"
    )
    return "".join(lines)


def _is_ours(text: str) -> bool:
    first = text.partition("\n")[0]
    return any(first == f"# {MARK.format(platform=platform)}" for platform in PLATFORMS)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
