"""Whatever lies on the disk is taken in once; what cannot be read is named and stops nothing else."""

import gzip
import json
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.made_runs import made_run
from tests.history.test_history_survival import write_journal
from toolkit.errors import InputError
from toolkit.history.export import write_export
from toolkit.history.imports import import_paths, import_pending
from toolkit.history.store import History, open_history
from toolkit.journal import Journal
from toolkit.records import Attempt, NodeId, Outcome, RunRecord

A = NodeId("tests/test_a.py::test_a")
JUNIT = """<testsuites><testsuite name="pytest" timestamp="2026-01-02T03:04:05+00:00">
<testcase classname="tests.test_a" name="test_a" time="0.5"/>
<testcase classname="tests.test_a" name="test_b" time="0.25"><failure message="no">why</failure></testcase>
</testsuite></testsuites>"""


def test_journals_are_taken_in_once(history: History, tmp_path: Path) -> None:
    write_journal(tmp_path / "runs" / "run-0001", made_run(1, {A: "fp"}))
    (tmp_path / "runs" / "note.txt").touch()
    assert import_pending(history, tmp_path).new == ("run-0001",)
    again = import_pending(history, tmp_path)
    assert (again.new, again.known, again.unreadable) == ((), (), ())
    assert import_pending(history, tmp_path / "nowhere").new == ()


def test_a_journal_that_grew_is_read_again(history: History, tmp_path: Path) -> None:
    """An interrupted run whose last lines came later, for instance from another machine."""
    folder = tmp_path / "runs" / "run-0001"
    write_journal(folder, made_run(1, {A: "f"}), finished=False)
    import_pending(history, tmp_path)
    assert history.runs()[0].finished is None
    journal = Journal(folder, "gw0")
    journal.write(Attempt(test=A, number=2, outcome=Outcome.PASSED, started=2e9))
    journal.close()
    assert import_pending(history, tmp_path).new == ("run-0001",)
    assert history.runs()[0].flaky == 1


def test_a_run_that_goes_on_is_left_for_later(history: History, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "run-0001"
    write_journal(folder, made_run(1, {A: "p"}), finished=False)
    journal = Journal(folder, "gw0")
    assert import_pending(history, tmp_path).new == ()
    journal.close()
    assert import_pending(history, tmp_path).new == ("run-0001",)


def test_a_pruned_run_stays_out_until_asked_for(history: History, tmp_path: Path) -> None:
    write_journal(tmp_path / "runs" / "run-0001", made_run(1, {A: "p"}))
    import_pending(history, tmp_path)
    assert history.prune(keep=0).runs == ("run-0001",)
    assert import_pending(history, tmp_path).new == ()
    assert import_paths(history, [tmp_path / "runs"]).new == ("run-0001",)


def test_a_journal_without_a_beginning_is_named(history: History, tmp_path: Path) -> None:
    (tmp_path / "runs" / "bad").mkdir(parents=True)
    (tmp_path / "runs" / "bad" / "gw0.jsonl").write_text("no json\n")
    write_journal(tmp_path / "runs" / "good", made_run(1, {A: "p"}))
    done = import_pending(history, tmp_path)
    assert done.new == ("run-0001",)
    assert [(row.path, "kind: run" in row.reason) for row in done.unreadable] == [
        (str(tmp_path / "runs" / "bad"), True)
    ]


def test_all_kinds_of_files_in_one_folder(history: History, tmp_path: Path) -> None:
    """Journals, JUnit files, exports and rubbish, nested: each good one goes in, each bad one is named."""
    with open_history(":memory:") as other:
        other.import_run(made_run(2, {A: "p"}))
        write_export(other, tmp_path / "all" / "deep" / "export.jsonl.gz")
    write_journal(tmp_path / "all" / "journals", made_run(1, {A: "f"}))
    (tmp_path / "all" / "junit.xml").write_text(JUNIT)
    (tmp_path / "all" / "torn.XML").write_text(JUNIT[:100])
    (tmp_path / "all" / "empty.xml").write_text("")
    (tmp_path / "all" / "readme.txt").write_text("not looked at")
    done = import_paths(history, [tmp_path / "all"])
    assert len(done.new) == 3
    assert {Path(row.path).name for row in done.unreadable} == {"torn.XML", "empty.xml"}
    assert import_paths(history, [tmp_path / "all"]).new == ()
    assert {row.origin for row in history.runs()} == {"journal", "junit"}
    assert history.results(NodeId("tests/test_a.py::test_a"), origin="junit")[0].duration == 0.5
    assert history.failures(test="tests/test_a.py::test_b")[0].failure.traceback == "why"


def test_a_path_that_does_not_exist_stops_everything(history: History, tmp_path: Path) -> None:
    write_journal(tmp_path / "here", made_run(1, {A: "p"}))
    with pytest.raises(InputError, match="not-here: no such file or folder"):
        import_paths(history, [tmp_path / "here", tmp_path / "not-here"])
    assert history.runs() == ()


def test_an_unreadable_file_is_named(history: History, tmp_path: Path) -> None:
    (tmp_path / "loop.xml").symlink_to(tmp_path / "loop.xml")
    done = import_paths(history, [tmp_path])
    assert "loop.xml" in done.unreadable[0].path


def exported(tmp_path: Path, *records: RunRecord) -> Path:
    path = tmp_path / "export.gz"
    with open_history(":memory:") as history:
        for record in records:
            history.import_run(record)
        assert write_export(history, path) == len(records)
    return path


def test_an_export_goes_back_in_as_it_was(history: History, tmp_path: Path) -> None:
    records = [made_run(index, {A: "fp", "b.py::b": "s"}, branch="x") for index in range(3)]
    done = import_paths(history, [exported(tmp_path, *records)])
    assert done.new == ("run-0000", "run-0001", "run-0002")
    assert history.record("run-0002") == records[2]


def test_a_torn_export_gives_what_is_whole(history: History, tmp_path: Path) -> None:
    """A copy that broke off: every whole run of it is taken in, and the end is named."""
    path = exported(tmp_path, *(made_run(index, {f"t.py::{index}": "f"}) for index in range(200)))
    path.write_bytes(path.read_bytes()[:-2000])
    done = import_paths(history, [path])
    assert 100 < len(done.new) < 200
    assert "ends too early or is damaged" in done.unreadable[0].reason


def test_a_bad_line_of_an_export_is_named(history: History, tmp_path: Path) -> None:
    path = exported(tmp_path, made_run(0, {A: "p"}), made_run(1, {A: "p"}))
    lines = gzip.decompress(path.read_bytes()).splitlines()
    path.write_bytes(gzip.compress(b"\n".join([lines[0], b'{"origin": 1}', lines[2]])))
    done = import_paths(history, [path])
    assert done.new == ("run-0001",)
    assert "line 2" in done.unreadable[0].reason


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        ({"format": "toolkit-history", "version": 99, "toolkit": "9.9"}, "version 99, made by toolkit 9.9"),
        ({"format": "other", "version": 1, "toolkit": ""}, "format 'other', expected 'toolkit-history'"),
        ([1], "not an export of a history"),
    ],
)
def test_other_compressed_files_are_refused(
    history: History, tmp_path: Path, heading: object, reason: str
) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(json.dumps(heading).encode()))
    assert reason in import_paths(history, [path]).unreadable[0].reason


def test_half_an_export_is_no_export(history: History, tmp_path: Path) -> None:
    """The folder cannot be made: an error that names the file, and nothing is left behind."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_export(history, tmp_path / "file" / "x.gz")


def test_a_full_disk_leaves_the_old_export(history: History, small_disk: Path) -> None:
    path = small_disk / "export.gz"
    path.write_bytes(b"old")
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    history.import_run(made_run(0, {secrets.token_hex(50): "f" for _ in range(2000)}))
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_export(history, path)
    assert sorted(found.name for found in small_disk.iterdir()) == ["ballast", "export.gz"]
    assert path.read_bytes() == b"old"


RUNS = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["p", "f", "fp", "s"]), max_size=5),
        st.booleans(),
    ),
    max_size=12,
)


@given(runs=RUNS, data=st.data())
def test_imports_may_come_in_any_order_and_any_number_of_times(
    runs: list[tuple[int, dict[str, str], bool]], data: st.DataObject
) -> None:
    """Two histories that got the same records, whatever the order and repetition, answer alike."""
    records = [made_run(index, tests, finished=done) for index, tests, done in runs]
    # versions of one run differ in how much they say, as those of a growing journal do
    says = {(r.header.run, r.finished, sum(len(case.attempts) for case in r.cases)): r for r in records}
    records = list(says.values())
    once = data.draw(st.permutations(records))
    again = data.draw(st.permutations(records + records[:3]))
    assert answers(once) == answers(again)


def answers(records: list[RunRecord]) -> object:
    with open_history(":memory:") as history:
        for record in records:
            history.import_run(record)
        history.require_sound()
        return history.runs(limit=None), history.recent(), history.tests(), history.durations()


@given(left=RUNS, right=RUNS)
def test_merging_exports_commutes(
    left: list[tuple[int, dict[str, str], bool]], right: list[tuple[int, dict[str, str], bool]]
) -> None:
    """Machine A takes B's export and B takes A's: afterwards both know the same."""
    one = [made_run(index, tests, run=f"left-{index}") for index, tests, _ in left]
    two = [made_run(index, tests, run=f"right-{index}") for index, tests, _ in right]
    one, two = ([*{record.header.run: record for record in records}.values()] for records in (one, two))
    assert answers(one + two) == answers(two + one)
