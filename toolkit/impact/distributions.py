"""Installed packages: top-level module → fingerprint of its distribution and of all that this requires."""

import configparser
import importlib.metadata
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from toolkit.impact.fingerprints import GONE, digest
from toolkit.impact.state import Cache
from toolkit.impact.tree import Tree


class Distribution(msgspec.Struct, frozen=True, array_like=True):
    """An installed package."""

    name: str  # normalised
    version: str
    requires: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    plugin: bool = False  # pytest loads it by itself


class Installed:
    """The distributions on ``sys.path``.

    Reading all their metadata takes a tenth of a second and more; it is kept under the names of their
    folders, which contain the versions.
    """

    def __init__(self, found: Iterable[Distribution], locked: Mapping[str, str] | None = None) -> None:
        self._all = {item.name: item for item in found}
        self._locked = dict(locked or {})
        self._by_module: dict[str, list[str]] = {}
        for item in self._all.values():
            for module in item.modules:
                self._by_module.setdefault(module, []).append(item.name)

    def version(self, name: str) -> str:
        """Return installed and locked version of one distribution."""
        item = self._all.get(name)
        return f"{'-' if item is None else item.version}/{self._locked.get(name, '-')}"

    def closure(self, names: Iterable[str]) -> set[str]:
        """Return distributions with everything they require, directly or not."""
        seen: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                item = self._all.get(name)
                pending.extend(() if item is None else item.requires)
        return seen

    def fingerprint(self, module: str) -> str:
        """Return the fingerprint of the packages that a top-level module comes from."""
        names = self._by_module.get(module, [])
        if not names:
            return GONE
        return digest(" ".join(f"{name}={self.version(name)}" for name in sorted(self.closure(names))))

    def others(self, modules: Iterable[str]) -> str:
        """Return the fingerprint of plugins, and of all packages that no given module leads to."""
        roots = [name for module in modules for name in self._by_module.get(module, ())]
        plugins = {item.name for item in self._all.values() if item.plugin}
        rest = ({*self._all, *self._locked} - self.closure(roots)) | self.closure(plugins)
        return digest(" ".join(f"{name}={self.version(name)}" for name in sorted(rest)))

    def requiring(self, name: str) -> set[str]:
        """Return the distributions that require one, directly, itself aside."""
        return {item.name for item in self._all.values() if name in item.requires} - {name}


def name_of(tree: Tree) -> str:
    """Return the normalised name of the project's own distribution; empty when it has none."""
    try:
        document = tomllib.loads(_read_text(tree, "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return ""
    tools = document.get("tool")
    for table in (document.get("project"), tools.get("poetry") if isinstance(tools, dict) else None):
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            return normalise(table["name"])
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_read_text(tree, "setup.cfg"))
    except configparser.Error:
        return ""
    return normalise(parser.get("metadata", "name", fallback=""))


def installed(cache: Cache, tree: Tree) -> Installed:
    """Return what is installed now, and what the project's lock files say."""
    return Installed(_found(cache), locked_versions(tree))


def _found(cache: Cache) -> tuple[Distribution, ...]:
    names = []
    for entry in dict.fromkeys(sys.path):
        folder = Path(entry or ".")
        if folder.is_dir():
            names += [
                f"{folder}/{item.name}"
                for item in folder.iterdir()
                if item.name.endswith((".dist-info", ".egg-info", ".egg-link"))
            ]
    key = "distributions:" + digest("\0".join(names))
    kept = cache.get(key)
    if kept is not None:
        return msgspec.json.decode(kept, type=tuple[Distribution, ...])
    found = tuple(_read_all())
    cache.put(key, msgspec.json.encode(found))
    return found


def _read_all() -> list[Distribution]:
    modules: dict[str, list[str]] = {}
    for module, names in importlib.metadata.packages_distributions().items():
        for name in names:
            modules.setdefault(normalise(name), []).append(module)
    found = {}
    for item in importlib.metadata.distributions():
        name = normalise(item.metadata["Name"] or "")
        if name and name not in found:
            requires = tuple(sorted({_requirement_name(line) for line in item.requires or ()}))
            plugin = any(point.group == "pytest11" for point in item.entry_points)
            found[name] = Distribution(
                name, item.version or "", requires, tuple(sorted(set(modules.get(name, ())))), plugin
            )
    return list(found.values())


def _requirement_name(line: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
    return normalise(match.group(1)) if match else ""


def normalise(name: str) -> str:
    """Return the normal form of a distribution's name (PyPA: name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


# -- lock and requirement files ----------------------------------------------------------------------------


def locked_versions(tree: Tree) -> dict[str, str]:
    """Return distribution → what the lock and requirement files of a project say about it."""
    found: dict[str, set[str]] = {}
    for path in _in_folders(tree, (".", "requirements")):
        name = PurePosixPath(path).name
        if name.endswith(".lock") or (name.startswith("pylock") and name.endswith(".toml")):
            lines = _locked_in(path, _read_text(tree, path))
        elif name.endswith(".txt") and ("requirements" in path or "constraints" in name):
            lines = _required_in(path, _read_text(tree, path))
        else:
            continue
        for distribution, version in lines:
            found.setdefault(distribution, set()).add(version)
    return {name: " ".join(sorted(versions)) for name, versions in found.items()}


def _in_folders(tree: Tree, folders: Iterable[str]) -> list[str]:
    return [
        name if folder == "." else f"{folder}/{name}"
        for folder in folders
        for name in sorted(tree.names(folder) or ())
    ]


def _read_text(tree: Tree, path: str) -> str:
    return (tree.read(path) or b"").decode("utf-8", "replace")


def _locked_in(path: str, text: str) -> list[tuple[str, str]]:
    """Read uv.lock, poetry.lock, pdm.lock, pylock.toml (tables) or Pipfile.lock (JSON)."""
    import tomllib

    try:
        if text.lstrip().startswith("{"):
            sections = json.loads(text)
            return [
                (normalise(name), str(entry.get("version", "")))
                for section in ("default", "develop")
                for name, entry in sections.get(section, {}).items()
            ]
        document = tomllib.loads(text)
        packages = [*document.get("package", ()), *document.get("packages", ())]
        return [(normalise(item["name"]), str(item.get("version", ""))) for item in packages]
    except (ValueError, KeyError, AttributeError, TypeError):
        return [(f"file {path}", digest(text))]  # of a form not known: any change of it counts for all


def _required_in(path: str, text: str) -> list[tuple[str, str]]:
    plain = [line.partition(" #")[0].strip() for line in text.splitlines()]
    return [
        (_requirement_name(line) or f"file {path}: {line}", line)
        for line in plain
        if line and not line.startswith(("#", "--hash"))
    ]
