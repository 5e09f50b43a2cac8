"""The store of dependencies: what is put in comes out, whatever segments it went through."""

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import HistoryDamaged, InputError, SchemaTooNew
from toolkit.impact import store as store_module
from toolkit.impact.exchange import export_store, import_store
from toolkit.impact.inputs import CaseInputs, Input, Traced
from toolkit.impact.policy import PastRun
from toolkit.impact.store import STORE_NAME, DependencyStore, open_store
from toolkit.records import NodeId, Outcome

ENVIRONMENT = "cpython-3.12-linux"


def traced(wanted: dict[str, set[int]], state: int = 0, outcome: Outcome = Outcome.PASSED) -> Traced:
    """Make a run in which tests depend on functions, given by number, in a state of the code."""
    numbers = sorted(set().union(*wanted.values()))
    return Traced(
        inputs=tuple(Input("function", "lib.py", f"f{n}") for n in numbers),
        fingerprints=tuple(f"state {state}" for _ in numbers),
        cases=tuple(
            CaseInputs(
                test=NodeId(test),
                inputs=frozenset(numbers.index(n) for n in functions),
                outcome=outcome,
                duration=1.5,
            )
            for test, functions in wanted.items()
        ),
    )


def recorded(store: DependencyStore) -> dict[str, set[tuple[str, str]]]:
    return {
        test: {(item.unit, then) for _n, item, then in store.inputs_of(ENVIRONMENT, test)}
        for test in store.tests(ENVIRONMENT)
    }


def put(store: DependencyStore, run: Traced) -> None:
    with store.transaction():
        store.record(ENVIRONMENT, run)


RUNS = st.lists(
    st.dictionaries(st.sampled_from("abcdefghijkl"), st.sets(st.integers(0, 9), min_size=1), min_size=1),
    min_size=1,
    max_size=12,
)


@given(RUNS)
def test_the_last_recording_of_each_test_is_what_counts(runs: list[dict[str, set[int]]]) -> None:
    expected: dict[str, set[tuple[str, str]]] = {}
    with pytest.MonkeyPatch.context() as patch, open_store(Path(":memory:")) as store:
        patch.setattr(store_module, "MOST_SEGMENTS", 3)
        patch.setattr(store_module, "SEGMENT_TESTS", 5)
        for state, run in enumerate(runs):
            put(store, traced(run, state))
            expected |= {test: {(f"f{n}", f"state {state}") for n in run[test]} for test in run}
        assert recorded(store) == expected
        for number, item, then in store.inputs():
            want = {test for test, inputs in expected.items() if (item.unit, then) in inputs}
            assert set(store.dependents(ENVIRONMENT, [number])) == want


def test_outcomes_are_remembered_newest_last(tmp_path: Path) -> None:
    with open_store(tmp_path / "d.sqlite") as store:
        for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.PASSED):
            put(store, traced({"a": {1}}, outcome=outcome))
        record = store.tests(ENVIRONMENT)[NodeId("a")]
        assert (record.outcomes, record.runs_since_bad, record.duration) == ("PFP", 1, 1.5)
        store.forget(ENVIRONMENT, [NodeId("a")])
        assert store.tests(ENVIRONMENT) == {}
        assert store.tests("cpython-3.13-linux") == {}


def test_runs_and_misses_are_kept(tmp_path: Path) -> None:
    with open_store(tmp_path / "d.sqlite") as store:
        run = PastRun(at=5.0, mode="shadow", selected=9, left_out=3, saved=1.5, failing=2, missed=1)
        store.add_run(ENVIRONMENT, run, [NodeId("a")])
        assert store.runs(ENVIRONMENT) == [run]
        assert store.misses() == [(1, "a")]


def test_export_and_import_share_what_is_recorded(tmp_path: Path) -> None:
    with open_store(tmp_path / "one.sqlite") as one:
        put(one, traced({"a": {1, 2}, "b": {3}}))
        one.put("key", b"cached")
        size = export_store(one, tmp_path / "cache" / "shared")
        assert size == (tmp_path / "cache" / "shared").stat().st_size
    with open_store(tmp_path / "two.sqlite") as two:
        put(two, traced({"b": {4}, "c": {1}}, state=1))
        assert import_store(two, tmp_path / "cache" / "shared") == 1
        assert recorded(two) == {
            "a": {("f1", "state 0"), ("f2", "state 0")},
            "b": {("f4", "state 1")},
            "c": {("f1", "state 1")},
        }
        assert two.get("key") is None


def test_bad_files_are_named_and_left_alone(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"not a database, but long enough to be taken for one" * 99)
    with pytest.raises(HistoryDamaged, match=r"broken\.sqlite"):
        open_store(broken)
    assert broken.read_bytes().startswith(b"not a database")
    newer = tmp_path / "newer.sqlite"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SchemaTooNew, match="newer toolkit"):
        open_store(newer)
    with open_store(tmp_path / "d.sqlite") as store:
        with pytest.raises(InputError, match="not a file written by"):
            import_store(store, broken)
        with pytest.raises(InputError, match="cannot be read"):
            import_store(store, tmp_path / "missing")
        with pytest.raises(InputError, match="cannot be written"):
            export_store(store, broken / "x")


@given(RUNS.map(lambda runs: runs[0]), st.sets(st.integers(0, 9)), st.sets(st.sampled_from("abcdefghijkl")))
@settings(max_examples=30, deadline=None)
def test_inputs_in_a_shared_set_count_as_if_each_test_had_them(
    wanted: dict[str, set[int]], common: set[int], sharing: set[str]
) -> None:
    """Whether an input stands in a test's own set, in a shared one, or in both changes nothing."""
    whole = {test: own | (common if test in sharing else set()) for test, own in wanted.items()}
    run = traced(whole)
    names = [int(item.unit[1:]) for item in run.inputs]
    shared = frozenset(names.index(number) for number in common if number in names)
    cases = tuple(
        msgspec.structs.replace(
            case,
            inputs=frozenset(names.index(number) for number in wanted[case.test]),
            shared=(shared, frozenset()) if case.test in sharing else (),
        )
        for case in run.cases
    )
    with TemporaryDirectory() as folder, open_store(Path(folder, STORE_NAME)) as store:
        put(store, msgspec.structs.replace(run, cases=cases))
        found = {test: {int(unit[1:]) for unit, _state in items} for test, items in recorded(store).items()}
        assert found == whole
