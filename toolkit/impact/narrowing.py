"""Which tests a change of names in a module concerns: those that reach it, and run who mentions a name.

The argument: a name's value gets from a module to a test only through code that asks for it, by the name or
by searching. Code of the project that does is found in its files; a change of the name is then a change of
these functions and modules, and of nothing else. Other code has to be handed the module, or be told its name:
where a file does either, or may, the change concerns every test that reaches the module, as it does when more
has changed than such names.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

import msgspec

from toolkit.impact.fingerprints import Source
from toolkit.impact.inputs import Input
from toolkit.impact.mentions import (
    DOCUMENTING,
    SEARCHING,
    Mentions,
    Module,
    Use,
    documented,
    is_docstring,
    is_named_in,
    is_ordinary,
    mentions_in,
    use_in,
)
from toolkit.impact.touching import is_conftest
from toolkit.impact.tree import Tree
from toolkit.impact.values import DOCSTRING, EXPORTED, differing

_PYTHON = frozenset({".py", ".pyw"})
_COMPILED = frozenset({".pxd", ".pyd", ".pyx", ".so"})
_SETTINGS = frozenset(
    {"", ".bat", ".cfg", ".conf", ".env", ".in", ".ini", ".json", ".mk", ".properties", ".ps1", ".service"}
    | {".sh", ".toml", ".txt", ".xml", ".yaml", ".yml"}
)
"""Suffixes of files that may tell others which module to load; so may those whose name begins with a dot."""
_EXPORTING = re.compile(rb"import\s*\(?\s*\*")


class Mentioners(msgspec.Struct, frozen=True):
    """What mentions some names: functions, the imports of modules, and whole files."""

    units: frozenset[tuple[str, str]] = frozenset()  # path, qualified name
    levels: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    def covers(self, item: Input) -> bool:
        """Whether who depends on an input may read one of the names."""
        match item.kind:
            case "function":
                return (item.name, item.unit) in self.units
            case "module" | "tests":
                return item.name in self.levels
            case "source" | "file":
                return item.name in self.files
            case _:
                return False


class Names:
    """Looks for the mentions of names in the files of a project.

    Args:
        tree: its files.
        source: cuts a file into units.
        environ: environment variables: they may name a module.
        opened: paths of files that tests read.
        required: whether installed packages require the project: these may read what they like.
    """

    def __init__(
        self,
        tree: Tree,
        source: Callable[[str], Source | None],
        environ: Mapping[str, str],
        opened: Collection[str],
        *,
        required: bool = False,
    ) -> None:
        self._tree = tree
        self._source = source
        self._environ = environ
        self._opened = opened
        self._required = required
        self._contents: dict[str, bytes] = {}
        self._found: dict[tuple[str, frozenset[tuple[str, str]]], Mentioners | None] = {}

    def mentioning(self, path: str, old: str, new: str) -> Mentioners | None:
        """Return who may notice that a module's fingerprint is another.

        Args:
            path: of the module.
            old: its fingerprint when a test was recorded.
            new: its fingerprint now.

        Returns:
            None: everybody who reaches the module.
        """
        names = differing(old, new)
        if not names:
            return None
        key = (path, names)
        if key not in self._found:
            self._found[key] = self._mentioning(Module(path), dict(names))
        return self._found[key]

    def _mentioning(self, module: Module, names: Mapping[str, str]) -> Mentioners | None:
        ordinary = is_ordinary(names)
        if not all(name.isascii() for name in names) or (
            ordinary and (self._required or is_conftest(module.path))
        ):
            return None
        try:
            if ordinary and (self._is_told(module) or not self._is_only_imported(module)):
                return None
            functions = documented(names)
            if functions and (self._are_told(functions) or any(use.held for use in self._uses(module))):
                return None
            return self._search(module, names)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None  # what cannot be read may mention it

    # -- names ---------------------------------------------------------------------------------------------

    def _search(self, module: Module, names: Mapping[str, str]) -> Mentioners | None:
        functions = documented(names)
        held = {name for name in names if name != DOCSTRING and not is_docstring(name)}
        documenting = DOCUMENTING if functions or DOCSTRING in names else frozenset[str]()
        worded = _any_of({*held, *functions, *documenting, *(SEARCHING if is_ordinary(names) else ())})
        units: set[tuple[str, str]] = set()
        levels: set[str] = set()
        for path in self._python():
            content = self._read(path)
            if not (
                path == module.path
                or module.last.encode() in content
                or worded.search(content)
                or (EXPORTED in names and _EXPORTING.search(content))
            ):
                continue
            found = self._mentions(path, content, names, module)
            units.update((path, unit) for unit in found.units)
            if found.level:
                levels.add(path)
        if held and any(_any_of(held).search(self._read(path)) for path in self._with_suffix(_COMPILED)):
            return None
        in_data = _any_of({*held, *documenting})
        files = (path for path in self._opened if in_data.search(self._read(path)))
        return Mentioners(frozenset(units), frozenset(levels), frozenset(files))

    def _are_told(self, functions: Collection[str]) -> bool:
        """Whether a file of configuration may tell others one of some functions: "shop.prices:total"."""
        told = re.compile(rb"[.:](?:%b)\b" % b"|".join(re.escape(name.encode()) for name in functions))
        return any(told.search(self._read(path)) for path in self._with_suffix(_SETTINGS))

    def _mentions(self, path: str, content: bytes, names: Mapping[str, str], module: Module) -> Mentions:
        source = self._source(path)
        units = () if source is None else source.units
        return mentions_in(content, units, names, module, own=path == module.path)

    # -- modules -------------------------------------------------------------------------------------------

    def _is_told(self, module: Module) -> bool:
        """Whether a file of configuration or the environment names the module."""
        if any(is_named_in(value, module) for value in self._environ.values()):
            return True
        return any(
            module.last.encode() in content and is_named_in(content.decode("utf-8", "replace"), module)
            for content in map(self._read, self._with_suffix(_SETTINGS))
        )

    def _is_only_imported(self, module: Module) -> bool:
        """Whether statements import the module, and no file does more with it than read its attributes."""
        uses = self._uses(module)
        return any(use.imported for use in uses) and not any(use.held for use in uses)

    def _uses(self, module: Module) -> list[Use]:
        return [
            use_in(content, module, own=path == module.path)
            for path in self._python()
            if module.last.encode() in (content := self._read(path)) or path == module.path
        ]

    # -- files ---------------------------------------------------------------------------------------------

    def _python(self) -> Iterator[str]:
        """Yield the files that are Python; those without a suffix may be."""
        for path in self._tree.files():
            suffix = PurePosixPath(path).suffix
            if suffix in _PYTHON or (not suffix and self._source(path) is not None):
                yield path

    def _with_suffix(self, suffixes: Collection[str]) -> Iterator[str]:
        for path in self._tree.files():
            pure = PurePosixPath(path)
            if pure.suffix.lower() in suffixes or (suffixes is _SETTINGS and pure.name.startswith(".")):
                yield path

    def _read(self, path: str) -> bytes:
        if path not in self._contents:
            self._contents[path] = self._tree.read(path) or b""
        return self._contents[path]


def _any_of(words: Iterable[str]) -> re.Pattern[bytes]:
    return re.compile(rb"\b(?:%b)\b" % b"|".join(re.escape(word.encode()) for word in sorted(words)))


class Change(msgspec.Struct, frozen=True):
    """An input that is not as it was."""

    number: int  # of its row
    item: Input
    names: frozenset[tuple[str, str]] = frozenset()
    """Names that alone have changed in a module, each with how."""
    mentioners: Mentioners | None = None
    """Whoever may notice; None: all that depend on the input."""

    def __str__(self) -> str:
        if self.mentioners is None:
            return str(self.item)
        return f"{self.item.name} ({', '.join(sorted(name for name, _how in self.names))})"

    def rows_of_mentioners(self, rows: Iterable[tuple[int, Input, str]]) -> list[int]:
        """Return the numbers of the inputs of which a test must have one to be concerned."""
        return [number for number, item, _recorded in rows if self._covers(item)]

    def concerns(self, inputs: Iterable[Input]) -> bool:
        """Whether a test that depends on the input, and on these, may notice."""
        return self.mentioners is None or any(map(self._covers, inputs))

    def _covers(self, item: Input) -> bool:
        return self.mentioners is not None and self.mentioners.covers(item)


def changes_in(states: Iterable[tuple[int, Input, str, str]], names: Names) -> list[Change]:
    """Return what has changed.

    Args:
        states: number, input, fingerprint then and now of all that may have.
        names: looks for their mentions.
    """
    return [_change(number, item, then, now, names) for number, item, then, now in states if then != now]


def _change(number: int, item: Input, then: str, now: str, names: Names) -> Change:
    found = names.mentioning(item.name, then, now) if item.kind == "module" else None
    return Change(number, item, (found and differing(then, now)) or frozenset(), found)
