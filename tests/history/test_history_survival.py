"""Kill -9, a full disk, many writers, damage: what was there stays, what failed can be repeated."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.history.made_runs import made_run
from toolkit.errors import HistoryDamaged, HistoryError
from toolkit.history.imports import import_pending
from toolkit.history.store import History, open_history
from toolkit.journal import Journal
from toolkit.records import NodeId, RunFinished, RunRecord, TestBegun

pytestmark = pytest.mark.usefixtures("unmeasured")

TESTS = [f"tests/test_{number}.py::test" for number in range(100)]

WRITER = """
import sys
from tests.history.made_runs import made_run
from toolkit.history.store import open_history
url, first, count, tests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
with open_history(url) as history:
    print("open", flush=True)
    for index in range(first, first + count):
        history.import_run(made_run(index, {f"tests/test_{n}.py::test": "fp" for n in range(tests)}))
        print(index, flush=True)
"""


def start_writer(url: str, first: int, count: int, tests: int = 100) -> subprocess.Popen[str]:
    """Start a process that imports runs and says the number of each when it is in."""
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", WRITER, url, str(first), str(count), str(tests)]
    return subprocess.Popen(
        arguments, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_four_processes_write_at_once(history_url: str) -> None:
    """They also create the tables at once; nothing is lost, nothing is there twice."""
    writers = [start_writer(history_url, first, 10) for first in (0, 10, 20, 30)]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    with open_history(history_url) as history:
        assert history.totals().runs == 40
        assert history.require_sound().tests == 100
        assert len(history.recent()[NodeId(TESTS[0])].runs) == 40


def test_writers_of_the_same_run_agree(history_url: str) -> None:
    writers = [start_writer(history_url, 0, 5) for _ in range(3)]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    with open_history(history_url) as history:
        assert (history.totals().runs, history.totals().attempts) == (5, 1000)
        history.require_sound()


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_import(history_url: str) -> None:
    """Six writers are killed at different moments: every run that was said to be in is in, and whole."""
    for turn in range(6):
        writer = start_writer(history_url, turn * 100, 100, tests=300)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        time.sleep(0.02 * turn)  # toolkit: ignore[TS102] it is killed at another moment each time
        writer.send_signal(signal.SIGKILL)
        said = {f"run-{int(line):04}" for line in writer.stdout}
        writer.wait(timeout=30)
        writer.stdout.close()
        with open_history(history_url) as history:
            assert said <= set(history.sizes())
            assert {row.tests for row in history.runs(limit=None)} <= {300}
    with open_history(history_url) as history:
        history.require_sound()
        assert history.import_run(made_run(5000, {TESTS[0]: "p"}))


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    """The import that does not fit fails clearly, what was there is whole, and with room it goes in."""
    ballast = small_disk / "ballast"
    with open_history(str(small_disk / "history.sqlite")) as history:
        history.import_run(made_run(0, {TESTS[0]: "p"}))
        ballast.write_bytes(bytes(500_000))
        with pytest.raises(HistoryError, match="make room on the disk"):
            history.import_run(made_run(1, {f"{'long' * 20}::{number}": "ffp" for number in range(5000)}))
        assert [row.run for row in history.runs()] == ["run-0000"]
        history.require_sound()
        ballast.unlink()
        assert history.import_run(made_run(2, dict.fromkeys(TESTS, "p")))
    with open_history(str(small_disk / "history.sqlite")) as history:
        assert history.require_sound().runs == 2


def test_a_run_that_did_not_fit_is_made_up_for(tmp_path: Path) -> None:
    """Its journal stays; the next time there is room, it is imported."""
    file = tmp_path / "history.sqlite"
    write_journal(tmp_path / "runs" / "run-0001", made_run(1, dict.fromkeys(TESTS, "fp")))
    with open_history(str(file)) as history:
        pages = history.database.rows("PRAGMA page_count")[0][0]
        history.database.rows(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(HistoryError, match="what was there before is intact"):
            import_pending(history, tmp_path)
    with open_history(str(file)) as history:
        assert import_pending(history, tmp_path).new == ("run-0001",)
        assert history.require_sound().tests == 100


def write_journal(folder: Path, record: RunRecord, *, finished: bool = True) -> None:
    """Write a run as the plugin would."""
    journal = Journal(folder, "controller")
    journal.write(record.header)
    for case in record.cases:
        for attempt in case.attempts:
            journal.write(TestBegun(test=case.test, number=attempt.number, worker=attempt.worker))
            journal.write(attempt)
    if finished and record.finished is not None:
        journal.write(RunFinished(finished=record.finished, exit_code=0))
    journal.close()


def test_a_writer_waits_for_another_and_then_says_so(history_file: Path) -> None:
    with open_history(str(history_file)) as holder, holder.database.writing():
        with (
            open_history(str(history_file), busy_seconds=0.1) as second,
            pytest.raises(HistoryError, match="another process has been writing for too long"),
        ):
            second.import_run(made_run(1, {TESTS[0]: "p"}))
        with open_history(str(history_file)) as reader:
            assert reader.runs() == ()


def test_a_new_file_that_another_process_holds_is_waited_for(history_file: Path) -> None:
    """Turning on the write-ahead log needs the file alone, and SQLite itself does not wait for that."""
    open_history(str(history_file)).close()
    other = sqlite3.connect(history_file, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="another process has been writing for too long"):
        open_history(str(history_file), busy_seconds=0.1)
    timer = threading.Timer(0.2, other.execute, ["COMMIT"])
    timer.start()
    open_history(str(history_file), busy_seconds=30).close()
    timer.join()
    other.close()


def test_readers_see_a_whole_run_or_none(history: History, history_url: str) -> None:
    """Also while it is being written."""
    with open_history(history_url) as reader, history.database.writing():
        history.database.insert("pruned", ("run",), [("x",)])
        assert reader.database.rows("SELECT * FROM pruned") == []
    assert history.database.rows("SELECT * FROM pruned") == [("x",)]


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_left_alone(history_file: Path, content: bytes) -> None:
    history_file.parent.mkdir()
    history_file.write_bytes(content)
    with pytest.raises(HistoryDamaged, match="nothing was deleted"):
        open_history(str(history_file))
    assert history_file.read_bytes() == content


def test_a_foreign_database_is_left_alone(history_file: Path) -> None:
    history_file.parent.mkdir()
    connection = sqlite3.connect(history_file)
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    before = history_file.read_bytes()
    with pytest.raises(HistoryError, match=r"holds other tables \(customers\), not a history"):
        open_history(str(history_file))
    assert history_file.read_bytes() == before


def test_damage_is_found(history_file: Path) -> None:
    """Bytes overwritten in the middle of the file: the check names it."""
    with open_history(str(history_file)) as history:
        for index in range(5):
            history.import_run(made_run(index, dict.fromkeys(TESTS, "fp")))
    data = bytearray(history_file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = b"\xab" * 3000
    history_file.write_bytes(data)
    with pytest.raises(HistoryDamaged), open_history(str(history_file)) as history:
        history.require_sound()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match=r"file/history\.sqlite: the folder cannot be made"):
        open_history(str(tmp_path / "file" / "history.sqlite"))


def test_a_path_that_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="unable to open database file"):
        open_history(str(tmp_path))
