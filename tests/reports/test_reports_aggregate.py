"""Counts are complete and true; bad files are named and void; what is kept has limits."""

import os
import shutil
import signal
from pathlib import Path

import msgspec
import pytest

from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted, WorkerLost
from toolkit.reports import aggregate as module
from toolkit.reports.aggregate import aggregate, count_batch, summarise
from toolkit.reports.counting import count_file
from toolkit.reports.summary import Limits, Part, Summary, Verdict, summary_json

DATA = Path(__file__).parents[1] / "data" / "junit"


def write(folder: Path, name: str, *cases: str) -> Path:
    path = folder / name
    path.write_text(f"<testsuite name='s' tests='999' failures='999'>{''.join(cases)}</testsuite>")
    return path


def good(name: str, seconds: float = 0.1) -> str:
    return f"<testcase classname='c' name='{name}' time='{seconds}'/>"


def bad(name: str) -> str:
    return f"<testcase classname='c' name='{name}' time='1'><failure message='m'>t</failure></testcase>"


def total(*paths: Path, **options: object) -> Summary:
    return aggregate(paths, created=1.0, **options)  # type: ignore[arg-type]


def test_all_dialects_add_up() -> None:
    """The sum over files is the summary, and tests = passed + failed + errors + skipped."""
    summary = total(DATA)
    counts = summary.counts
    assert counts.tests == counts.passed + counts.failed + counts.errors + counts.skipped == 51
    assert (counts.failed, counts.errors, counts.skipped, counts.xfailed, counts.flaky) == (12, 2, 8, 1, 5)
    assert counts.tests == sum(part.counts.tests for part in summary.parts)
    assert counts.success_rate == counts.passed / (counts.tests - counts.skipped)
    assert len(summary.rows) == counts.tests
    assert sum(row.flaky for row in summary.rows) == counts.flaky
    assert {detail.test for detail in summary.details} == {
        row.test for row in summary.rows if row.outcome.bad or row.flaky
    }
    assert not summary.complaints


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<testsuite><testcase name='a'/>",
        b"\x00\xff",
        b"<html/>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>",
    ],
)
def test_a_bad_file_among_good_ones(tmp_path: Path, content: bytes) -> None:
    """It is named, what was read of it is not counted, and the others are."""
    write(tmp_path, "a.xml", good("one"), bad("two"))
    (tmp_path / "b.xml").write_bytes(content)
    write(tmp_path, "c.xml", good("three"))
    summary = total(tmp_path)
    assert summary.counts.tests == 3
    (unread,) = summary.bad_files
    assert unread.path == str(tmp_path / "b.xml")
    assert unread.reason
    assert "b.xml" not in unread.reason
    assert summary.verdict is not Verdict.PASS
    assert [part.source for part in summary.parts] == [str(tmp_path / "a.xml"), str(tmp_path / "c.xml")]


def test_a_truncated_file_leaves_no_trace(tmp_path: Path) -> None:
    """Neither counts nor failures nor times of a file that turns out to be bad are told."""
    path = tmp_path / "cut.xml"
    path.write_text(f"<testsuite>{bad('gone')}{good('slow', 1e6)}")
    summary = total(path)
    assert summary.counts.tests == 0
    assert not summary.rows
    assert not summary.details
    assert not summary.slowest
    assert summary.verdict is Verdict.FAIL


def test_paths_are_found_once(tmp_path: Path) -> None:
    """Folders are searched at any depth; a file reached twice counts once; what is not there is named."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    path = write(deep, "x.XML", good("one"))
    (deep / "notes.txt").write_text("no report")
    (tmp_path / "empty").mkdir()
    summary = total(tmp_path, path, deep, tmp_path / "empty", tmp_path / "nowhere")
    assert summary.counts.tests == 1
    assert [unread.reason for unread in summary.bad_files] == ["no *.xml in this folder", "does not exist"]


def test_other_xml_in_a_folder_is_left_out_but_not_as_a_file(tmp_path: Path) -> None:
    """A coverage.xml beside the reports is no defect; who names it is told."""
    write(tmp_path, "a.xml", good("one"))
    cover = tmp_path / "coverage.xml"
    cover.write_text("<coverage/>")
    summary = total(tmp_path)
    assert not summary.bad_files
    assert [unread.path for unread in summary.ignored_files] == [str(cover)]
    assert [unread.path for unread in total(cover).bad_files] == [str(cover)]


def test_a_pipe_in_a_folder_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    assert [unread.reason for unread in total(tmp_path).bad_files] == ["no *.xml in this folder"]


def test_a_test_that_fails_again_is_flaky_no_more(tmp_path: Path) -> None:
    """Repeats take back what was counted, however often the verdict changes."""
    name = "<testsuite name='pytest'>{}</testsuite>"
    path = tmp_path / "a.xml"
    path.write_text(name.format(bad("x") + good("x") + bad("x")))
    summary = total(path)
    counts = summary.counts
    assert (counts.tests, counts.failed, counts.passed, counts.flaky, counts.attempts) == (1, 1, 0, 0, 3)
    (detail,) = summary.details
    assert [mishap.attempt for mishap in detail.mishaps] == [1, 3]
    path.write_text(name.format(bad("x") + good("x")))
    summary = total(path)
    assert (summary.counts.flaky, summary.counts.passed, summary.details[0].flaky) == (1, 1, True)
    assert len(summary.rows) == 1
    assert [slow.test for slow in summary.slowest] == ["c.py::x"], "the slowest are listed once, too"


def test_limits_bound_what_is_kept_and_not_the_counts(tmp_path: Path) -> None:
    write(tmp_path, "a.xml", *(bad(f"b{n}") for n in range(20)), *(good(f"g{n}", n) for n in range(20)))
    write(tmp_path, "b.xml", *(bad(f"b{n}") for n in range(20)), *(good(f"g{n}", n + 0.5) for n in range(20)))
    summary = total(tmp_path, limits=Limits(rows=15, details=4, slowest=3))
    assert summary.counts.tests == 80
    assert summary.counts.bad == 40
    assert len(summary.rows) == 15
    assert len(summary.details) == 4
    assert [slow.duration for slow in summary.slowest] == [19.5, 19.0, 18.5]
    assert summary_json(summary)["details_left_out"] == 36


def test_long_texts_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    text = "x" * 50_000
    inside = f"<failure>{text}</failure><system-out>{text}</system-out>"
    path.write_text(f"<testsuite><testcase name='a'>{inside}</testcase></testsuite>")
    (mishap,) = total(path).details[0].mishaps
    assert len(mishap.traceback) < 10_100
    assert len(mishap.output["stdout"]) < 4_100


def test_large_inputs_are_read_by_processes_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes count exactly what one does; good tests are counted and not listed."""
    for number in range(12):
        write(tmp_path, f"{number:02}.xml", *(good(f"t{n}", n / 100) for n in range(50)), bad("x"))
    (tmp_path / "bad.xml").write_bytes(b"")
    alone = total(tmp_path)
    monkeypatch.setattr(module, "LARGE", 100)
    monkeypatch.setattr(module, "_BATCH", 5_000)
    seen: list[tuple[int, int]] = []
    summary = total(tmp_path, jobs=2, progress=lambda done, all_: seen.append((done, all_)))
    assert summary.counts == alone.counts
    assert [part.source for part in summary.parts] == [part.source for part in alone.parts]
    assert [slow.duration for slow in summary.slowest] == [slow.duration for slow in alone.slowest]
    assert summary.bad_files == alone.bad_files
    assert {row.outcome for row in summary.rows} == {Outcome.FAILED}
    assert seen[-1] == (13, 13)
    assert len(total(tmp_path, jobs=None).parts) == 12


def test_a_killed_process_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a process of the pool is killed, this one reads what is left."""
    for number in range(8):
        write(tmp_path, f"{number}.xml", good("a"))
    here = os.getpid()

    def deadly(paths: list[Path], limits: Limits, floor: float) -> list[Part]:
        if os.getpid() != here and any(path.name == "3.xml" for path in paths):
            os.kill(os.getpid(), signal.SIGKILL)
        return count_batch(paths, limits, floor)

    monkeypatch.setattr(module, "_BATCH", 1)
    monkeypatch.setattr(module, "count_batch", deadly)
    deadly.__module__, deadly.__qualname__ = module.__name__, "count_batch"
    assert total(tmp_path, jobs=2).counts.tests == 8


def test_a_batch_passes_on_what_was_used_up(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{n}.xml", bad("x"), good("y", n + 1), good("z", 0.5)) for n in range(3)]
    parts = count_batch(files, Limits(rows=2, details=1, slowest=1, good=False), 0.0)
    assert [len(part.details) for part in parts] == [1, 0, 0]
    assert [len(part.rows) for part in parts] == [1, 1, 0]
    assert all(part.counts.tests == 3 for part in parts)


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    assert count_file(tmp_path / "gone.xml", Limits()).bad == "cannot be read: No such file or directory"


def run_record(*outcomes: Outcome, **facts: object) -> RunRecord:
    cases = [
        CaseResult(
            test=NodeId(f"t.py::t{n}"),
            attempts=(Attempt(test=NodeId(f"t.py::t{n}"), outcome=o, duration=1.0),),
        )
        for n, o in enumerate(outcomes)
    ]
    header = RunStarted(run="r", started=10.0, profile="unit", python="3.12.1", shard="1/2")
    return RunRecord(header=header, cases=tuple(cases), finished=15.0, **facts)  # type: ignore[arg-type]


def test_runs_are_summed_up_like_files() -> None:
    summary = summarise([run_record(*Outcome)], created=1.0)
    counts = summary.counts
    assert (counts.tests, counts.passed, counts.failed, counts.errors, counts.skipped) == (7, 2, 1, 2, 2)
    assert (counts.xpassed, counts.xfailed, counts.crashed) == (1, 1, 1)
    assert summary.elapsed == 5.0
    assert summary.parts[0].source == "unit 3.12.1 shard 1/2"
    assert len(summary.details) == 3


def quarantined_run() -> RunRecord:
    """A run whose only failures, of which one was tried twice, are in quarantine."""
    record = run_record(Outcome.PASSED, Outcome.FAILED, Outcome.ERROR)
    cases = [
        msgspec.structs.replace(
            case,
            attempts=tuple(
                msgspec.structs.replace(
                    attempt, quarantined=attempt.outcome.bad, reason="quarantined until 2999"
                )
                for attempt in case.attempts * (1 + (case.outcome is Outcome.ERROR))
            ),
        )
        for case in record.cases
    ]
    return msgspec.structs.replace(record, cases=tuple(cases))


def test_failures_in_quarantine_are_counted_as_expected_and_spoil_no_verdict(tmp_path: Path) -> None:
    """What pytest ended with 0 is good in the summary, in junit.xml, and in whoever reads that."""
    from toolkit.reports.writing import write_reports

    summary = write_reports([quarantined_run()], tmp_path)
    counts = summary.counts
    assert (counts.failed, counts.errors, counts.skipped, counts.xfailed, counts.flaky) == (0, 0, 2, 2, 0)
    assert (summary.verdict, summary.details, summary.causes) == (Verdict.PASS, [], [])
    shutil.copy(tmp_path / "junit.xml", tmp_path / "copy.xml")
    again = total(tmp_path / "copy.xml")
    assert (again.counts.tests, again.counts.xfailed, again.counts.flaky) == (3, 2, 0)
    assert again.verdict is Verdict.PASS


def test_what_is_missing_is_told_and_spoils_the_verdict() -> None:
    """Interrupted runs, tests without result, lost workers, torn lines."""
    passed = [Outcome.PASSED] * 50
    assert summarise([run_record(*passed)], created=1.0).verdict is Verdict.PASS
    lost = (WorkerLost(worker="gw0", test=NodeId("t.py::x"), reason="killed"),)
    summary = summarise(
        [run_record(*passed, missing=(NodeId("t.py::y"),), lost=lost, problems=("gw0.jsonl:3: torn line",))],
        created=1.0,
    )
    assert summary.missing == 1
    assert summary.verdict is Verdict.WARNING
    assert [told.partition(": ")[2] for told in summary.complaints] == [
        "no result of t.py::y",
        "worker gw0 was lost at t.py::x: killed",
        "gw0.jsonl:3: torn line",
    ]
    interrupted = RunRecord(header=run_record().header, cases=run_record(*passed).cases)
    summary = summarise([interrupted], created=1.0)
    assert summary.complaints == ["unit 3.12.1: the run was interrupted"]
    assert summary.elapsed is None


@pytest.mark.parametrize(
    ("passed", "failed", "verdict"),
    [(19, 1, "PASS"), (18, 2, "WARNING"), (8, 2, "WARNING"), (7, 3, "FAIL"), (0, 0, "FAIL")],
)
def test_the_verdict(passed: int, failed: int, verdict: str) -> None:
    """PASS from 95 %, WARNING from 80 %, else FAIL; no test at all is no success."""
    outcomes = [Outcome.PASSED] * passed + [Outcome.FAILED] * failed
    assert summarise([run_record(*outcomes)], created=1.0).verdict == verdict


def test_only_skips_are_no_success_either() -> None:
    summary = summarise([run_record(Outcome.SKIPPED)], created=1.0)
    assert summary.counts.success_rate is None
    assert summary.verdict is Verdict.WARNING


def test_missing_tests_of_a_written_file_are_still_missing(tmp_path: Path) -> None:
    """A junit.xml of ours tells how many tests have no result; whoever aggregates it knows."""
    from toolkit.reports.writing import write_reports

    write_reports([run_record(Outcome.PASSED, missing=(NodeId("t.py::y"),))], tmp_path)
    shutil.copy(tmp_path / "junit.xml", tmp_path / "copy.xml")
    summary = total(tmp_path / "copy.xml")
    assert summary.missing == 1
    assert summary.complaints == [f"{tmp_path / 'copy.xml'}: no result of 1 collected tests"]
