"""From what a process touched to inputs: code objects to functions, items to files and folders."""

from collections.abc import Callable

from toolkit.impact.fingerprints import Source, unit_at
from toolkit.impact.inputs import Input, Kind
from toolkit.impact.trails import Touched

Sources = Callable[[str], Source | None]
"""Path relative to the root → the file cut into units; None when it is not Python or gone."""

ITEM_KINDS: dict[str, Kind] = {
    "file": "file",
    "folder": "folder",
    "absent": "absent",
    "variable": "variable",
    "import": "import",
    "module": "module",
}

EVERYTHING = "everything"
"""Kind of an item that may be any file of the project."""


class Interner:
    """Numbers inputs: each one once."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self._numbers: dict[Input, int] = {}

    def __call__(self, kind: Kind, name: str, unit: str = "") -> int:
        """Return the number of an input."""
        item = Input(kind, name, unit)
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self.inputs)
            self.inputs.append(item)
        return number


def code_inputs(code: tuple[str, str, int] | None, sources: Sources, intern: Interner) -> set[int]:
    """Return what an entered code object stands for: a function, a module's level, or a whole file."""
    if code is None:
        return {intern("everything", "", "a function's line is missing in the trail")}
    path, name, first = code
    source = sources(path)
    if source is None:
        return {intern("file", path)}
    if name == "<module>":  # its first line may be that of a function
        return {intern("module", path)}
    unit = unit_at(source.units, first)
    if unit is None:
        plain = name.partition(".<locals>")[0]
        misplaced = any(unit.name == plain for unit in source.units)
        return {intern("source" if misplaced else "module", path)}
    base = unit.name.partition("#")[0]
    if name == base or name.startswith(f"{base}.<locals>") or "<" in name.rpartition(".")[2]:
        return {intern("function", path, unit.name)}
    return {intern("source", path)}


def item_inputs(touched: Touched, intern: Interner) -> set[int]:
    """Return files, folders, variables and imports as inputs."""
    kinds = (*ITEM_KINDS, EVERYTHING)
    return {touched_input(kind, item, intern) for kind in kinds for item in touched.items.get(kind, ())}


def touched_input(kind: str, item: str, intern: Interner) -> int:
    """Return one of them; of "everything", the item says why."""
    return intern("everything", "", item) if kind == EVERYTHING else intern(ITEM_KINDS[kind], item)


def is_conftest(path: str) -> bool:
    """Whether a file is one of those that pytest loads by itself."""
    return path == "conftest.py" or path.endswith("/conftest.py")


def is_above(conftest: str, file: str) -> bool:
    """Whether a conftest file is loaded for a file."""
    folder = conftest.removesuffix("conftest.py")
    return file.startswith(folder)
