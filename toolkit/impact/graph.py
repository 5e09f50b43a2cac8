"""Which module reaches which, by import.

Nodes are files of the project that were imported in a process, under the names they had there. Edges come
from the import statements (parsed; those in functions count for whoever enters the function) and from
imports that were seen to happen inside another. Importing ``a.b`` also executes ``a``.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from toolkit.impact.fingerprints import ImportedName, Source


class Module(NamedTuple):
    """A file under the name it was imported by."""

    name: str
    path: str


class ModuleGraph:
    """The import graph of one process.

    Args:
        modules: what was imported; a file may have several names.
        sources: path → the file cut into units.
        seen: path → paths of modules that were imported for the first time while it was.
    """

    def __init__(
        self,
        modules: Iterable[Module],
        sources: Callable[[str], Source | None],
        seen: Mapping[str, Iterable[str]],
    ) -> None:
        self._modules = list(modules)
        self._by_name = {module.name: module.path for module in self._modules if module.name}
        self._sources = sources
        self.paths = {module.path for module in self._modules}
        self._edges: dict[str, set[str]] = {path: set(seen.get(path, ())) for path in self.paths}
        self._lazy: dict[tuple[str, str], set[str]] = {}
        self._names: dict[str, set[str]] = {}
        for module in self._modules:
            self._add(module)

    def _add(self, module: Module) -> None:
        self._edges[module.path].update(self._parents(module.name))
        source = self._sources(module.path)
        for statement in () if source is None else source.imports:
            base = absolute_name(statement, module)
            if base is None:
                continue
            found = self._targets(base, statement.names)
            self._names.setdefault(module.path, set()).update(
                [base, *(f"{base}.{name}" for name in statement.names if name != "*")]
            )
            if statement.unit:
                self._lazy.setdefault((module.path, statement.unit), set()).update(found)
            else:
                self._edges[module.path].update(found)

    def _parents(self, name: str) -> set[str]:
        parts = name.split(".")
        names = {".".join(parts[:end]) for end in range(1, len(parts))}
        return {self._by_name[parent] for parent in names if parent in self._by_name}

    def _targets(self, base: str, names: Iterable[str]) -> set[str]:
        candidates = [base, *(f"{base}.{name}" for name in names)]
        found = {self._by_name[name] for name in candidates if name in self._by_name}
        return found | self._parents(base)

    def closure(self, seeds: Iterable[str]) -> set[str]:
        """Return the files reached from some, with themselves."""
        reached: set[str] = set()
        pending = [seed for seed in seeds if seed in self._edges]
        while pending:
            path = pending.pop()
            if path not in reached:
                reached.add(path)
                pending.extend(self._edges[path] - reached)
        return reached

    def imported_in(self, path: str, unit: str) -> set[str]:
        """Return the files that a function imports when it runs."""
        return self._lazy.get((path, unit), set())

    def names(self, path: str) -> set[str]:
        """Return the dotted names that a file's import statements may mean."""
        return self._names.get(path, set())

    def flatten(self) -> None:
        """Let imports in functions count for the whole module: who enters a function is not known."""
        for (path, _unit), targets in self._lazy.items():
            self._edges[path].update(targets)

    def add_edges(self, path: str, targets: Iterable[str]) -> None:
        """Add files that are reached from one."""
        self._edges.setdefault(path, set()).update(targets)


def absolute_name(statement: ImportedName, module: Module) -> str | None:
    """Resolve the dots of an import statement; None when they lead outside."""
    if statement.level == 0:
        return statement.module
    package = module.name if module.path.endswith("/__init__.py") else module.name.rpartition(".")[0]
    for _ in range(statement.level - 1):
        package = package.rpartition(".")[0]
    if not package:
        return statement.module or None
    return f"{package}.{statement.module}" if statement.module else package
