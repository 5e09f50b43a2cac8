"""Coverage stays whole: what left-out tests would execute is remembered, carried through edits, and added.

After a run: each test gets what it executed itself, what the shared fixtures it used executed, and what
ran when the modules were imported that it reaches. Before the next one: tests without that run, so that
nothing is missing. In it: what the left-out tests executed is taken from the memory, moved to where
unchanged code is now (see ``toolkit.impact.lines``). A line that changed never counts from memory.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolkit.impact.covered import SUFFIX, WHOLE, ProcessCoverage, read_covered
from toolkit.impact.fingerprints import digest
from toolkit.impact.inputs import Traced
from toolkit.impact.lines import LineMap, line_map
from toolkit.impact.memory import (
    CoverageMemory,
    FileState,
    Parts,
    unpack_numbers,
    unpack_pairs,
)
from toolkit.impact.trails import ProcessTrail, Touched, offspring
from toolkit.records import NodeId

Executed = dict[str, set[Any]]
"""Path of a file → lines or arcs."""

_SETTINGS = ("branch", "source", "source_pkgs", "source_dirs", "include", "omit", "plugins", "relative_files")


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What the left-out tests of a run would have executed.

    Attributes:
        executed: by path as coverage names it.
        tracers: path → coverage's plugin that measured it.
        changed: files whose text is no longer the same: lines of unchanged code in them were carried along.
    """

    executed: Executed
    tracers: dict[str, str]
    changed: int


def settings_digest(option: Any) -> str:
    """Return a digest of how coverage measures: with other settings nothing is remembered.

    Args:
        option: ``Coverage.get_option``.
    """
    return digest(repr([option(f"run:{name}") for name in _SETTINGS]))


# -- after a run ---------------------------------------------------------------------------------------------


def remember_run(  # noqa: PLR0917 - all needed
    memory: CoverageMemory,
    environment: str,
    root: Path,
    folder: Path,
    trails: Sequence[ProcessTrail],
    traced: Traced,
) -> None:
    """Keep the coverage of the tests of a run; forget that of tests whose coverage is not known whole.

    Args:
        memory: where.
        environment: of the run.
        root: of the project.
        folder: with a file of each process that measured.
        trails: of all processes of the run.
        traced: the dependencies of the tests.
    """
    covered = {path.name.removesuffix(SUFFIX): read_covered(path) for path in folder.glob(f"*{SUFFIX}")}
    run = _Run(trails, covered, root)
    cases = list(run.cases(traced))
    settings = next((item.settings for item in covered.values() if item.settings), "")
    with memory.transaction():
        memory.forget(environment, (NodeId(test) for trail in trails for test in trail.begun))
        memory.remember(environment, settings, cases)
        for state, content in run.texts():
            memory.keep_text(state, content)
        memory.tidy()


class _Run:
    """Gives every test its share of what the processes of a run executed."""

    def __init__(
        self, trails: Sequence[ProcessTrail], covered: Mapping[str, ProcessCoverage], root: Path
    ) -> None:
        self._covered = covered
        self._root = root
        self._states: dict[str, FileState | None] = {}
        self._texts: dict[str, bytes] = {}
        self._stamps = {path: stamp for trail in trails for path, stamp in trail.files.items()}
        self._tests: dict[str, set[tuple[str, bytes]]] = {}
        self._imports: dict[str, set[tuple[str, bytes]]] = {}
        self._tracers: dict[str, str] = {}
        self._broken: set[str] = set()
        for trail in trails:
            if not trail.parent:
                self._add(trail, offspring(trail, trails))

    def _add(self, trail: ProcessTrail, children: Sequence[ProcessTrail]) -> None:
        own = self._covered.get(trail.name, ProcessCoverage())
        self._tracers.update(own.tracers)
        if not own.complete:
            self._broken.update(trail.begun)
        executed = {number: set(found) for number, found in own.contexts.items()}
        for child in children:
            self._credit_child(child, children, trail, executed)
        for number, touched in trail.contexts.items():
            if touched.kind == "test":
                mine = _closure(number, trail.contexts)
                self._tests.setdefault(touched.name, set()).update(*(executed.get(at, ()) for at in mine))
            elif touched.kind == "import":
                self._imports.setdefault(touched.name, set()).update(executed.get(number, ()))

    def _credit_child(
        self,
        child: ProcessTrail,
        children: Sequence[ProcessTrail],
        trail: ProcessTrail,
        executed: dict[int, set[tuple[str, bytes]]],
    ) -> None:
        """What a child process executed belongs to the context that it, or its own parent, was started in.

        Where several tests ran while it lived, nobody knows for which of them it worked: their coverage is
        not known whole.
        """
        found = self._covered.get(child.name)
        if found is None:
            return
        self._tracers.update(found.tracers)
        eldest = _eldest(child, children, trail)
        last = min(eldest.until, trail.gone.get(eldest.name, float("inf")))
        later = {number for number in trail.contexts if eldest.started_in < number <= last}
        tests = _tests_of(later, trail)
        if tests:
            tests |= _tests_of({eldest.started_in}, trail)
        if len(tests) > 1:
            self._broken |= tests
            return
        for number in {eldest.started_in, *later}:
            executed.setdefault(number, set()).update(found.contexts.get(WHOLE, ()))

    def cases(self, traced: Traced) -> Iterator[tuple[NodeId, Parts, Parts]]:
        """Yield the tests whose coverage is known whole, with it."""
        modules = {
            number: item.name
            for number, item in enumerate(traced.inputs)
            if item.kind in {"module", "source", "tests"} and item.name in self._imports
        }
        shared: dict[frozenset[str], Parts] = {}
        named: dict[frozenset[int], frozenset[str]] = {}  # sets of inputs that many tests have in common
        for case in traced.cases:
            for numbers in case.shared:
                if numbers not in named:
                    named[numbers] = frozenset(modules[number] for number in numbers if number in modules)
            own = (modules[number] for number in case.inputs if number in modules)
            reached = frozenset(own).union(*(named[numbers] for numbers in case.shared))
            if reached not in shared:
                shared[reached] = self._parts(pair for path in reached for pair in self._imports[path])
            if case.test not in self._broken and case.test in self._tests:
                yield case.test, self._parts(self._tests[case.test]), shared[reached]

    def _parts(self, pairs: Iterable[tuple[str, bytes]]) -> Parts:
        found = {(self._state(path), part) for path, part in pairs}
        return frozenset((state, part) for state, part in found if state is not None)

    def _state(self, name: str) -> FileState | None:
        """Return a file as it was measured; None when it changed meanwhile or is gone."""
        if name not in self._states:
            self._states[name] = self._look(name)
        return self._states[name]

    def _look(self, name: str) -> FileState | None:
        path = relative(self._root, name)
        try:
            content = (self._root / path).read_bytes()
        except OSError:
            return None
        stamp = digest(content)
        if self._stamps.get(path, stamp) != stamp:
            return None
        self._texts[stamp] = content
        return FileState(path=path, digest=stamp, tracer=self._tracers.get(name, ""))

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the texts of the files that were measured, by digest."""
        yield from self._texts.items()


def _tests_of(numbers: set[int], trail: ProcessTrail) -> set[str]:
    """Return the tests among some contexts, and those that use one of them."""
    return {
        touched.name
        for number, touched in trail.contexts.items()
        if touched.kind == "test" and not numbers.isdisjoint(_closure(number, trail.contexts))
    }


def _closure(number: int, contexts: Mapping[int, Touched]) -> set[int]:
    """Return a context and those it used, but for imports: these count by module."""
    seen: set[int] = set()
    pending = [number]
    while pending:
        at = pending.pop()
        touched = contexts.get(at)
        if touched is None or at in seen or (touched.kind == "import" and at != number):
            continue
        seen.add(at)
        pending.extend(int(used) for used in touched.items.get("uses", ()))
    return seen


def _eldest(child: ProcessTrail, children: Sequence[ProcessTrail], trail: ProcessTrail) -> ProcessTrail:
    """Return the process that a process of tests started itself and that a child descends from."""
    by_name = {other.name: other for other in children}
    while child.parent != trail.name and child.parent in by_name:
        child = by_name[child.parent]
    return child


def relative(root: Path, name: str) -> str:
    """Return a path as it is kept: relative to the project when it is inside."""
    prefix = f"{root}{os.sep}"
    return name.removeprefix(prefix).replace(os.sep, "/") if name.startswith(prefix) else name


# -- in the next run -----------------------------------------------------------------------------------------


def recall(
    memory: CoverageMemory, environment: str, root: Path, tests: Collection[NodeId], *, arcs: bool
) -> Remembered:
    """Return what some tests would execute now, as far as it is certain.

    Args:
        memory: of their coverage.
        environment: of the run.
        root: of the project.
        tests: that are left out.
        arcs: whether arcs are measured, not lines.
    """
    executed: Executed = {}
    tracers: dict[str, str] = {}
    changed: set[str] = set()
    for state, packed in memory.coverage(environment, tests).items():
        try:
            now = (root / state.path).read_bytes()
        except OSError:
            continue
        moved = None
        if digest(now) != state.digest:
            changed.add(state.path)
            moved = LineMap() if state.tracer else line_map(memory.text(state.digest) or b"", now)
        found = executed.setdefault(state.path, set())
        for part in packed:
            found.update(_moved(part, moved, arcs=arcs))
        if state.tracer:
            tracers[state.path] = state.tracer
    return Remembered(
        executed={path: found for path, found in executed.items() if found},
        tracers=tracers,
        changed=len(changed),
    )


def _moved(packed: bytes, moved: LineMap | None, *, arcs: bool) -> Iterable[Any]:
    if arcs:
        found = unpack_pairs(packed)
        return found if moved is None else moved.arcs(found)
    lines = unpack_numbers(packed)
    return lines if moved is None else moved.lines(lines)
