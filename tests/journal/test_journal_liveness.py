"""A journal's lock lives and dies with the process that writes it."""

import signal
import subprocess
import sys
from pathlib import Path

from toolkit.journal import Journal, is_live

WRITER = """
import sys, time
from pathlib import Path
from toolkit.journal import Journal
journal = Journal(Path(sys.argv[1]), "gw0")
print("open", flush=True)
time.sleep(60)
"""


def test_an_open_journal_is_live_until_it_is_closed(tmp_path: Path) -> None:
    first, second = Journal(tmp_path, "controller"), Journal(tmp_path, "gw0")
    assert is_live(tmp_path)
    first.close()
    assert is_live(tmp_path), "one of two writers is still there"
    second.close()
    assert not is_live(tmp_path)


def test_kill_minus_nine_ends_the_lock(tmp_path: Path) -> None:
    """No clock and no process table is asked: the kernel knows who is gone."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        assert is_live(tmp_path)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert not is_live(tmp_path)


def test_a_folder_without_journals_is_not_live(tmp_path: Path) -> None:
    assert not is_live(tmp_path)
    assert not is_live(tmp_path / "absent")
