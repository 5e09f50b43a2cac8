"""Which Pythons this machine has, as Nox finds them: each is started, since a shim may lead nowhere."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

PATIENCE = 20.0
"""Seconds that an interpreter or an installer may take to answer."""

_ASK = "import sys; print(sys.executable); print('.'.join(map(str, sys.version_info[:3])))"


def answer(command: list[str], environ: Mapping[str, str]) -> str | None:
    """Return what a command prints; None: it is missing, fails or does not answer."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=dict(environ)
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find_interpreters(
    versions: Iterable[str], environ: Mapping[str, str]
) -> dict[str, tuple[str, str] | None]:
    """Return version, such as "3.12" → (path, full version); None: not installed.

    Args:
        versions: as in ``pythons``.
        environ: with the PATH to search.
    """
    wanted = list(dict.fromkeys(versions))
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(wanted, pool.map(lambda version: _find(version, environ), wanted), strict=True))


def _find(version: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    paths = [sys.executable] if version == here else []
    named = shutil.which(_program(version), path=environ.get("PATH"))
    paths += [named] if named else []
    for path in paths:
        found = _ask(path, version, environ)
        if found:
            return found
    uv = shutil.which("uv", path=environ.get("PATH"))
    known = uv and answer([uv, "python", "find", "--no-project", "--no-python-downloads", version], environ)
    return _ask(known, version, environ) if known else None


def _program(version: str) -> str:
    return version if version.startswith("pypy") else f"python{version}"


def _ask(path: str, version: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    told = answer([path, "-c", _ASK], environ)
    lines = told.splitlines() if told else []
    wanted = version.removeprefix("pypy").removesuffix("t")
    if len(lines) == 2 and lines[1].startswith(f"{wanted}."):  # noqa: PLR2004 - as asked
        return lines[0], lines[1]
    return None
