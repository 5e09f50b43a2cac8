"""Which tests a change of what a module says about itself concerns: its docstring, ``__all__``.

The argument: either gets to a test only through code that asks for it. Code of the project that does is found
in its files; the change is then one of these functions and modules, and of nothing else. Code of others asks
for the docstring of a module that it is handed, or told the name of: where a file does either, or may, the
change concerns every test that reaches the module, as it does when more has changed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

import msgspec

from toolkit.impact.fingerprints import Source
from toolkit.impact.inputs import Input
from toolkit.impact.mentions import (
    DOCUMENTING,
    IMPORTING_ALL,
    Module,
    imports,
    is_held_in,
    is_named_in,
    mentions_in,
)
from toolkit.impact.touching import is_conftest
from toolkit.impact.tree import Tree
from toolkit.impact.values import DOCSTRING, EXPORTED, differing

MOST_MODULES = 20
"""Modules of which it is looked for at most in one plan; changes of more concern all that reach them."""

_PYTHON = frozenset({".py", ".pyw"})
_SETTINGS = frozenset(
    {"", ".bat", ".cfg", ".conf", ".env", ".in", ".ini", ".json", ".mk", ".properties", ".ps1", ".service"}
    | {".sh", ".toml", ".txt", ".xml", ".yaml", ".yml"}
)
"""Suffixes of files that may tell others which module to load; so may those whose name begins with a dot."""
_LARGEST = 1_000_000
"""Bytes of a file of configuration that is looked through; a larger one tells what it contains."""


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
    """Looks for who reads what modules say about themselves, in the files of a project.

    Args:
        tree: its files.
        source: cuts a file into units.
        environ: environment variables: they may name a module.
        inputs: all that tests depend on, also files that are not the project's own.
        required: whether installed packages require the project: these may read what they like.
    """

    def __init__(
        self,
        tree: Tree,
        source: Callable[[str], Source | None],
        environ: Mapping[str, str],
        inputs: Iterable[Input],
        *,
        required: bool = False,
    ) -> None:
        self._tree = tree
        self._source = source
        self._environ = environ
        self._inputs = inputs
        self._required = required
        self._contents: dict[str, bytes] = {}
        self._found: dict[tuple[str, frozenset[str]], Mentioners | None] = {}
        self._paths: tuple[frozenset[str], frozenset[str]] | None = None

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
        if not names or self._required:
            return None
        key = (path, names)
        if key not in self._found:
            full = len(self._found) >= MOST_MODULES
            self._found[key] = None if full else self._mentioning(Module(path), names)
        return self._found[key]

    def _mentioning(self, module: Module, names: frozenset[str]) -> Mentioners | None:
        try:
            if DOCSTRING in names and not is_conftest(module.path) and self._is_in_other_hands(module):
                return None
            return self._search(module, names)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None  # what cannot be read may mention it

    def _search(self, module: Module, names: frozenset[str]) -> Mentioners:
        words = sorted(names | (DOCUMENTING if DOCSTRING in names else frozenset()))
        pattern = "|".join([*map(re.escape, words), *([IMPORTING_ALL.pattern] if EXPORTED in names else [])])
        asked = re.compile(pattern.encode())
        units: set[tuple[str, str]] = set()
        levels: set[str] = set()
        python, opened = self._searched()
        for path in python:
            content = self._read(path)
            if asked.search(content):
                source = self._source(path)
                found = mentions_in(content, () if source is None else source.units, names, module)
                units.update((path, unit) for unit in found.units)
                if found.level:
                    levels.add(path)
        files = (path for path in opened if asked.search(self._read(path)))
        return Mentioners(frozenset(units), frozenset(levels), frozenset(files))

    def _is_in_other_hands(self, module: Module) -> bool:
        """Whether no statement imports the module, or others are handed it, or told its name."""
        if any(is_named_in(value, module) for value in self._environ.values()) or self._is_told(module):
            return True
        word = module.last.encode()
        using = [path for path in self._searched()[0] if word in self._read(path) or path == module.path]
        return not any(imports(self._read(path), module) for path in using if path != module.path) or any(
            is_held_in(self._read(path), module, own=path == module.path) for path in using
        )

    def _is_told(self, module: Module) -> bool:
        for path in self._tree.files():
            pure = PurePosixPath(path)
            if pure.suffix.lower() in _SETTINGS or pure.name.startswith("."):
                content = self._read(path)
                if module.last.encode() in content and (
                    len(content) > _LARGEST or is_named_in(content.decode("utf-8", "replace"), module)
                ):
                    return True
        return False

    # -- files ---------------------------------------------------------------------------------------------

    def _searched(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the files that are Python, also those that git ignores, and those that tests read."""
        if self._paths is None:
            inputs = {(item.kind, item.name) for item in self._inputs}
            run = {name for kind, name in inputs if kind in {"function", "module", "tests", "source"}}
            opened = frozenset(name for kind, name in inputs if kind in {"file", "source"})
            python = frozenset(filter(self._is_python, {*self._tree.files(), *run, *opened}))
            self._paths = python, opened
        return self._paths

    def _is_python(self, path: str) -> bool:
        suffix = PurePosixPath(path).suffix
        return suffix in _PYTHON or (not suffix and self._source(path) is not None)

    def _read(self, path: str) -> bytes:
        if path not in self._contents:
            self._contents[path] = self._tree.read(path) or b""
        return self._contents[path]


class Change(msgspec.Struct, frozen=True):
    """An input that is not as it was."""

    number: int  # of its row
    item: Input
    names: frozenset[str] = frozenset()
    """What alone has changed in a module, "__doc__" or "__all__"."""
    mentioners: Mentioners | None = None
    """Whoever may notice; None: all that depend on the input."""

    def __str__(self) -> str:
        if self.mentioners is None:
            return str(self.item)
        return f"{self.item.name} ({', '.join(sorted(self.names))})"

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
        names: looks for who reads what modules say about themselves.
    """
    return [_change(number, item, then, now, names) for number, item, then, now in states if then != now]


def _change(number: int, item: Input, then: str, now: str, names: Names) -> Change:
    found = names.mentioning(item.name, then, now) if item.kind == "module" else None
    return Change(number, item, (found and differing(then, now)) or frozenset(), found)
