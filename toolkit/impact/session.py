"""A selection, and what becomes of it: the parts of this package put together for one run of pytest."""

import os
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from toolkit.errors import ChangesUnknown
from toolkit.impact.changes import old_contents
from toolkit.impact.dependencies import DROPPED, ProcessInputs
from toolkit.impact.distributions import Installed, installed, name_of
from toolkit.impact.fingerprints import GONE, digest
from toolkit.impact.inputs import CaseInputs, CaseRecord, Input, Traced
from toolkit.impact.narrowing import Change, Names, changes_in
from toolkit.impact.policy import PastRun, Track, track
from toolkit.impact.rehearsal import rehearse
from toolkit.impact.selection import Selection, select
from toolkit.impact.state import Keepers, ParsedHere, ProjectState, fingerprints
from toolkit.impact.store import DependencyStore
from toolkit.impact.touching import Interner
from toolkit.impact.trails import ProcessTrail, first_uses, offspring, read_trails
from toolkit.impact.tree import DiskTree, PastTree, Tree
from toolkit.records import NodeId, Outcome

Results = Mapping[NodeId, tuple[Outcome, float]]
"""Test → outcome and seconds."""

Rows = Sequence[tuple[int, Input, str]]
"""Number, input and recorded fingerprint of what tests depend on."""

Also = Callable[[Sequence[ProcessTrail], Traced], object]
"""What else is done with the trails of a run and the dependencies of its tests."""

STALE = "changed while the tests ran"
"""The fingerprint of what was not the same at the beginning and at the end of a run: it never matches."""


def environment_name() -> str:
    """Name of the records to use: dependencies differ between Pythons and platforms."""
    major, minor = sys.version_info[:2]
    return f"{sys.implementation.name}-{major}.{minor}-{sys.platform}"


def pytest_settings(tree: Tree, options: Iterable[str] = ()) -> dict[str, str]:
    """Return what configures all tests of a project: Python, the configuration of pytest, options.

    Args:
        tree: files of the project.
        options: of the command line that change what tests do.
    """
    return {
        "python": sys.version,
        "pytest": digest("\0".join(_configuration_texts(tree))),
        "options": digest("\0".join(options)),
    }


def _configuration_texts(tree: Tree) -> Iterable[str]:
    for name in ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"):
        yield _text(tree, name)
    for name in ("tox.ini", "setup.cfg"):
        text = _text(tree, name)
        yield text if "pytest" in text else ""
    try:
        document = tomllib.loads(_text(tree, "pyproject.toml"))
        yield repr(document.get("tool", {}).get("pytest", {}))
    except tomllib.TOMLDecodeError:
        yield _text(tree, "pyproject.toml")


def _text(tree: Tree, path: str) -> str:
    return (tree.read(path) or b"").decode("utf-8", "replace")


class ImpactSession:
    """Plans a run and records it.

    Args:
        root: the project.
        store: where dependencies are kept.
        environ: environment variables at the start of the run.
        options: of the command line that change what tests do; None: not known, so they do not count.
    """

    def __init__(
        self,
        root: Path,
        store: DependencyStore,
        *,
        environ: Mapping[str, str] | None = None,
        options: Iterable[str] | None = None,
    ) -> None:
        self.root = root
        self.store = store
        self.parsed = ParsedHere(store)
        """For the files that this process cuts into units while tests run."""
        self.environment = environment_name()
        self._environ = dict(os.environ if environ is None else environ)
        self._options = None if options is None else tuple(options)
        self._installed: Installed | None = None
        self.incomplete: list[str] = []
        """Filled at the end of a run: names of processes that could not write all that they did."""
        self.recorded = 0
        """Filled at the end of a run: tests whose dependencies were recorded."""
        self.known: Mapping[NodeId, CaseRecord] = {}
        """Filled by a plan: the recorded tests."""
        self.keepers: Keepers = {}
        """Filled by a plan: functions that keep things, in the files that recorded tests depend on."""

    def state(self, modules: Iterable[str], tree: Tree | None = None) -> ProjectState:
        """Return the project as it is now, or in another state of its files.

        Args:
            modules: top-level modules that tests are known to import.
            tree: None: what is on disk.
        """
        packages = self._packages() if tree is None else installed(self.store, tree)
        tree = DiskTree(self.root) if tree is None else tree
        return ProjectState(
            tree,
            self.parsed,
            environ=self._environ,
            settings={**pytest_settings(tree, self._options or ()), "packages": packages.others(modules)},
            distributions=packages.fingerprint,
        )

    def _packages(self) -> Installed:
        """Return what was installed when this was first asked: what changes in a run counts in the next."""
        if self._installed is None:
            self._installed = installed(self.store, DiskTree(self.root))
        return self._installed

    # -- before the run ------------------------------------------------------------------------------------

    def changed(self, reference: str = "") -> tuple[dict[NodeId, str], dict[NodeId, str]]:
        """Return the tests with an input that is not as it was recorded, and since a git revision.

        Raises:
            ChangesUnknown: git cannot tell what changed since the reference.
        """
        rows = list(self.store.inputs())
        modules = _modules(rows)
        now = self.state(modules)
        with self.store.transaction():  # parsed files are kept
            names = self._names(now, rows)
            changed = changes_in(self._since_recorded(rows, now), names)
            touched = changes_in(self._since(reference, modules, rows, now), names) if reference else []
        self.keepers = now.keepers()
        return self._dependents(changed, rows), self._dependents(touched, rows)

    def _names(self, state: ProjectState, rows: Rows) -> Names:
        required = bool(self._packages().requiring(name_of(state.tree)))
        inputs = (item for _number, item, _recorded in rows)
        return Names(state.tree, state.source, self._environ, inputs, required=required)

    def changed_inputs(self, test: NodeId) -> list[Change]:
        """Return the changes that concern one test."""
        inputs = self.store.inputs_of(self.environment, test)
        state = self.state(self.modules())
        changes = changes_in(self._since_recorded(inputs, state), self._names(state, inputs))
        return [change for change in changes if change.concerns(item for _number, item, _then in inputs)]

    def counts(self, item: Input) -> bool:
        """Whether a change of an input can be told: that of options only in a run of pytest."""
        return self._options is not None or item != Input("setting", "options")

    def modules(self) -> set[str]:
        """Return the top-level modules of other projects that tests are known to import."""
        return _modules(self.store.inputs())

    def _since_recorded(self, rows: Rows, now: ProjectState) -> Iterator[tuple[int, Input, str, str]]:
        for number, item, recorded in rows:
            if self.counts(item):
                yield number, item, recorded, now.fingerprint(item)

    def _since(
        self, reference: str, modules: set[str], rows: Rows, now: ProjectState
    ) -> Iterator[tuple[int, Input, str, str]]:
        past = PastTree(DiskTree(self.root), old_contents(self.root, reference))
        then = self.state(modules, past)
        for number, item, _recorded in rows:
            yield number, item, then.fingerprint(item), now.fingerprint(item)

    def _dependents(self, changes: Sequence[Change], rows: Rows) -> dict[NodeId, str]:
        """Return the tests that changes concern, each with one of them."""
        whole = {change.number: str(change) for change in changes if change.mentioners is None}
        found = self.store.dependents(self.environment, whole)
        concerned = {test: whole[number] for test, number in found.items()}
        for change in changes:
            if change.mentioners is not None:
                among = self.store.dependents(self.environment, change.rows_of_mentioners(rows))
                reach = self.store.dependents(self.environment, [change.number])
                concerned.update(dict.fromkeys(reach.keys() & among.keys() - concerned.keys(), str(change)))
        return concerned

    def plan(self, *, full: str = "", reference: str = "") -> Selection:
        """Decide which of the known tests to leave out."""
        known = self.known = self.store.tests(self.environment)
        if not known:
            return select(known, {}, full=full or "nothing is recorded yet")
        try:
            changed, since_reference = self.changed(reference)
        except ChangesUnknown as error:
            return select(known, {}, dict.fromkeys(known, reference), full=str(error))
        return select(known, changed, since_reference, full=full)

    # -- after the run -------------------------------------------------------------------------------------

    def import_trails(self, folder: Path, also: Also | None = None) -> Results:
        """Store what a run recorded; a test that was begun and has no result is forgotten: it runs again.

        Args:
            folder: of the trails.
            also: called with trails and dependencies before these are stored.
        """
        trails = read_trails(folder)
        self.incomplete = [trail.name for trail in trails if trail.dropped]
        results = {test: result for trail in trails for test, result in trail.results.items()}
        lost = {NodeId(test) for trail in trails for test in trail.begun} - set(results)
        with self.store.transaction():
            traced = self.traced(trails, results)
            if also is not None:
                also(trails, traced)
            self.recorded = len(traced.cases)
            self.store.record(self.environment, traced)
            self.store.note_results(self.environment, _others(results, traced))
            self.store.forget(self.environment, lost)
        return {**results, **dict.fromkeys(lost, (Outcome.CRASHED, 0.0))}

    def note_run(self, mode: str, selection: Selection, results: Results, reference: str = "") -> Track:
        """Note what this run did; judge selection where everything ran. Returns how it did so far."""
        bad = {test for test, (outcome, _seconds) in results.items() if outcome.bad}
        missed = bad & selection.would_leave_out
        run = PastRun(
            at=time.time(),
            mode=mode,
            selected=len(results),
            left_out=len(selection.would_leave_out),
            saved=selection.saved,
            failing=len(bad),
            missed=len(missed),
        )
        with self.store.transaction():
            self.store.add_run(self.environment, run, missed, reference)
        return track(self.store.runs(self.environment))

    def traced(self, trails: Sequence[ProcessTrail], results: Results) -> Traced:
        """Turn the trails of a run into the dependencies of its tests.

        Args:
            trails: of all processes of the run.
            results: outcome and seconds of every test that ended.
        """
        intern = Interner()
        state = self.state(())
        test_files = frozenset(test.partition("::")[0] for test in results)
        early = [module for trail in trails for module in trail.early]
        rehearsed = rehearse(self.root, list(dict.fromkeys(early)), state, self.store)
        own: dict[NodeId, frozenset[int]] = {}
        shared: dict[NodeId, tuple[frozenset[int], ...]] = {}
        kept = self.store.windows(self.environment) if any(trail.untraced for trail in trails) else {}
        windows: dict[Input, frozenset[Input]] = {}
        not_whole: set[str] = set()
        for trail in trails:
            if not trail.parent:
                process = ProcessInputs(
                    trail, offspring(trail, trails), state.source, intern, test_files, rehearsed, kept
                )
                for keeper, ran in process.windows().items():
                    windows[keeper] = windows.get(keeper, frozenset()) | ran
                if trail.dropped or not trail.by_functions:
                    not_whole.update(trail.begun)
                for name, numbers, sets in process.tests():
                    test = NodeId(name)
                    own[test] = own[test] | numbers if test in own else numbers
                    shared[test] = (*shared.get(test, ()), *sets)
        settings = frozenset(intern("setting", name) for name in ("python", "pytest", "options", "packages"))
        if any(trail.dropped and not trail.pid for trail in trails):  # nobody knows whose child it was
            settings |= {intern("everything", "", DROPPED)}
        cases = tuple(
            CaseInputs(
                test=test,
                inputs=own[test],
                shared=(settings, *shared[test]),
                outcome=outcome,
                duration=seconds,
                whole=test not in not_whole,
            )
            for test, (outcome, seconds) in results.items()
            if test in own
        )
        tops = {item.name for item in intern.inputs if item.kind == "distribution"}
        state.settings["packages"] = self._packages().others(tops)
        contents = first_uses(trails)
        found = [
            STALE if self._moved(item, contents, state) else fingerprint
            for item, fingerprint in zip(intern.inputs, fingerprints(state, intern.inputs), strict=True)
        ]
        return Traced(inputs=tuple(intern.inputs), fingerprints=tuple(found), cases=cases, windows=windows)

    def _moved(self, item: Input, contents: Mapping[str, set[str]], state: ProjectState) -> bool:
        """Whether a file is no longer as it was when the run first used it."""
        if item.kind not in {"function", "module", "tests", "source", "file"} or item.name not in contents:
            return False
        return {content or GONE for content in contents[item.name]} != {state.content(item.name)}


def _modules(rows: Iterable[tuple[int, Input, str]]) -> set[str]:
    """Return the top-level modules of other projects among recorded inputs."""
    return {item.name for _number, item, _then in rows if item.kind == "distribution"}


def _others(results: Results, traced: Traced) -> Results:
    """Return the results of tests that were not traced."""
    cases = {case.test for case in traced.cases}
    return {test: result for test, result in results.items() if test not in cases}
