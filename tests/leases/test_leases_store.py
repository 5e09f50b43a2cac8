"""Leases: written before the thing, readable after any crash, released only when the owner is proven dead."""

import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import EnvironmentFailed
from toolkit.leases.locks import is_locked
from toolkit.leases.owners import (
    Machine,
    Owner,
    judge,
    new_owner,
    process_start,
    session_leader,
    this_machine,
)
from toolkit.leases.store import Lease, LeaseStore, open_leases, state_home
from toolkit.leases.sweeping import release, sweep

OWN_AND_DIE = """
import os, sys, signal
from pathlib import Path
from toolkit.leases.store import LeaseStore
store = LeaseStore(Path(sys.argv[1]))
owner = store.owner("process", run="r1")
for number in range(3):
    store.intend(owner, "thing", f"t{number}", what={"number": str(number)})
print("ready", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LeaseStore]:
    with LeaseStore(tmp_path / "state") as made:
        yield made


def owning_process(store: LeaseStore) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", OWN_AND_DIE, str(store.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_what_a_killed_owner_left_is_released_newest_first(store: LeaseStore) -> None:
    """While the owner lives nothing is touched; after kill -9 all of it is released, in reverse."""
    released: list[str] = []
    child = owning_process(store)
    assert sweep(store, {"thing": lambda lease: released.append(lease.name)}).released == ()
    child.communicate("die\n")
    assert child.returncode == -signal.SIGKILL
    preview = sweep(store, {"thing": lambda lease: released.append(lease.name)}, dry_run=True)
    assert [each.name for each in preview.released] == ["t2", "t1", "t0"]
    assert released == []
    done = sweep(store, {"thing": lambda lease: released.append(lease.name)})
    assert released == ["t2", "t1", "t0"]
    assert "is gone" in done.released[0].why
    assert list(store.leases()) == []
    assert not list((store.folder / "owners").iterdir())


def test_a_corpse_is_dead(store: LeaseStore) -> None:
    """A killed process whose parent has not collected it yet still has an id, but it is dead."""
    child = owning_process(store)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("die\n")
    child.stdin.close()
    child.stdout.read()  # ends with the process
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(child.pid) is None
    assert {store.judge(lease.owner).state for lease in store.leases()} == {"dead"}
    child.stdout.close()
    child.wait()


def test_an_id_that_was_used_again_is_not_the_owner(store: LeaseStore) -> None:
    """A process with the same id and another start time proves that the owner is gone."""
    mine = new_owner("session", pid=os.getpid())
    assert store.judge(mine).state == "alive"
    other = msgspec.structs.replace(mine, started="1")
    assert store.judge(other).state == "dead"
    assert "used again" in store.judge(other).why


def test_a_held_lock_is_life_and_nobody_sees_an_owner_without_it(store: LeaseStore) -> None:
    owner = store.owner()
    path = store.folder / "owners" / f"{owner.id}.json"
    assert is_locked(path)
    assert store.judge(owner).why.endswith("is running")
    store.close()
    assert is_locked(path) is None  # it owned nothing, so nothing is left of it


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"host": "elsewhere", "boot": "b2"}, "unknown"),
        ({"boot": "before the restart"}, "dead"),
        ({"namespace": "pid:[1]"}, "unknown"),
    ],
)
def test_other_machines_are_unknown_and_other_boots_are_over(
    store: LeaseStore, change: dict[str, str], state: str
) -> None:
    """What cannot be asked is kept; a restart of this very host ended everything on it."""
    machine = msgspec.structs.replace(this_machine(), **change)
    owner = msgspec.structs.replace(new_owner("session"), machine=machine)
    assert store.judge(owner).state == state


def test_a_container_with_the_same_kernel_is_judged_by_its_lock(store: LeaseStore) -> None:
    """Process ids of another namespace say nothing; the lock is the same file on the same kernel."""
    machine = msgspec.structs.replace(this_machine(), host="container", namespace="pid:[1]")
    owner = msgspec.structs.replace(store.owner(), machine=machine)
    store.intend(owner, "thing", "t")
    assert store.judge(owner).state == "alive"
    store.close()
    assert store.judge(owner).state == "dead"


def test_a_machine_without_boot_id_is_judged_by_host_and_process(store: LeaseStore, tmp_path: Path) -> None:
    here = Machine(host="h", boot="", namespace="")
    owner = msgspec.structs.replace(new_owner("session"), machine=here)
    assert judge(owner, tmp_path / "none", machine=here).state == "alive"


def test_what_is_kept_on_purpose_is_never_swept(store: LeaseStore) -> None:
    owner = store.owner("user")
    store.intend(owner, "thing", "mine")
    done = sweep(store, {"thing": lambda lease: pytest.fail("touched")})
    assert "kept on purpose" in done.kept[0].why


def test_heartbeats_count_only_for_the_kinds_that_say_so(store: LeaseStore) -> None:
    """An owner on another machine is kept for ever, unless its kind is judged by age and it is old."""
    machine = msgspec.structs.replace(this_machine(), host="elsewhere", boot="b2")
    owner = msgspec.structs.replace(new_owner("process"), machine=machine)
    lease = store.intend(owner, "thing", "far")
    assert sweep(store, {"thing": lambda _: None}).released == ()
    assert sweep(store, {"thing": lambda _: None}, heartbeats={"thing": 60}).released == ()
    os.utime(store.path(lease.id), (0, 0))
    assert sweep(store, {"thing": lambda _: None}, heartbeats={"other": 60}).released == ()
    assert len(sweep(store, {"thing": lambda _: None}, heartbeats={"thing": 60}).released) == 1


def dead_owner() -> Owner:
    return msgspec.structs.replace(new_owner("session"), started="0")


def test_one_failure_does_not_stop_the_others(store: LeaseStore) -> None:
    """A thing that cannot be removed keeps its lease and is named; the rest is released."""
    for name in ("a", "b", "c"):
        store.intend(dead_owner(), "thing", name)

    def remove(lease: Lease) -> None:
        if lease.name == "b":
            raise PermissionError("not allowed")

    done = sweep(store, {"thing": remove})
    assert [each.name for each in done.released] == ["c", "a"]
    assert [(each.name, each.why) for each in done.failed] == [("b", "not allowed")]
    assert [lease.name for lease in store.leases()] == ["b"]


def test_what_one_release_changes_in_another_lease_counts(store: LeaseStore) -> None:
    """Undoing a fault starts a server again: it is that one which must be stopped then."""
    server = store.intend(dead_owner(), "server", "s", what={"pid": "1"})
    store.intend(server.owner, "fault", "f")
    stopped: list[str] = []

    def start_again(_: Lease) -> None:
        store.update(server, pid="2")

    sweep(store, {"fault": start_again, "server": lambda lease: stopped.append(lease.what["pid"])})
    assert stopped == ["2"]


def test_damaged_and_unknown_leases_are_kept_and_named(store: LeaseStore) -> None:
    store.intend(dead_owner(), "spaceship", "s")
    (store.folder / "leases" / "torn.json").write_text('{"id":')
    done = sweep(store, {})
    assert {each.name: each.why for each in done.kept} == {
        "s": "nobody here knows how to release a spaceship",
        "torn.json": f"{store.folder}/leases/torn.json cannot be read; look at it and delete it by hand",
    }
    assert (store.folder / "leases" / "torn.json").exists()


def test_of_two_sweeps_one_works(store: LeaseStore) -> None:
    """A lease that is being released by one sweep is passed over by another."""
    lease = store.intend(dead_owner(), "thing", "t")
    calls = []

    def slow(inner: Lease) -> None:
        calls.append(release(store, inner, lambda _: pytest.fail("released twice")))

    assert release(store, lease, slow) == ""
    assert calls == [""]
    assert release(store, lease, lambda _: pytest.fail("gone")) == ""


def test_without_room_for_the_lease_nothing_may_be_created(
    store: LeaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is one clear error, before anything exists, and leaves no half file."""

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    owner = store.owner()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EnvironmentFailed, match=r"No space left.*nothing was created"):
        store.intend(owner, "thing", "t")
    assert not list((store.folder / "leases").iterdir())


def test_files_are_private(store: LeaseStore) -> None:
    lease = store.intend(store.owner(), "thing", "t")
    assert store.path(lease.id).stat().st_mode & 0o777 == 0o600
    assert (store.folder / "leases").stat().st_mode & 0o777 == 0o700


def test_a_lease_can_be_completed_and_handed_over(store: LeaseStore) -> None:
    lease = store.intend(store.owner(), "thing", "t", what={"a": "1"})
    kept = store.update(lease, owner=store.owner("user"), b="2")
    assert list(store.leases()) == [kept]
    assert kept.what == {"a": "1", "b": "2"}
    store.touch(kept)


def test_the_folder_is_the_users(tmp_path: Path) -> None:
    assert state_home({"TOOLKIT_STATE_HOME": "/s"}) == Path("/s")
    with open_leases({"TOOLKIT_STATE_HOME": str(tmp_path / "s")}) as store:
        assert store.folder == tmp_path / "s"
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match="TOOLKIT_STATE_HOME"):
        open_leases({"TOOLKIT_STATE_HOME": str(tmp_path / "file")})


def test_the_session_leader_is_somebody_else_who_lives() -> None:
    leader = session_leader()
    assert leader is None or (leader != os.getpid() and process_start(leader))


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert new_owner("user").user == str(os.getuid())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(states=st.lists(st.sampled_from(["alive", "dead", "user", "far"]), max_size=8))
def test_a_sweep_releases_exactly_the_things_of_the_dead(store: LeaseStore, states: list[str]) -> None:
    """Whatever mixture of owners there is, all that belongs to the dead goes and nothing else."""
    alive = new_owner("session")
    owners = {
        "alive": alive,
        "dead": dead_owner(),
        "user": new_owner("user"),
        "far": msgspec.structs.replace(alive, machine=Machine(host="x", boot="y", namespace="z")),
    }
    for number, state in enumerate(states):
        store.intend(owners[state], "thing", f"{state}-{number}")
    done = sweep(store, {"thing": lambda _: None})
    wanted = [f"{state}-{number}" for number, state in enumerate(states) if state == "dead"]
    assert sorted(each.name for each in done.released) == sorted(wanted)
    left = list(store.leases())
    assert sorted(lease.name for lease in left) == sorted(
        f"{state}-{number}" for number, state in enumerate(states) if state != "dead"
    )
    for lease in left:
        store.forget(lease)
