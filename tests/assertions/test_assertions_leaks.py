"""What a block left open is named: files, connections, threads, processes."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from toolkit.assertions import leaks
from toolkit.assertions.leaks import no_leaks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems are asked through psutil")


def test_what_is_closed_is_no_leak(tmp_path: Path) -> None:
    """Also what a cycle held, and a thread that ends a moment later."""
    with no_leaks(within=30):
        (tmp_path / "file").write_text("x", encoding="utf-8")
        subprocess.run([sys.executable, "-c", ""], check=True)
        ended = threading.Timer(0.01, lambda: None)
        ended.start()
        holder: list[Any] = [socket.socket()]
        holder[0].close()
        holder.append(holder)
        del holder


def test_a_file_is_named_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"1 left open:\n  descriptor .*left\.txt"):  # noqa: SIM117
        with no_leaks(within=0):
            stream = (tmp_path / "left.txt").open("w", encoding="utf-8")
    stream.close()


def test_a_connection_is_named_by_its_ports() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    with pytest.raises(AssertionError, match=f"connection from port .* to port {port} "):  # noqa: SIM117
        with no_leaks(within=0):
            client = socket.create_connection(("127.0.0.1", port))
    client.close()
    server.close()


def test_threads_and_processes_are_named() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="lingering")
    with pytest.raises(AssertionError) as caught, no_leaks(within=0, ignore="^descriptor"):  # noqa: PT012
        thread.start()
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    end.set()
    thread.join()
    child.communicate(b"\n")
    assert "thread lingering" in str(caught.value)
    assert f"child process {child.pid}" in str(caught.value)


def test_what_is_ignored_is_no_leak(tmp_path: Path) -> None:
    with no_leaks(within=0, ignore=r"pool\.txt"):
        stream = (tmp_path / "pool.txt").open("w", encoding="utf-8")
    stream.close()


def test_proc_without_sockets_or_processes_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends while it is looked at is left out."""

    def gone(*_: Any, **__: Any) -> str:
        raise OSError("gone")

    with socket.socket():
        monkeypatch.setattr(os, "readlink", gone)
        assert not [key for key in leaks.held() if key.startswith("descriptor")]
        monkeypatch.undo()
        monkeypatch.setattr(Path, "read_text", gone)
        assert leaks._addresses() == {}


def test_a_child_that_is_gone_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:

        def gone(_: Path) -> bytes:
            raise OSError("gone")

        monkeypatch.setattr(Path, "read_bytes", gone)
        assert f"process {child.pid}" not in leaks.held()
        child.communicate(b"\n")
