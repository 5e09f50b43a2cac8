"""Where the toolkit that runs Nox came from, as arguments for an installer.

The environment of the tests gets the very toolkit that made it, published or not. An installer records where
a package came from in ``direct_url.json`` (PEP 610, https://peps.python.org/pep-0610/); a package from an
index has no such file, and its version says all.
"""

import importlib.metadata
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import toolkit
from toolkit.errors import EnvironmentFailed

DISTRIBUTION = "nox-invoke-toolkit"
OVERRIDE = "TOOLKIT_REQUIREMENT"
"""Environment variable: a requirement or a path to install instead of the recorded origin."""


def toolkit_arguments(extras: Sequence[str], environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return what to pass to ``pip install`` to get the toolkit that runs now.

    Raises:
        EnvironmentFailed: it was installed from a file or folder that is gone.
    """
    override = (os.environ if environ is None else environ).get(OVERRIDE, "")
    if override:
        return _from_override(override, extras)
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return _editable(Path(toolkit.__file__).parent.parent, extras)
    recorded = distribution.read_text("direct_url.json")
    return arguments_of(
        json.loads(recorded) if recorded else None, version=distribution.version, extras=extras
    )


def arguments_of(origin: Mapping[str, Any] | None, *, version: str, extras: Sequence[str]) -> tuple[str, ...]:
    """Turn the content of ``direct_url.json`` into arguments for ``pip install`` or ``uv pip install``.

    Args:
        origin: the parsed file; None: the package came from an index.
        version: of the installed package.
        extras: to install with it.
    """
    name = _with_extras(DISTRIBUTION, extras)
    if origin is None:
        return (f"{name}=={version}",)
    url = str(origin["url"])
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        folder = f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
        return (f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{folder}",)
    path = local_path(url)
    if path is not None and not path.exists():
        raise EnvironmentFailed(
            f"the toolkit that runs this was installed from {path}, which is gone",
            hint=f"install it again, or set {OVERRIDE} to a requirement or path",
        )
    if path is not None and origin.get("dir_info", {}).get("editable"):
        return _editable(path, extras)
    return (f"{name} @ {url}",)


def local_path(url: str) -> Path | None:
    """Return the path of a ``file:`` URL, None for any other."""
    parts = urllib.parse.urlsplit(url)
    return Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else None


def _from_override(override: str, extras: Sequence[str]) -> tuple[str, ...]:
    path = Path(override)
    if path.is_dir():
        return _editable(path.resolve(), extras)
    if path.is_file():
        return (f"{_with_extras(DISTRIBUTION, extras)} @ {path.resolve().as_uri()}",)
    return (override,)


def _editable(folder: Path, extras: Sequence[str]) -> tuple[str, ...]:
    if not (folder / "pyproject.toml").is_file():
        raise EnvironmentFailed(
            f"the toolkit is imported from {folder}, which is no project that can be installed",
            hint=f"install {DISTRIBUTION}, or set {OVERRIDE} to a requirement or path",
        )
    return ("-e", _with_extras(str(folder), extras))


def _with_extras(name: str, extras: Sequence[str]) -> str:
    return f"{name}[{','.join(extras)}]" if extras else name
