"""Collecting the tests of a profile by asking pytest, in the environment in which they run."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolkit.config import Config, Profile
from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.scheduling.plan import Plan, read_plan

NO_TESTS = 5
"""pytest's exit code when nothing was collected: a plan of nothing is a plan."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def parse_seconds(text: str) -> float:
    """Read ``90``, ``90s``, ``5m``, ``1.5h`` or ``1h30m``.

    Raises:
        UsageError: it is no time, or zero.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text.strip() or seconds <= 0:
        raise UsageError(f"time {text!r}: expected for example 90s, 5m or 1h30m")
    return seconds


def find_profile(config: Config, name: str) -> Profile:
    """Return a profile by name; without a name, one that runs everything.

    Raises:
        UsageError: there is no such profile; lists those that there are.
    """
    from toolkit.config.validation import unknown

    if not name:
        return Profile()
    if name not in config.profiles:
        raise UsageError(unknown("profile", name, config.profiles))
    return config.profiles[name]


def interpreter(root: Path, profile: str) -> str:
    """Return the Python whose environment has the project's test dependencies, as far as one can see.

    The newest Nox environment of the profile, else the Python that runs this.
    """
    places = [".nox/{}-*/bin/python", ".nox/{}-*/Scripts/python.exe"]
    found = [path for place in places if profile for path in root.glob(place.format(profile))]
    return str(max(found, key=lambda path: path.stat().st_mtime)) if found else sys.executable


def project_python(config: Config, named: str = "") -> str:
    """Return what runs the project's tests: the Python named, of the newest Nox environment, or this one."""
    own = interpreter(config.root, "")
    found = {interpreter(config.root, profile) for profile in config.profiles} - {own}
    return named or max(found, key=lambda path: Path(path).lstat().st_mtime, default=own)


def collect_plan(
    config: Config,
    profile_name: str,
    *,
    python: str = "",
    arguments: Sequence[str] = (),
) -> Plan:
    """Have pytest collect the tests of a profile and plan them; nothing is run.

    Raises:
        EnvironmentFailed: pytest did not get as far as a plan; its last lines say why.
    """
    profile = find_profile(config, profile_name)
    with tempfile.TemporaryDirectory(prefix="toolkit-plan-") as folder:
        target = Path(folder) / "plan.json"
        command = [python or interpreter(config.root, profile_name), "-m", "pytest", "-q", "--collect-only"]
        command += ["--write-plan", str(target), *selecting(profile), *arguments]
        environ = {**os.environ, "TOOLKIT_PROFILE": profile_name}
        result = subprocess.run(
            command, cwd=config.root, env=environ, capture_output=True, encoding="utf-8", check=False
        )
        if result.returncode not in {0, NO_TESTS} or not target.exists():
            last = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
            shown = shlex.join(command)
            raise EnvironmentFailed(f"the tests could not be collected by: {shown}\n{last}", hint=_HINT)
        return read_plan(target)


_HINT = "make that command work first; name another Python with --python"


def selecting(profile: Profile) -> list[str]:
    """Return the pytest arguments of a profile that decide which tests run, and on how many workers."""
    arguments = ["-m", profile.markers] if profile.markers else []
    arguments += ["--order", profile.order]
    return [*arguments, *profile.paths, *profile.arguments]
