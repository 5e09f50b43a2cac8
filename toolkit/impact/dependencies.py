"""From the trails of a run to the inputs of each test.

What a test depends on is the union of

* the functions it entered, and what these keep from earlier calls (see ``toolkit.tracing.windows``),
* the files, folders, variables and child processes it touched,
* the same of every shared fixture instance it used, of the session, and of the collection of its file,
* for every module that it reaches by import, beginning with its own file and the conftest files above it: the
  module's level, and what ran while it was being imported.
"""

import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from toolkit.impact.fingerprints import Unit, unit_at
from toolkit.impact.graph import Module, ModuleGraph
from toolkit.impact.inputs import Input, Windows
from toolkit.impact.kept import reached
from toolkit.impact.touching import Interner, Sources, code_inputs, is_above, is_conftest, item_inputs
from toolkit.impact.touching import touched_input as _touched
from toolkit.impact.trails import ProcessTrail, Touched, borrowing_nothing

DROPPED = "what it touched could not be written whole"
"""Why a test depends on everything whose process could not write its trail."""


class ProcessInputs:
    """The inputs of the tests that one process ran.

    Args:
        trail: of the process.
        children: trails of the processes that it started, directly or not.
        sources: how files are cut into units.
        intern: numbers the inputs; shared by all processes of the run.
        test_files: files with tests: what they import belongs to their own tests only.
        rehearsed: what the imports of modules depend on that were imported before tracing began.
        kept: what functions that keep things ran in earlier runs; counts where tests were not traced.
    """

    def __init__(  # noqa: PLR0917 - all needed
        self,
        trail: ProcessTrail,
        children: Iterable[ProcessTrail],
        sources: Sources,
        intern: Interner,
        test_files: frozenset[str],
        rehearsed: Mapping[str, tuple[Input, ...]] | None = None,
        kept: Windows | None = None,
    ) -> None:
        self.trail = trail
        self.sources = sources
        self.intern = intern
        self.test_files = test_files
        self._rehearsed = rehearsed or {}
        self._kept = (kept or {}) if trail.untraced else {}
        self._kept_numbers: dict[Input, frozenset[int]] = {}
        self._children = list(children)
        self._child_inputs = {child.name: self._everything_of(child) for child in self._children}
        self._units: dict[int, Unit | None] = {}
        self._windows: dict[int, frozenset[int]] = {}
        self._code_numbers: dict[int, frozenset[int]] = {}
        self._keepers = {position for position in trail.codes if self._keeps(position)}
        self._leads_nowhere: set[int] = set()
        self._contexts: dict[int, frozenset[int]] = {}
        self._imports: dict[str, list[int]] = {}
        for _name, path, number in trail.modules:
            self._imports.setdefault(path, []).append(number)
        self._collections: dict[str, list[int]] = {}
        for number, touched in trail.contexts.items():
            if touched.kind == "collection":
                self._collections.setdefault(touched.name, []).append(number)
        self.graph = self._build_graph()
        self._module_inputs: dict[str, frozenset[int]] = {}
        self._reached: dict[tuple[frozenset[str], str], frozenset[int]] = {}
        self._files: dict[str, tuple[frozenset[int], frozenset[str]]] = {}

    # -- modules -----------------------------------------------------------------------------------------

    def _build_graph(self) -> ModuleGraph:
        modules = [Module(name, path) for name, path, _number in self.trail.modules]
        modules += [Module(name, path) for name, path in self.trail.early]
        paths = {number: path for _name, path, number in self.trail.modules}
        edges: dict[str, set[str]] = {}
        for number, path in paths.items():
            touched = self.trail.contexts.get(number)
            used = () if touched is None else touched.items.get("uses", ())
            edges.setdefault(path, set()).update(paths[int(other)] for other in used if int(other) in paths)
        graph = ModuleGraph(modules, self.sources, edges)
        if not self.trail.by_functions:
            graph.flatten()
        for number, path in paths.items():  # what ran during the import may import more
            touched = self.trail.contexts.get(number)
            for input_number in self._inputs_of_codes(set() if touched is None else touched.functions):
                item = self.intern.inputs[input_number]
                if item.kind == "function":
                    graph.add_edges(path, graph.imported_in(item.name, item.unit))
        return graph

    def module_paths_of(self, context: int, seen: set[int]) -> set[str]:
        """Return the files imported in a context and in those it uses."""
        found: set[str] = set()
        if context in seen:
            return found
        seen.add(context)
        touched = self.trail.contexts.get(context)
        if touched is None:
            return found
        if touched.kind == "import":
            return {touched.name}
        for used in touched.items.get("uses", ()):
            found |= self.module_paths_of(int(used), seen)
        return found

    def inputs_of_module(self, path: str) -> frozenset[int]:
        """Return what the import of a module depends on, without those that it imports."""
        if path not in self._module_inputs:
            self._module_inputs[path] = frozenset()  # a cycle ends here
            numbers = {self.intern("module", path), *self._imported_names(path)}
            numbers.update(self._kept_units(path))
            for context in self._imports.get(path, ()):
                numbers |= self._inputs_of_context(context)
            if path in {early for _name, early in self.trail.early}:
                numbers |= self._inputs_of_early(path)
            if not self.trail.by_functions:
                numbers |= self._whole_module(path)
            self._module_inputs[path] = frozenset(numbers)
        return self._module_inputs[path]

    def _inputs_of_early(self, path: str) -> set[int]:
        """Imported before tracing began: what it ran is known from a rehearsal, or may be all of it."""
        if path in self._rehearsed:
            return {self.intern(*item) for item in self._rehearsed[path]}
        return {self.intern("source", path)}

    def _whole_module(self, path: str) -> set[int]:
        """Without functions traced: all of the file, and whatever its functions opened in any test."""
        numbers = {self.intern("source", path)}
        for position in self.trail.call_items:
            if self.trail.codes.get(position, ("", "", 0))[0] == path:
                numbers |= self._items_of_call(position)
        return numbers

    def _imported_names(self, path: str) -> set[int]:
        source = self.sources(path)
        if source is None:
            return {self.intern("file", path)}
        names = self.graph.names(path)
        tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
        return {self.intern("import", name) for name in names} | {
            self.intern("distribution", top) for top in tops
        }

    def _kept_units(self, path: str) -> set[int]:
        """Functions whose results are kept belong to whoever reaches the module, with all they ran."""
        source = self.sources(path)
        kept = {unit.name for unit in source.units if unit.kept} if source is not None else set()
        if not kept:
            return set()
        positions = {
            position
            for position, (where, _name, first) in self.trail.codes.items()
            if where == path
            and source is not None
            and (unit := unit_at(source.units, first))
            and unit.name in kept
        }
        numbers = {self.intern("function", path, name) for name in kept}
        numbers.update(*(self._kept_before(Input("function", path, name)) for name in kept))
        return numbers.union(*(self._window(position) for position in positions))

    def _kept_before(self, keeper: Input) -> frozenset[int]:
        """What it ran in earlier runs: tests that are not traced now may have had it run again."""
        found = self._kept_numbers.get(keeper)
        if found is None:
            found = frozenset(self.intern(*item) for item in reached(self._kept, keeper))
            self._kept_numbers[keeper] = found
        return found

    # -- functions ---------------------------------------------------------------------------------------

    def _inputs_of_codes(self, positions: set[int], alone: Collection[int] = ()) -> set[int]:
        """Inputs of functions, and of what those that keep things did not call this time, but some alone."""
        for position in positions - self._code_numbers.keys():
            self._inputs_of_code(position)
        numbers: set[int] = set().union(*map(self._code_numbers.__getitem__, positions))
        return numbers.union(*map(self._window, (positions & self._keepers).difference(alone)))

    def _keeps(self, position: int) -> bool:
        unit = self._unit_of(position)
        return unit is not None and (unit.keeps or unit.kept)

    def _unit_of(self, position: int) -> Unit | None:
        if position not in self._units:
            path, name, first = self.trail.codes.get(position, ("", "<module>", 0))
            source = None if name == "<module>" else self.sources(path)
            self._units[position] = None if source is None else unit_at(source.units, first)
        return self._units[position]

    def _is_part_of_a_test(self, position: int) -> bool:
        """Whether a function is a test or defined in one: other tests do not use what it computes."""
        path, name, _first = self.trail.codes.get(position, ("", "", 0))
        return path in self.test_files and ("<locals>" in name or name.rpartition(".")[2].startswith("test"))

    def _window(self, keeper: int) -> frozenset[int]:
        """Inputs of a function that keeps things and of all that ran in any call of it."""
        if keeper not in self._windows:
            numbers: set[int] = set()
            pending, seen = [keeper], {keeper}
            while pending:
                at = pending.pop()
                numbers |= self._inputs_of_code(at) | self._items_of_call(at)
                if self._kept and (keeping := self._as_input(at)) is not None:
                    numbers |= self._kept_before(keeping)
                ran = self._ran_in_calls(at) - seen
                seen |= ran
                pending.extend(ran)
            self._windows[keeper] = frozenset(numbers)
        return self._windows[keeper]

    def _as_input(self, position: int) -> Input | None:
        unit = self._unit_of(position)
        return None if unit is None else Input("function", self.trail.codes[position][0], unit.name)

    def windows(self) -> Windows:
        """Return what ran in the calls of functions that keep things, by function: for later runs."""
        found: dict[Input, frozenset[Input]] = {}
        for position in self._keepers if self.trail.by_functions else ():
            if (keeper := self._as_input(position)) is not None:
                ran = frozenset(map(self.intern.inputs.__getitem__, self._window(position)))
                found[keeper] = found.get(keeper, frozenset()) | ran
        return found

    def _ran_in_calls(self, keeper: int) -> set[int]:
        """Functions that ran in calls of another; where not all calls were followed: in the same test."""
        ran = set(self.trail.calls.get(keeper, ()))
        for context in self.trail.often.get(keeper, ()):
            ran |= self.trail.contexts[context].functions
        return {position for position in ran if not self._is_part_of_a_test(position)}

    def _items_of_call(self, position: int) -> set[int]:
        """Files that were opened, variables read and modules loaded in calls of a function, in any test."""
        items = self.trail.call_items.get(position, ())
        return {_touched(kind, item, self.intern) for kind, item in items}

    def _inputs_of_code(self, position: int) -> frozenset[int]:
        if position not in self._code_numbers:
            self._code_numbers[position] = frozenset(
                code_inputs(self.trail.codes.get(position), self.sources, self.intern)
            )
        return self._code_numbers[position]

    # -- contexts ----------------------------------------------------------------------------------------

    def _inputs_of_context(self, number: int) -> frozenset[int]:
        """Inputs of a context and of those it uses; imported modules count through :meth:`reach`."""
        if number in self._contexts:
            return self._contexts[number]
        self._contexts[number] = frozenset()  # a cycle ends here
        touched = self.trail.contexts.get(number)
        if touched is None:
            return frozenset()
        numbers = self._inputs_of_codes(touched.functions, borrowing_nothing(self.trail, number))
        numbers |= item_inputs(touched, self.intern)
        numbers |= self._inputs_of_children(number, touched)
        for used in touched.items.get("uses", ()):
            other = self.trail.contexts.get(int(used))
            if other is not None and other.kind != "import":
                numbers |= self._inputs_of_context(int(used))
        self._contexts[number] = frozenset(numbers)
        return self._contexts[number]

    def _inputs_of_children(self, number: int, touched: Touched) -> set[int]:
        numbers: set[int] = set()
        for child in self._children:
            if child.parent == self.trail.name and self._lived_in(child, number):
                numbers |= self._child_inputs[child.name]
        expected = len(touched.items.get("children", ()))
        reported = sum(child.started_in == number for child in self._children if "-child-" in child.name)
        if reported < expected:
            numbers.add(self.intern("everything", "", "a child process was not traced"))
        return numbers

    def _lived_in(self, child: ProcessTrail, number: int) -> bool:
        last = min(child.until, self.trail.gone.get(child.name, float("inf")))
        return child.started_in <= number <= max(last, child.started_in)

    def _everything_of(self, child: ProcessTrail) -> set[int]:
        numbers: set[int] = set()
        for code in child.codes.values():
            numbers |= code_inputs(code, self.sources, self.intern)
        for touched in child.contexts.values():
            numbers |= item_inputs(touched, self.intern)
        paths = {path for _name, path, _number in child.modules} | {path for _name, path in child.early}
        for path in paths:
            numbers.add(self.intern("module" if child.by_functions else "source", path))
        if child.dropped:
            numbers.add(self.intern("everything", "", DROPPED))
        for grandchild in self._children:
            if grandchild.parent == child.name:
                numbers |= self._everything_of(grandchild)
        return numbers

    # -- tests -------------------------------------------------------------------------------------------

    def tests(self) -> Iterable[tuple[str, frozenset[int], tuple[frozenset[int], ...]]]:
        """Yield every test that ended in this process: its own inputs, and sets that it shares."""
        session = self._session_inputs()
        for number, touched in self.trail.contexts.items():
            if touched.kind == "test":
                own, shared = self._inputs_of_test(number, touched)
                yield touched.name, own, (session, *shared)

    def _session_inputs(self) -> frozenset[int]:
        """What was touched outside of tests belongs to all of them."""
        sessions = [number for number, touched in self.trail.contexts.items() if touched.kind == "session"]
        numbers: set[int] = set()
        seeds: set[str] = set()
        for number in sessions:
            touched = self.trail.contexts[number]
            numbers |= self._inputs_of_codes(touched.functions) | item_inputs(touched, self.intern)
            for used in touched.items.get("uses", ()):
                other = self.trail.contexts.get(int(used))
                if other is not None and other.kind == "import" and not is_conftest(other.name):
                    seeds.add(other.name)
        if self.trail.dropped:
            numbers.add(self.intern("everything", "", DROPPED))
        if not self.trail.by_functions:
            seeds |= self._loaded_by_tests()
        return frozenset(numbers) | self._reach(frozenset(seeds - self.test_files))

    def _loaded_by_tests(self) -> set[str]:
        """Modules that a test or fixture loaded first, perhaps by name: later ones may use them unseen."""
        found: set[str] = set()
        for number, touched in self.trail.contexts.items():
            if touched.kind in {"test", "fixture"}:
                found |= self.module_paths_of(number, set())
        return found - self.graph.closure(self.test_files)

    def _inputs_of_test(
        self, number: int, touched: Touched
    ) -> tuple[frozenset[int], tuple[frozenset[int], ...]]:
        file = touched.name.partition("::")[0]
        if file not in self._files:
            self._files[file] = self._inputs_of_file(file)
        common, seeds = self._files[file]
        own = self._inputs_of_context(number)
        seeds = seeds.union(self.module_paths_of(number, set()), self._lazily_imported(own))
        return own, (common, self._reach(seeds, own_file=file))

    def _inputs_of_file(self, file: str) -> tuple[frozenset[int], frozenset[str]]:
        """Return what all tests of a file depend on: inputs, and modules that they reach."""
        numbers = set(self._own_file(file))
        seeds = {path for path in self.graph.paths if is_conftest(path) and is_above(path, file)}
        for context in self._collections.get(file, ()):
            numbers |= self._inputs_of_context(context)
            seeds |= self.module_paths_of(context, set()) - self.test_files
        seeds |= self._lazily_imported(numbers)
        return frozenset(numbers), frozenset(seeds)

    def _own_file(self, file: str) -> frozenset[int]:
        folders = [folder.as_posix() for folder in PurePosixPath(file).parents]
        expected = [f"{folder}/conftest.py".removeprefix("./") for folder in folders]
        expected.append(f"{folders[0]}/__init__.py".removeprefix("./"))
        numbers = {self.intern("absent", path) for path in expected if path not in self.graph.paths}
        if file not in self.graph.paths:
            numbers.add(self.intern("file" if self.sources(file) is None else "module", file))
        return frozenset(numbers)

    def _lazily_imported(self, numbers: Iterable[int]) -> set[str]:
        """Return the modules that functions among the inputs import when they run, or were seen to load."""
        found: set[str] = set()
        for number in frozenset(numbers) - self._leads_nowhere:
            item = self.intern.inputs[number]
            leads: set[str] = set()
            if item.kind == "function":
                leads = self.graph.imported_in(item.name, item.unit)
            elif item.kind == "module":
                leads = {item.name}
            if not leads:
                self._leads_nowhere.add(number)
            found |= leads
        return found

    def _reach(self, seeds: frozenset[str], own_file: str = "") -> frozenset[int]:
        key = (seeds, own_file)
        if key not in self._reached:
            numbers: set[int] = set()
            for path in self.graph.closure([*seeds, own_file]):
                inputs = self.inputs_of_module(path)
                if path == own_file:
                    inputs = inputs - {self.intern("module", path)} | {self.intern("tests", path)}
                numbers |= inputs
            self._reached[key] = frozenset(numbers)
        return self._reached[key]
