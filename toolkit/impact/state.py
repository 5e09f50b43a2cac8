"""What is now: fingerprints of everything that tests may depend on, read from disk.

The only reader of the project's files in this package. Parsed files are kept in a cache under the hash of their
content, so a plan reads every file it needs once and parses only those never seen before.
"""

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

import msgspec

from toolkit.impact.fingerprints import FORMAT, GONE, NotPython, Source, digest, parse
from toolkit.impact.inputs import Input
from toolkit.tracing.borders import OUTSIDE


class Cache(Protocol):
    """Where parsed files are kept between runs."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        ...


_DECODE = msgspec.json.Decoder(Source | None).decode
_ENCODE = msgspec.json.Encoder().encode


class ProjectState:
    """The project as it is on disk when first asked; later changes of the files are not seen.

    Args:
        root: the project.
        cache: of parsed files.
        environ: the environment variables that count.
        settings: name → value of what is not in files: Python, configuration of pytest …
        distributions: top-level module → fingerprint of the packages it comes from.
    """

    def __init__(
        self,
        root: Path,
        cache: Cache,
        *,
        environ: Mapping[str, str],
        settings: Mapping[str, str],
        distributions: Callable[[str], str],
    ) -> None:
        self.root = root
        self._cache = cache
        self._environ = environ
        self._settings = settings
        self._distributions = distributions
        self._sources: dict[str, Source | None] = {}
        self._files: dict[str, str] = {}
        self._all: list[str] | None = None
        self._by_last: dict[str, list[str]] | None = None
        self._everything: str | None = None

    def fingerprint(self, item: Input) -> str:
        """Return the fingerprint that an input has now; :data:`GONE` when it does not exist."""
        match item.kind:
            case "function" | "module" | "tests" | "source":
                return self._of_code(item)
            case "file":
                return self.content(item.name)
            case "folder":
                return self._of_folder(item.name)
            case "absent":
                return GONE if not (self.root / item.name).exists() else "exists"
            case "variable":
                value = self._environ.get(item.name)
                return GONE if value is None else digest(value)
            case "import":
                return self._providers(item.name)
            case "distribution":
                return self._distributions(item.name)
            case "setting":
                return self._settings.get(item.name, GONE)
            case "everything":
                return self._of_everything()

    def source(self, path: str) -> Source | None:
        """Cut a file into units; None when it is not Python or does not exist."""
        if path not in self._sources:
            self._sources[path] = self._parse(path)
        return self._sources[path]

    def content(self, path: str) -> str:
        """Return the hash of a file's content."""
        if path not in self._files:
            try:
                self._files[path] = digest((self.root / path).read_bytes())
            except OSError:
                self._files[path] = GONE
        return self._files[path]

    def _parse(self, path: str) -> Source | None:
        try:
            data = (self.root / path).read_bytes()
        except OSError:
            return None
        self._files[path] = digest(data)
        return cached_parse(data, self._files[path], self._cache)

    def _of_code(self, item: Input) -> str:
        source = self.source(item.name)
        if source is None:
            return self.content(item.name)
        return code_fingerprint(source, item)

    def _of_folder(self, path: str) -> str:
        try:
            names = sorted(os.listdir(self.root / path))
        except OSError:
            return GONE
        return digest("\0".join(name for name in names if name not in OUTSIDE and not name.endswith(".pyc")))

    def files(self) -> list[str]:
        """Return all files of the project: those git knows or would add, else all outside of caches."""
        if self._all is None:
            self._all = sorted(_git_files(self.root) or _walk(self.root))
        return self._all

    def _providers(self, name: str) -> str:
        """Return which files of the project could be meant by an import."""
        if self._by_last is None:
            self._by_last = {}
            for path in self.files():
                if path.endswith((".py", ".so", ".pyd")):
                    self._by_last.setdefault(_module_parts(path)[-1], []).append(path)
        parts = name.split(".")
        found = [
            path for path in self._by_last.get(parts[-1], ()) if _module_parts(path)[-len(parts) :] == parts
        ]
        return digest("\0".join(found)) if found else GONE

    def _of_everything(self) -> str:
        if self._everything is None:
            self._everything = digest("\0".join(f"{path}={self.content(path)}" for path in self.files()))
        return self._everything


def code_fingerprint(source: Source, item: Input) -> str:
    """Return the fingerprint of a unit of a file that was cut into units."""
    match item.kind:
        case "module":
            return source.level
        case "tests":
            return source.tests
        case "source":
            return source.whole
        case _:
            return next((unit.fingerprint for unit in source.units if unit.name == item.unit), GONE)


def cached_parse(data: bytes, content: str, cache: Cache) -> Source | None:
    """Cut a file into units, or take them from the cache."""
    key = f"{FORMAT}:{content}"
    kept = cache.get(key)
    if kept is not None:
        try:
            return _DECODE(kept)
        except msgspec.MsgspecError:
            pass
    try:
        source: Source | None = parse(data)
    except NotPython:
        source = None
    cache.put(key, _ENCODE(source))
    return source


def _module_parts(path: str) -> list[str]:
    parts = list(PurePosixPath(path).parts)
    parts[-1] = parts[-1].partition(".")[0]
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def _git_files(root: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [name for name in dict.fromkeys(names) if name and not OUTSIDE.intersection(name.split("/"))]


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in OUTSIDE and not _is_venv(Path(folder, name))]
        for name in names:
            if not name.endswith(".pyc"):
                yield Path(folder, name).relative_to(root).as_posix()


def _is_venv(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists()


def fingerprints(state: ProjectState, inputs: Iterable[Input]) -> tuple[str, ...]:
    """Return the fingerprints of many inputs."""
    return tuple(state.fingerprint(item) for item in inputs)
