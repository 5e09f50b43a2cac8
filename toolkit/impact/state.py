"""The fingerprints of everything that tests may depend on, in one state of the project.

Parsed files are kept in a cache under the hash of their content, so a plan reads every file it needs once and
parses only those never seen before.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Protocol

import msgspec

from toolkit.impact.fingerprints import FORMAT, GONE, NotPython, Source, digest, parse
from toolkit.impact.inputs import Input, Kind
from toolkit.impact.looking import keepers_of
from toolkit.impact.tree import Tree
from toolkit.tracing import keeping
from toolkit.tracing.borders import OUTSIDE

PYTHON_SUFFIXES = frozenset({"", ".py", ".pyw"})
"""Only files named so are cut into units, where they are Python; of all others the content counts."""


Keepers = dict[str, keeping.Keepers]
"""Hash of a file → the functions in it that keep things for later calls."""


class Cache(Protocol):
    """Where parsed files are kept between runs."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        ...


_DECODER: msgspec.json.Decoder[Source | None] = msgspec.json.Decoder(Source | None)
_ENCODER = msgspec.json.Encoder()


class ProjectState:
    """The project as it is when first asked; later changes of the files are not seen.

    Args:
        tree: its files.
        cache: of parsed files.
        environ: the environment variables that count.
        settings: name → value of what is not in files: Python, configuration of pytest …
        distributions: top-level module → fingerprint of the packages it comes from.
    """

    def __init__(
        self,
        tree: Tree,
        cache: Cache,
        *,
        environ: Mapping[str, str],
        settings: Mapping[str, str],
        distributions: Callable[[str], str],
    ) -> None:
        self.tree = tree
        self._cache = cache
        self._environ = environ
        self.settings = dict(settings)
        self._sources: dict[str, Source | None] = {}
        self._contents: dict[str, str] = {}
        self._units: dict[str, dict[str, str]] = {}  # path → name of a function → fingerprint
        self._by_last: dict[str, list[str]] | None = None
        self._everything: str | None = None
        self._ways: dict[Kind, Callable[[str], str]] = {
            "file": self.content,
            "folder": self._of_folder,
            "absent": lambda path: "exists" if tree.exists(path) else GONE,
            "variable": self._of_variable,
            "import": self._providers,
            "distribution": distributions,
            "setting": lambda name: self.settings.get(name, GONE),
            "everything": self._of_everything,
        }

    def fingerprint(self, item: Input) -> str:
        """Return the fingerprint that an input has now; :data:`GONE` when it does not exist."""
        way = self._ways.get(item.kind)
        if way is not None:
            return way(item.name)
        source = self.source(item.name)
        if source is None:
            return self.content(item.name)
        return self._of_unit(source, item) if item.kind == "function" else code_fingerprint(source, item)

    def _of_unit(self, source: Source, item: Input) -> str:
        units = self._units.get(item.name)
        if units is None:
            units = self._units[item.name] = {unit.name: unit.fingerprint for unit in source.units}
        return units.get(item.unit, GONE)

    def source(self, path: str) -> Source | None:
        """Cut a file into units; None when it is not Python or does not exist."""
        if path not in self._sources:
            self._sources[path] = self._parse(path)
        return self._sources[path]

    def keepers(self) -> Keepers:
        """Return the functions that keep things, in the files that were cut into units so far."""
        return {
            self.content(path): keepers_in(source)
            for path, source in self._sources.items()
            if source is not None
        }

    def content(self, path: str) -> str:
        """Return the hash of a file's content."""
        if path not in self._contents:
            data = self.tree.read(path)
            self._contents[path] = GONE if data is None else digest(data)
        return self._contents[path]

    def _parse(self, path: str) -> Source | None:
        data = self.tree.read(path)
        if data is None:
            return None
        self._contents[path] = digest(data)
        if PurePosixPath(path).suffix not in PYTHON_SUFFIXES:
            return None
        return cached_parse(data, self._contents[path], self._cache)

    def _of_folder(self, path: str) -> str:
        names = self.tree.names(path)
        if names is None:
            return GONE
        return digest("\0".join(sorted(name for name in names if name not in OUTSIDE)))

    def _of_variable(self, name: str) -> str:
        value = self._environ.get(name)
        return GONE if value is None else digest(value)

    def _providers(self, name: str) -> str:
        """Return which files of the project could be meant by an import."""
        if self._by_last is None:
            self._by_last = {}
            for path in self.tree.files():
                if path.endswith((".py", ".so", ".pyd")):
                    self._by_last.setdefault(_module_parts(path)[-1], []).append(path)
        parts = name.split(".")
        found = [
            path for path in self._by_last.get(parts[-1], ()) if _module_parts(path)[-len(parts) :] == parts
        ]
        return digest("\0".join(found)) if found else GONE

    def _of_everything(self, _name: str) -> str:
        if self._everything is None:
            lines = (f"{path}={self.content(path)}" for path in self.tree.files())
            self._everything = digest("\0".join(lines))
        return self._everything


class ParsedHere:
    """Files that this process has cut into units while tests ran: none is cut twice.

    Args:
        cache: gets each when it is asked for.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """See :class:`Cache`."""
        value = self._values.pop(key, None)
        if value is None:
            return self._cache.get(key)
        self._cache.put(key, value)
        return value

    def put(self, key: str, value: bytes) -> None:
        """See :class:`Cache`."""
        self._cache.put(key, value)

    def keepers(self, data: bytes) -> keeping.Keepers | None:
        """Return the functions of a file that keep things, and remember how it is cut; None: no Python."""
        try:
            source = parse(data)
        except NotPython:
            return None
        self._values[_key(digest(data))] = _ENCODER.encode(source)
        return keepers_in(source)


def keepers_in(source: Source) -> keeping.Keepers:
    """Return the functions of a file that keep things."""
    return {unit.first: unit.looks for unit in source.units if unit.keeps or unit.kept}


def keepers_among(known: Keepers, parsed: ParsedHere | None = None) -> keeping.KeepersOf:
    """Return a way to tell which functions keep things; files that are not known are parsed.

    Args:
        known: what is known of files.
        parsed: remembers these, where the process that runs the tests also stores what they depend on.
    """

    def of(content: bytes, among: Collection[int]) -> keeping.Keepers:
        found = known.get(digest(content))
        if found is None and parsed is not None:
            found = parsed.keepers(content)
        return keepers_of(content, among) if found is None else found

    return of


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
    key = _key(content)
    kept = cache.get(key)
    if kept is not None:
        with contextlib.suppress(msgspec.MsgspecError):
            return _DECODER.decode(kept)
    source: Source | None
    try:
        source = parse(data)
    except NotPython:
        source = None
    cache.put(key, _ENCODER.encode(source))
    return source


def _key(content: str) -> str:
    """Return where a parsed file is kept, by the hash of its content."""
    return f"{FORMAT}:{content}"


def _module_parts(path: str) -> list[str]:
    parts = list(PurePosixPath(path).parts)
    parts[-1] = parts[-1].partition(".")[0]
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def fingerprints(state: ProjectState, inputs: Iterable[Input]) -> tuple[str, ...]:
    """Return the fingerprints of many inputs."""
    return tuple(state.fingerprint(item) for item in inputs)
