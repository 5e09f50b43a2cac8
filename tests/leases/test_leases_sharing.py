"""What the processes of a run share exists once, also when some of them are killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases import sharing
from toolkit.leases.owners import new_owner
from toolkit.leases.sharing import Shares
from toolkit.leases.store import write_private

HOLDER = """
import sys, time
from pathlib import Path
from toolkit.leases.owners import new_owner
from toolkit.leases.sharing import Shares
folder, run, stage = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def make():
    if stage == "making":
        print("making", flush=True)
        time.sleep(60)
    return "made by a process that is killed"
shares = Shares(folder, run, new_owner("process"))
shares.arrive()
shares.hold("thing", make, lambda value: None)
print("holding", flush=True)
time.sleep(60)
"""


class Things:
    """Counts what is made and removed."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.removed: list[Any] = []

    def make(self, value: str = "thing") -> Callable[[], str]:
        def make() -> str:
            time.sleep(0.02)  # long enough for others to come in between
            self.made.append(value)
            return value

        return make


@pytest.fixture
def things() -> Things:
    return Things()


def member(folder: Path, run: str = "run") -> Shares:
    return Shares(folder, run, new_owner("process"))


def killed_holder(folder: Path, run: str, stage: str) -> None:
    """A process that holds (or makes) the thing and is killed with -9."""
    command = [sys.executable, "-c", HOLDER, str(folder), run, stage]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().strip() == stage
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)


def test_many_that_ask_at_once_get_one(tmp_path: Path, things: Things) -> None:
    """The value is what JSON makes of it, for the one who made it too."""
    members = [member(tmp_path) for _ in range(6)]
    found: list[Any] = []

    def ask(one: Shares) -> None:
        found.append(one.hold("thing", lambda: {"url": things.make()(), "n": (1, 2)}, things.removed.append))

    threads = [threading.Thread(target=ask, args=(one,)) for one in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"url": "thing", "n": [1, 2]}] * 6
    for one in members[:-1]:
        one.release()
        assert things.removed == []
    members[-1].release()
    assert (things.made, things.removed) == (["thing"], [{"url": "thing", "n": [1, 2]}])
    assert list(tmp_path.iterdir()) == []


def test_the_last_holder_waits_for_those_who_may_still_ask(tmp_path: Path, things: Things) -> None:
    """A worker that is ready early does not take away what another one asks for later."""
    early, late = member(tmp_path), member(tmp_path)
    early.arrive()
    late.arrive()
    early.hold("thing", things.make(), things.removed.append)
    early.leave()
    ending = threading.Thread(target=early.release, kwargs={"wait": True})
    ending.start()
    time.sleep(0.15)  # toolkit: ignore[TS102] nothing tells that a thread waits
    assert things.removed == []
    late.hold("thing", things.make(), things.removed.append)
    assert things.removed == []
    late.leave()
    late.release(wait=True)
    ending.join(60)
    assert (things.made, things.removed) == (["thing"], ["thing"])


def test_a_resource_is_gone_before_it_is_made_again(tmp_path: Path, things: Things) -> None:
    """Of the same name, it may be the same database: the last holder would remove the new one."""
    last, new = member(tmp_path), member(tmp_path)
    steps: list[str] = []
    begun = threading.Event()

    def remove(_value: Any) -> None:
        begun.set()
        time.sleep(0.2)  # long enough for the other one to come in between, were it let in
        steps.append("removed")

    def make() -> None:
        begun.wait(60)
        new.hold("thing", lambda: steps.append("made"), things.removed.append)

    last.hold("thing", things.make(), remove)
    other = threading.Thread(target=make)
    other.start()
    last.release()
    other.join()
    assert steps == ["removed", "made"]
    new.release()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_just_making_something_is_not_taken_for_a_dead_one(
    tmp_path: Path, things: Things
) -> None:
    """Nothing of it is there yet but a lock; who comes next waits for it instead of making another."""
    begun, go_on = threading.Event(), threading.Event()
    one, same = member(tmp_path), member(tmp_path)

    def make() -> str:
        begun.set()
        go_on.wait(60)
        return things.make()()

    asking = [threading.Thread(target=one.hold, args=("thing", make, things.removed.append))]
    asking[0].start()
    begun.wait(60)
    member(tmp_path, "other").arrive()
    assert list(tmp_path.glob("run-*/*.lock"))
    asking.append(threading.Thread(target=same.hold, args=("thing", things.make(), things.removed.append)))
    asking[1].start()
    go_on.set()
    for thread in asking:
        thread.join()
    assert things.made == ["thing"]
    one.release()
    same.release()


def test_who_arrives_while_the_empty_folder_is_removed_is_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []

    def late(path: Path, data: bytes) -> None:
        if not removed:
            removed.append(path.parent)
            path.parent.rmdir()
            path.parent.parent.rmdir()
        write_private(path, data)

    monkeypatch.setattr(sharing, "write_private", late)
    member(tmp_path).arrive()
    assert [file.parent for file in tmp_path.rglob("present/*")] == removed


def test_what_the_absent_said_goes_and_what_the_present_say_stays(tmp_path: Path) -> None:
    """Also half-written files; the folder goes with the last."""
    living, gone = new_owner("process"), new_owner("process", pid=2**22 + 1)
    (tmp_path / "run" / "present").mkdir(parents=True)
    for name, data in (
        (living.id, msgspec.json.encode(living)),
        (gone.id, msgspec.json.encode(gone)),
        (".x", b""),
    ):
        (tmp_path / "run" / "present" / name).write_bytes(data)
    member(tmp_path, "other").arrive()
    assert {file.name for file in (tmp_path / "run").rglob("*")} == {"present", living.id, gone.id, ".x"}
    sharing._remove_the_absent(tmp_path / "run" / "present")
    assert [file.name for file in (tmp_path / "run" / "present").iterdir()] == [living.id]
    (tmp_path / "run" / "present" / living.id).unlink()
    member(tmp_path, "other").arrive()
    assert not (tmp_path / "run").exists()


def test_two_runs_share_nothing(tmp_path: Path, things: Things) -> None:
    one, other = member(tmp_path, "one"), member(tmp_path, "other")
    for each in (one, other):
        each.hold("thing", things.make(), things.removed.append)
    one.release()
    assert (len(things.made), len(things.removed)) == (2, 1)
    other.release()
    assert (len(things.made), len(things.removed)) == (2, 2)


def test_a_killed_holder_is_not_waited_for(tmp_path: Path, things: Things) -> None:
    """The value is still good while somebody living holds it, and the last living one removes it."""
    living = member(tmp_path)
    living.hold("thing", things.make(), things.removed.append)
    killed_holder(tmp_path, "run", "holding")
    living.release(wait=True)
    assert things.removed == ["thing"]


@pytest.mark.parametrize(("run", "stage"), [("run", "holding"), ("before", "holding"), ("run", "making")])
def test_what_the_dead_left_is_removed_and_made_again(
    tmp_path: Path, things: Things, run: str, stage: str
) -> None:
    """Killed while it was the only one, in this run or an earlier one, or before there was a value."""
    killed_holder(tmp_path, run, stage)
    one = member(tmp_path)
    one.arrive()
    assert one.hold("thing", things.make(), things.removed.append) == "thing"
    assert things.removed == ([] if stage == "making" else ["made by a process that is killed"])
    one.leave()
    one.release(wait=True)
    assert things.removed[-1] == "thing"
    member(tmp_path, "next").arrive()
    assert len([folder for folder in tmp_path.iterdir() if not folder.name.startswith("next")]) == 0


def test_all_are_removed_in_reverse_also_when_one_cannot_be(tmp_path: Path, things: Things) -> None:
    def broken(value: Any) -> None:
        things.removed.append(value)
        raise RuntimeError("cannot")

    one = member(tmp_path)
    one.hold("server", things.make("server"), things.removed.append)
    one.hold("schema", things.make("schema"), broken)
    one.hold("schema", things.make("never"), broken)
    with pytest.raises(ExceptionGroup, match="could not be removed") as caught:
        one.release()
    assert things.removed == ["schema", "server"]
    assert [str(error) for error in caught.value.exceptions] == ["cannot"]
    one.release()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_making_is_tried_again_by_the_next(tmp_path: Path, things: Things) -> None:
    def broken() -> None:
        raise RuntimeError("no disk")

    one, other = member(tmp_path), member(tmp_path)
    with pytest.raises(RuntimeError, match="no disk"):
        one.hold("thing", broken, things.removed.append)
    assert other.hold("thing", things.make(), things.removed.append) == "thing"
    one.release()
    other.release()


def test_what_json_cannot_carry_is_refused_and_not_left_behind(tmp_path: Path) -> None:
    removed: list[object] = []
    connection = threading.Lock()
    with pytest.raises(UsageError, match="'connection': its value goes to other processes as JSON"):
        member(tmp_path).hold("connection", lambda: connection, removed.append)
    assert removed == [connection]


def test_waiting_for_another_process_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PATIENCE", 0.2)
    with (
        sharing._locked(tmp_path / sharing._file_name("run"), "thing"),
        pytest.raises(EnvironmentFailed, match="another process has been making"),
    ):
        member(tmp_path).hold("thing", lambda: 1, lambda _: None)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    one = member(tmp_path / "file" / "below")
    one.arrive()  # tells nobody, and does not fail
    with pytest.raises(EnvironmentFailed, match="below"):
        one.hold("thing", lambda: 1, lambda _: None)


def test_names_that_are_no_file_names_are_fine(tmp_path: Path) -> None:
    one = member(tmp_path, "../..")
    assert one.hold("a/../../b", lambda: 1, lambda _: None) == 1
    assert one.hold("a/../../c", lambda: 2, lambda _: None) == 2
    (run,) = tmp_path.iterdir()
    assert {file.parent for file in tmp_path.rglob("*.json")} == {run}
    assert all((file.stat().st_mode & 0o077) == 0 for file in run.iterdir() if os.name == "posix")
    one.release()


def test_an_owner_of_another_machine_counts_as_alive(tmp_path: Path, things: Things) -> None:
    """A folder on a shared disk: what cannot be judged is not removed."""
    one = member(tmp_path)
    one.hold("thing", things.make(), things.removed.append)
    file = next(tmp_path.rglob("*.json"))
    shared = msgspec.json.decode(file.read_bytes(), type=sharing.Shared)
    machine = msgspec.structs.replace(shared.holders[0].machine, host="elsewhere", boot="x")
    foreign = msgspec.structs.replace(shared.holders[0], id="f", machine=machine)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(shared, holders=(*shared.holders, foreign))))
    one.release()
    assert things.removed == []
