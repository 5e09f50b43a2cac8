"""What a block used is what it really used: memory, CPU, threads, children, I/O; nested and over budget."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from toolkit.errors import MissingExtra, UsageError
from toolkit.performance import processes
from toolkit.performance.budgets import Budget, as_budget, in_bytes
from toolkit.performance.meter import Meter
from toolkit.performance.tracking import Tracker
from toolkit.performance.usage import Usage, load

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere less is known")
MB = 1_000_000
BURN = "import time\nwhile time.process_time() < 0.15: pass\n"


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    made = Tracker()
    yield made
    made.close()


def used(tracker: Tracker) -> Usage:
    usage = tracker.blocks[-1].usage
    assert usage is not None
    return usage


@linux
def test_peak_memory_is_exact_and_that_of_the_block(tracker: Tracker) -> None:
    """60 MB that are given back at once are seen, and not by the block after it."""
    with tracker.block():
        bytearray(60 * MB)
    large = used(tracker)
    with tracker.block():
        pass
    after = used(tracker)
    assert large.peak_memory - after.peak_memory > 50 * MB
    assert abs(large.memory) < 20 * MB


@linux
def test_a_block_inside_hides_nothing_from_those_around_it(tracker: Tracker) -> None:
    """Each sees its own peak; the outer one the highest of all, before, within and after the inner one."""
    with tracker.block("outer") as outer:
        bytearray(80 * MB)
        with tracker.block("inner") as inner:
            bytearray(30 * MB)
    assert outer.usage is not None
    assert inner.usage is not None
    assert outer.usage.peak_memory - inner.usage.peak_memory > 40 * MB
    assert [block.name for block in tracker.blocks] == ["inner", "outer"]
    assert outer.usage.wall >= inner.usage.wall
    with tracker.block("outer") as outer, tracker.block("inner") as inner:
        bytearray(80 * MB)
    assert outer.usage is not None
    assert inner.usage is not None
    assert outer.usage.peak_memory >= inner.usage.peak_memory


@linux
def test_who_measures_the_attempt_still_sees_its_peak() -> None:
    """The recorder's meter is told before the peak is set back."""
    meter = Meter()
    tracker = Tracker(meter.fold)
    meter.start()
    bytearray(60 * MB)
    with tracker.block():
        pass
    tracker.close()
    _, peak = meter.read()
    assert peak is not None
    meter.start()
    _, calm = meter.read()
    meter.close()
    assert calm is not None
    assert peak - calm > 50 * MB


def test_cpu_counts_threads_and_children(tracker: Tracker) -> None:
    """Also a child that is waited for, and one that still runs; of one that ran before only the rest."""

    def burn() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    with tracker.block():
        thread = threading.Thread(target=burn)
        thread.start()
        thread.join()
    assert 0.09 <= used(tracker).cpu < 5
    with tracker.block():
        subprocess.run([sys.executable, "-c", BURN], check=True)
    waited = used(tracker)
    assert 0.14 <= waited.children_cpu < 5
    assert waited.processes >= 1
    program = f"input()\n{BURN}print(1, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with tracker.block():
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.readline()
        running = used(tracker)
        with tracker.block():
            pass
        idle = used(tracker)
        with tracker.block():
            child.communicate(b"\n")
        ended = used(tracker)
    assert running.children_cpu >= 0.1
    assert idle.children_cpu < 0.1
    assert ended.children_cpu < 0.1


@linux
def test_memory_of_children_and_number_of_threads_are_sampled(tracker: Tracker) -> None:
    program = "x = bytearray(50_000_000); print(1, flush=True); input()"
    go = threading.Event()
    with tracker.block() as block:
        extra = [threading.Thread(target=go.wait) for _ in range(3)]
        for thread in extra:
            thread.start()
        with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1) as child:
            assert child.stdout is not None
            child.stdout.readline()
            while block.most_memory < 50 * MB or block.most_threads < 4:
                time.sleep(0.005)
            child.communicate(b"\n")
        go.set()
        for thread in extra:
            thread.join()
    assert used(tracker).children_memory > 50 * MB
    assert used(tracker).threads == 3
    assert used(tracker).processes >= 1  # servers of other tests may run as children, too


@linux
def test_what_is_read_and_written_is_counted(tracker: Tracker, tmp_path: Path) -> None:
    with tracker.block():
        (tmp_path / "file").write_bytes(b"x" * MB)
        (tmp_path / "file").read_bytes()
    assert MB <= used(tracker).written < 10 * MB  # the sampling reads and writes a little, too
    assert MB <= used(tracker).read < 10 * MB


def test_python_objects_are_followed_when_asked_for(tracker: Tracker) -> None:
    with tracker.block(traced=True):
        bytearray(5 * MB)
    traced = used(tracker).traced
    assert traced is not None
    assert 5 * MB <= traced < 6 * MB
    with tracker.block("outer", traced=True), tracker.block("inner", traced="20m"):
        pass
    with tracker.block():
        pass
    assert used(tracker).traced is None


def test_what_is_over_budget_is_told_with_all_limits_that_were_passed(tracker: Tracker) -> None:
    with pytest.raises(AssertionError) as caught, tracker.block("import", wall=0.0, traced="1k", cpu=600):
        bytearray(5 * MB)
    text = str(caught.value)
    assert text.startswith("import: over its budget\n  wall: 0.")
    assert "  traced: 5.0" in text
    assert "MB of 1024 B, 48" in text
    assert "cpu:" not in text
    with tracker.block("fine", wall=600, memory="10g", read="1g", written=10**9, threads=50, processes=50):
        pass


def test_a_block_that_fails_is_measured_and_not_judged(tracker: Tracker) -> None:
    with pytest.raises(ZeroDivisionError), tracker.block(wall=0):
        raise ZeroDivisionError
    assert used(tracker).wall > 0


def test_no_share_of_an_interval_of_nothing() -> None:
    """A division by a few microseconds would tell nonsense such as 40,000 %."""
    quick = Usage(wall=0.0, cpu=0.01, children_cpu=0, peak_memory=0, memory=0)
    assert quick.share is None
    assert Usage(wall=2.0, cpu=1, children_cpu=2, peak_memory=0, memory=0).share == 1.5
    assert quick.measures("x")["perf.x.cpu_s"] == 0.01


@pytest.mark.parametrize(("text", "size"), [("20m", 20 << 20), ("1.5 KiB", 1536), (7, 7), ("3gb", 3 << 30)])
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert in_bytes(text) == size


def test_wrong_sizes_and_limits_are_refused(tracker: Tracker) -> None:
    with pytest.raises(UsageError, match='expected bytes, such as 20_000_000 or "20m"'):
        as_budget(memory="much")
    with pytest.raises(TypeError, match="speed"), tracker.block(speed=1):
        pass


@hypothesis_settings(max_examples=50)
@given(some.integers(0, 10**12), some.integers(0, 10**12))
def test_a_limit_is_passed_exactly_when_more_was_used(value: int, limit: int) -> None:
    usage = Usage(wall=0, cpu=0, children_cpu=0, peak_memory=value + 5, memory=0, read=value)
    assert bool(Budget(memory=limit).exceeded(usage, start_memory=5)) == (value > limit)
    assert bool(Budget(read=limit, threads=0).exceeded(usage, start_memory=0)) == (value > limit)


def test_other_systems_ask_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers, by a library."""
    import psutil

    assert psutil.Process().pid
    exact = processes.resident()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as child:
        monkeypatch.setattr(sys, "platform", "darwin")
        found = processes.descendants()
        assert abs(processes.resident() - exact) < 50 * MB
        child.communicate(b"\n")
    assert child.pid in found.cpu
    assert found.memory > 0
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(MissingExtra, match="psutil"):
        processes.descendants()


def test_where_the_kernel_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peaks are then what is resident now, I/O is zero, the load is not told."""

    def refused(*_: object, **__: object) -> bytes:
        raise OSError("no")

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert processes.io() == (0, 0)
    monkeypatch.setattr(processes, "resident", lambda: 7)
    assert processes.peak() == 7
    monkeypatch.setattr("builtins.open", refused)
    processes.forget_peak()
    monkeypatch.setattr("os.getloadavg", refused)
    assert load() == ""


def test_a_child_that_is_gone_meanwhile_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "family", lambda _: [1, 2**22 + 1])
    assert processes.descendants() == (0, {})
    library = SimpleNamespace(Error=RuntimeError)

    class Gone:
        def cpu_times(self) -> None:
            raise RuntimeError

    library.Process = lambda: SimpleNamespace(children=lambda **_: [Gone()])
    monkeypatch.setattr(processes, "_psutil", lambda: library)
    assert processes._by_psutil() == (0, {})
