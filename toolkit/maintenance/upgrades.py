"""Newer versions of the dependencies: what the resolver finds, and whether the tests pass with them.

The resolver and installer is uv (https://docs.astral.sh/uv/pip/compile/). What is present is what the
constraint files pin; without such, what is installed. Nothing of the project changes unless :func:`keep` is
called.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import InvalidVersion, Version

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed, InputError
from toolkit.maintenance.steps import Skip

PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;#\\]+)")
_TEST_NAMES = ("test", "tests", "testing")


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """One package; no old version: it is new, no new one: nothing needs it any more."""

    name: str
    old: str = ""
    new: str = ""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What the resolver finds."""

    present: tuple[str, ...] = ()
    newest: tuple[str, ...] = ()
    upgrades: tuple[Upgrade, ...] = ()


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How the tests went in a scratch environment."""

    passed: bool
    present_passed: bool | None = None
    """Whether they pass with the present versions; asked only when they failed with the newest."""
    output: str = ""
    """The last lines of the run that failed."""


def propose(config: Config, python: str) -> Proposal:
    """Resolve the project's dependencies, for its tests, with and without its constraints.

    Raises:
        Skip: uv is not there, or the project has no dependencies that can be resolved.
        EnvironmentFailed: there is no solution; says why.
    """
    sources = _sources(config)
    newest = _compile(config, python, [*sources, "--upgrade"])
    pins = [f"-c={file}" for file in config.install.constraints]
    present = _compile(config, python, [*sources, *pins]) if pins else _installed(config, python, newest)
    names = sorted(present.keys() | newest.keys())
    upgrades = [Upgrade(name=name, old=present.get(name, ""), new=newest.get(name, "")) for name in names]
    return Proposal(
        present=_pins(present),
        newest=_pins(newest),
        upgrades=tuple(upgrade for upgrade in upgrades if upgrade.old != upgrade.new),
    )


def _pins(versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}=={version}" for name, version in sorted(versions.items()))


def _sources(config: Config) -> list[str]:
    """Return what uv compiles: the project with its test dependencies, and requirement files."""
    file = config.root / "pyproject.toml"
    document: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    install = config.install
    groups, extras = install.groups, install.extras
    if not (groups or extras or install.requires or install.requirements):
        groups = tuple(name for name in _TEST_NAMES if name in document.get("dependency-groups", {}))
        optional = document.get("project", {}).get("optional-dependencies", {})
        extras = () if groups else tuple(name for name in _TEST_NAMES if name in optional)
    words = ["pyproject.toml"] if "project" in document else []
    words += [f"--extra={extra}" for extra in extras]
    words += [f"--group={group}" for group in groups]
    words += install.requirements
    if not words and not install.requires:
        raise Skip("the project names no dependencies ([project], install.requires, install.requirements)")
    return words


def _uv() -> str:
    found = shutil.which("uv")
    if found is None:
        raise Skip("uv is not on PATH; install it with: pip install uv")
    return found


def _compile(config: Config, python: str, words: Sequence[str]) -> dict[str, str]:
    command = [_uv(), "pip", "compile", "-q", "--no-header", "--no-annotate", f"--python={python}", *words]
    more = list(config.install.requires)
    if _installable(config):  # its groups may name its own extras
        more.append(f"{config.project} @ {config.root.as_uri()}")
    with tempfile.TemporaryDirectory(prefix="toolkit-upgrades-") as folder:
        if more:
            file = Path(folder) / "requires.in"
            file.write_text("".join(f"{line}\n" for line in more), encoding="utf-8")
            command.append(str(file))
        return _versions(_run(command, config.root, "the dependencies cannot be resolved"))


def _installed(config: Config, python: str, wanted: Mapping[str, str]) -> dict[str, str]:
    listed = _versions(
        _run([_uv(), "pip", "freeze", f"--python={python}"], config.root, "no packages are listed")
    )
    return {name: version for name, version in listed.items() if name in wanted}


def _versions(text: str) -> dict[str, str]:
    found = (PIN.match(line.strip()) for line in text.splitlines())
    return {_canonical(pin["name"]): pin["version"] for pin in found if pin}


def _canonical(name: str) -> str:
    """Return the name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(command: Sequence[str], root: Path, what: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        command, cwd=root, env=environ, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise EnvironmentFailed(f"{what}:\n{_tail(done.stderr or done.stdout)}")
    return done.stdout


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-15:])


def try_out(config: Config, proposal: Proposal, python: str, arguments: Sequence[str]) -> Trial:
    """Run the tests in a scratch environment with the newest versions; if they fail, with the present, too.

    Raises:
        EnvironmentFailed: an environment cannot be made.
    """
    passed, output = _tests_pass(config, proposal.newest, python, arguments)
    if passed:
        return Trial(passed=True)
    before, _ = _tests_pass(config, proposal.present, python, arguments)
    return Trial(passed=False, present_passed=before, output=output)


def _tests_pass(
    config: Config, pins: Sequence[str], python: str, arguments: Sequence[str]
) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(prefix="toolkit-upgrades-") as folder:
        place = Path(folder) / "venv"
        _run([_uv(), "venv", "-q", f"--python={python}", str(place)], config.root, "no environment")
        own = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        listing = Path(folder) / "pins.txt"
        listing.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
        install = [_uv(), "pip", "install", "-q", f"--python={own}", "-r", str(listing)]
        _run(install, config.root, "the packages cannot be installed")
        if _installable(config):
            project = [_uv(), "pip", "install", "-q", f"--python={own}", "--no-deps", "-e", "."]
            _run(project, config.root, "the project cannot be installed")
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TOOLKIT_RUN", "VIRTUAL_"))
        }
        done = subprocess.run(
            [str(own), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=config.root,
            env=environ,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    return done.returncode == 0, _tail(done.stdout + done.stderr)


def _installable(config: Config) -> bool:
    file = config.root / "pyproject.toml"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    document = tomllib.loads(text)
    return config.install.project and "build-system" in document and "project" in document


def keep(config: Config, proposal: Proposal) -> tuple[str, ...]:
    """Write the newest versions into the constraint files, in their places; all other lines stay as they are.

    Returns:
        The files that changed.

    Raises:
        InputError: there is no constraint file, one cannot be read or written, or holds hashes.
    """
    upgrades = {upgrade.name: upgrade for upgrade in proposal.upgrades if upgrade.old and upgrade.new}
    if not config.install.constraints:
        raise InputError(
            "the project has no constraint files to write the versions to",
            hint='name one: [tool.toolkit.install] constraints = ["constraints.txt"]',
        )
    texts = {name: _read(config.root / name) for name in config.install.constraints}
    changed = {
        name: after for name, before in texts.items() if (after := _repinned(before, upgrades)) != before
    }
    hashed = [name for name in changed if "--hash=" in texts[name]]
    if hashed:
        raise InputError(
            f"{', '.join(hashed)}: the hashes belong to the present versions; nothing was written",
            hint="compile it anew: uv pip compile --upgrade --generate-hashes",
        )
    for name, after in changed.items():
        _write(config.root / name, after)
    return tuple(changed)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")  # its line ends are kept
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def _write(path: Path, text: str) -> None:
    file = path.resolve()  # a link stays one
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        shutil.copymode(file, temporary)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: {error}") from error


def _repinned(text: str, upgrades: Mapping[str, Upgrade]) -> str:
    return "".join(_pinned(line, upgrades) for line in text.splitlines(keepends=True))


def _pinned(line: str, upgrades: Mapping[str, Upgrade]) -> str:
    """Return the line with the newest version, unless it pins another one: that is for other Pythons."""
    pin = PIN.match(line)
    found = upgrades.get(_canonical(pin["name"])) if pin else None
    if pin is None or found is None or not _same(pin["version"], found.old):
        return line
    return f"{pin['name']}=={found.new}{line[pin.end() :]}"


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)  # 1.0 is 1.0.0
    except InvalidVersion:
        return one == other
