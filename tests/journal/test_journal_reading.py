"""Whatever happens to a journal, what is left of it is read and what is lost is named."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import JournalError
from toolkit.journal import CONTROLLER, Journal, merge, new_run_id, read_lines, read_run
from toolkit.records import (
    Attempt,
    Failure,
    Line,
    NodeId,
    Outcome,
    RunFinished,
    RunStarted,
    TestBegun,
    TestsCollected,
    WorkerFinished,
    WorkerLost,
    WorkerStarted,
)

HEADER = RunStarted(run="20261122T000000-abcdef", started=1.0)


def begun(test: str, *, worker: str = "gw0", number: int = 1, at: float = 1.0) -> TestBegun:
    return TestBegun(test=NodeId(test), worker=worker, number=number, started=at)


def attempt(
    test: str, outcome: Outcome = Outcome.PASSED, *, worker: str = "gw0", number: int = 1, at: float = 1.0
) -> Attempt:
    return Attempt(test=NodeId(test), outcome=outcome, worker=worker, number=number, started=at)


TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
"""Any characters, half of a surrogate pair too: names of files and captured output may hold them."""

FAILURES = st.builds(Failure, phase=st.sampled_from(["setup", "call"]), exception=TEXT, message=TEXT)
ATTEMPTS = st.builds(
    Attempt,
    test=TEXT,
    outcome=st.sampled_from(Outcome),
    number=st.integers(1, 9),
    started=st.floats(0, 1e10),
    failures=st.lists(FAILURES, max_size=2).map(tuple),
    markers=st.lists(TEXT, max_size=2).map(tuple),
)
LINES: st.SearchStrategy[list[Line]] = st.lists(
    st.one_of(ATTEMPTS, st.builds(TestBegun, test=TEXT, started=st.floats(0, 1e10))), min_size=1, max_size=6
)


@given(LINES, st.data())
def test_a_journal_cut_at_any_byte_loses_at_most_one_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Line], data: st.DataObject
) -> None:
    """All whole lines are read, and the torn one is reported: nothing is dropped in silence."""
    folder = tmp_path_factory.mktemp("cut")
    journal = Journal(folder, "gw0")
    for line in lines:
        journal.write(line)
    journal.close()
    content = journal.path.read_bytes()
    assert content.count(b"\n") == len(lines)
    cut = data.draw(st.integers(0, len(content)))
    journal.path.write_bytes(content[:cut])
    problems: list[str] = []
    found = list(read_lines(journal.path, problems))
    whole = content[:cut].count(b"\n")
    assert len(found) in {whole, whole + 1}
    torn = not (cut == 0 or content[:cut].endswith(b"\n") or len(found) == whole + 1)
    assert len(problems) == int(torn)


@given(st.binary(max_size=60))
def test_foreign_bytes_are_reported_and_the_rest_is_read(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    path = tmp_path_factory.mktemp("foreign") / "gw0.jsonl"
    good = b'{"kind":"begun","test":"t.py::a"}\n'
    path.write_bytes(good + garbage.replace(b"\n", b" ") + b"\n" + good)
    problems: list[str] = []
    assert len(list(read_lines(path, problems))) == 2
    assert len(problems) == (1 if garbage.replace(b"\n", b" ").strip() else 0)


def test_lines_after_a_torn_one_start_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk cuts a line; when there is room again, the next line is whole."""
    journal = Journal(tmp_path, "gw0")
    real, room = os.write, [20, 0, 10_000]

    def write(descriptor: int, data: bytes) -> int:
        free = room.pop(0)
        if not free:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:free])

    monkeypatch.setattr(os, "write", write)
    for name in ("torn", "lost", "whole"):
        journal.write(attempt(name))
    monkeypatch.undo()
    journal.close()
    journal.write(attempt("too late"))
    problems: list[str] = []
    assert [line.test for line in read_lines(journal.path, problems) if isinstance(line, Attempt)] == [
        "whole"
    ]
    assert journal.dropped == 3
    assert len(problems) == 1


@given(room=st.integers(0, 700), before=st.booleans())
@settings(max_examples=40)
def test_lines_written_together_are_counted_apart(
    room: int, before: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of lines that a full disk cuts, those that are whole count as written, whatever was torn before."""
    journal = Journal(tmp_path_factory.mktemp("journal"), "gw0")
    real = os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:9]))
        if before:
            journal.write(attempt("torn"))
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:room]))
        journal.write(*map(attempt, "abc"))
    journal.write(attempt("last"))
    journal.close()
    read = [line for line in read_lines(journal.path, []) if isinstance(line, Attempt)]
    assert read[-1].test == "last"
    assert journal.dropped == 4 + before - len(read)


def test_half_characters_are_written_as_escapes(tmp_path: Path) -> None:
    """Undecodable bytes in file names and captured output have no UTF-8; the line is kept."""
    journal = Journal(tmp_path, "gw0")
    journal.write(Attempt(test=NodeId("t.py::a"), outcome=Outcome.FAILED, markers=("\udc80",)))
    journal.close()
    (line,) = read_lines(journal.path, [])
    assert isinstance(line, Attempt)
    assert line.markers == ("\\udc80",)


def test_run_ids_sort_by_time_and_differ() -> None:
    assert new_run_id(0.0).startswith("19700101T000000-")
    assert new_run_id(0.0) < new_run_id(1.0) < new_run_id(1e9)
    assert new_run_id(5.0) != new_run_id(5.0)


class TestMerge:
    """From lines in any order to one record."""

    def test_a_test_that_was_running_when_its_process_died_has_crashed(self) -> None:
        run = merge([HEADER, begun("a"), attempt("a"), begun("b", at=2)])
        assert [(case.test, case.outcome) for case in run.cases] == [("a", "passed"), ("b", "crashed")]
        assert "gw0 died while it ran this test: it ended without a word" in run.cases[1].attempts[0].reason

    def test_the_controller_knows_why(self) -> None:
        lost = WorkerLost(worker="gw0", test=NodeId("b"), reason="killed by SIGKILL")
        run = merge([HEADER, begun("b"), lost])
        assert run.lost == (lost,)
        assert "killed by SIGKILL" in run.cases[0].attempts[0].reason

    @pytest.mark.parametrize("ended", [True, False])
    def test_a_test_given_up_by_a_living_process_is_missing(self, ended: bool) -> None:
        """Ctrl-C, or a run that still goes on: no verdict is made up."""
        lines: list[Line] = [HEADER, TestsCollected(tests=(NodeId("b"),)), begun("b")]
        if ended:
            lines.append(WorkerFinished(worker="gw0", at=3.0))
        run = merge(lines, doubtful=() if ended else ("gw0",))
        assert (run.cases, run.missing) == ((), ("b",))

    def test_only_the_last_test_of_a_process_can_have_killed_it(self) -> None:
        """An earlier one without an attempt lost its line to a full disk."""
        lines: list[Line] = [HEADER, TestsCollected(tests=(NodeId("a"),)), begun("a"), begun("b", at=2)]
        run = merge(lines)
        assert [case.test for case in run.cases] == ["b"]
        assert run.missing == ("a",)

    def test_a_crash_in_a_later_try_is_told_from_the_tries_before(self) -> None:
        run = merge(
            [
                HEADER,
                begun("a"),
                attempt("a", Outcome.FAILED),
                begun("a", number=2, at=2),
                WorkerStarted(worker="gw0", pid=1, started=0),
            ]
        )
        assert [try_.outcome for try_ in run.cases[0].attempts] == [Outcome.FAILED, Outcome.CRASHED]

    def test_lines_in_any_order_make_the_same_record(self) -> None:
        lines: list[Line] = [
            HEADER,
            TestsCollected(tests=(NodeId("a"), NodeId("b")), deselected=2),
            begun("a"),
            attempt("a", Outcome.FAILED),
            attempt("a", number=2, at=2.0),
            RunFinished(finished=9.0, exit_code=0),
        ]
        run = merge(lines)
        assert run == merge(reversed(lines))
        assert (run.finished, run.exit_code, run.deselected) == (9.0, 0, 2)
        assert run.missing == ("b",)
        assert run.cases[0].flaky

    def test_dropped_lines_are_problems(self) -> None:
        run = merge([HEADER, WorkerFinished(worker="gw1", at=1.0, dropped=7)], problems=["x"])
        assert run.problems == ("x", "gw1: 7 lines could not be written")

    def test_without_a_header_it_is_no_run(self) -> None:
        with pytest.raises(JournalError, match=r"here: the line that says which run this is"):
            merge([attempt("a")], where="here")


def test_a_torn_end_proves_no_crash(tmp_path: Path) -> None:
    """The attempt may be what was torn."""
    files: dict[str, list[Line]] = {CONTROLLER: [HEADER], "gw0": [begun("a"), attempt("a")]}
    for name, lines in files.items():
        journal = Journal(tmp_path, name)
        for line in lines:
            journal.write(line)
        journal.close()
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-5])
    run = read_run(tmp_path)
    assert run.cases == ()
    assert run.problems == ("gw0.jsonl:2: torn line",)


def test_a_folder_without_journals_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        read_run(tmp_path)


def test_a_file_that_cannot_be_opened_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"gone\.jsonl: cannot be read"):
        list(read_lines(tmp_path / "gone.jsonl", []))
