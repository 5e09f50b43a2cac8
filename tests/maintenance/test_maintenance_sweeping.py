"""Sweeps never touch anything outside the project, anything new, or anything in use, whatever the tree."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RuntimeUnavailable
from toolkit.maintenance import sweeping
from toolkit.maintenance.sweeping import Limits, Swept, files_in_use, newest_change, sweep_folder

NOW = time.time()
OLD, NEW = NOW - 40 * 86_400, NOW - 3_600
LIMITS = Limits(before=NOW - 30 * 86_400)

pytestmark = pytest.mark.skipif(not sweeping.POSSIBLE, reason="this system has no openat(2)")


def age(path: Path, when: float) -> None:
    os.utime(path, (when, when), follow_symlinks=False)


def old_file(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    age(path, OLD)
    return path


def picture(folder: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Return what is in a tree: kind, number and content of everything, links not followed."""
    seen = {}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            found = os.lstat(path)
            content = os.readlink(path) if stat.S_ISLNK(found.st_mode) else b""
            if stat.S_ISREG(found.st_mode):
                with open(path, "rb") as stream:
                    content = stream.read()
            seen[path] = (found.st_mode, found.st_ino, content)
    return seen


NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"c d",
        b"line\nbreak",
        b"\xff\xfe",
        "é".encode(),
        b"-rf",
        b".hidden",
        b"*",
        b"'\"",
        b"$HOME",
        b"...",
    ]
)
KINDS = st.sampled_from(
    ["file", "folder", "link out", "link up", "link dead", "link folder", "fifo", "hard link"]
)
ENTRY = st.tuples(st.lists(NAMES, min_size=1, max_size=3), KINDS, st.booleans(), st.booleans())


class World:
    """A project with reports, and its neighbour that nobody may touch."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.reports = self.project / "reports"
        self.outside = folder / "outside"
        self.reports.mkdir(parents=True)
        old_file(self.outside / "deep" / "precious", "gold")
        old_file(self.outside / "ours", "silver")
        old_file(self.project / "source.py", "code")
        for path in (self.outside / "deep", self.outside, self.project):
            age(path, OLD)

    def plant(self, way: list[bytes], kind: str, old: bool) -> bytes | None:
        path = os.path.join(os.fsencode(self.reports), *way)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            match kind:
                case "file":
                    with open(path, "xb") as stream:
                        stream.write(b"data")
                case "folder":
                    os.mkdir(path)
                case "link out":
                    os.symlink(os.fsencode(self.outside / "ours"), path)
                case "link folder":
                    os.symlink(os.fsencode(self.outside / "deep"), path)
                case "link up":
                    os.symlink(b"../..", path)
                case "link dead":
                    os.symlink(b"nowhere", path)
                case "fifo":
                    os.mkfifo(path)
                case "hard link":
                    os.link(os.fsencode(self.project / "source.py"), path)
                    return path  # its age is that of the file it is
        except (FileExistsError, NotADirectoryError, FileNotFoundError):
            return None
        when = OLD if old else NEW
        os.utime(path, (when, when), follow_symlinks=False)
        return path

    def age_folders(self) -> None:
        """Folders got new when they were filled; make them all old, the deepest first."""
        for place, _, _ in os.walk(os.fsencode(self.reports), topdown=False):
            os.utime(place, (OLD, OLD))


@settings(max_examples=50)
@given(st.lists(ENTRY, max_size=12), st.booleans())
def test_any_tree_old_things_go_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[list[bytes], str, bool, bool]],
    dry_run: bool,
) -> None:
    folder = tmp_path_factory.mktemp("world")
    world = World(folder)
    with ExitStack() as opened:
        used: set[tuple[int, int]] = set()
        for way, kind, old, use in entries:
            path = world.plant(way, kind, old)
            if path and use and kind in {"file", "folder"}:
                descriptor = os.open(path, os.O_RDONLY)
                opened.callback(os.close, descriptor)
                found = os.fstat(descriptor)
                used.add((found.st_dev, found.st_ino))
        world.age_folders()
        outside, before = picture(world.outside), picture(world.reports)
        limits = Limits(before=LIMITS.before, in_use=files_in_use(), dry_run=dry_run)
        assert used <= limits.in_use
        done = sweep_folder(world.project, ("reports",), limits)
        after = picture(world.reports)
        assert picture(world.outside) == outside
        assert (world.project / "source.py").read_text() == "code"
        if dry_run:
            assert after == before
            assert sweep_folder(world.project, ("reports",), really(limits)).removed == done.removed
            after = picture(world.reports)
        gone = before.keys() - after.keys()
        assert after.items() <= before.items()
        assert len(gone) == len(done.removed)
        for path, (mode, number, _) in before.items():
            told = os.lstat(path).st_mtime if path in after else OLD
            if path in gone:
                assert (os.lstat(world.project).st_dev, number) not in used
                assert not stat.S_ISFIFO(mode)
            elif not stat.S_ISDIR(mode):
                assert told >= LIMITS.before or stat.S_ISFIFO(mode) or number in {one for _, one in used}
    shutil.rmtree(folder)


def really(limits: Limits) -> Limits:
    return Limits(before=limits.before, in_use=limits.in_use)


def test_what_was_swept_leaves_nothing_for_a_second_sweep(tmp_path: Path) -> None:
    world = World(tmp_path)
    old_file(world.reports / "a" / "b\nc" / "junit.xml")
    old_file(world.reports / "page.html")
    world.age_folders()
    done = sweep_folder(world.project, ("reports",), LIMITS)
    assert [each.path for each in done.removed] == [
        "reports/a/b\nc/junit.xml",
        "reports/a/b\nc/",
        "reports/a/",
        "reports/page.html",
    ]
    assert done.removed[0].size == 1
    assert sweep_folder(world.project, ("reports",), LIMITS) == Swept()
    assert world.reports.is_dir()


def test_a_folder_that_is_new_stays_although_what_was_in_it_went(tmp_path: Path) -> None:
    world = World(tmp_path)
    old_file(world.reports / "today" / "old.txt")
    assert [each.path for each in sweep_folder(world.project, ("reports",), LIMITS).removed] == [
        "reports/today/old.txt"
    ]
    assert (world.reports / "today").is_dir()


@pytest.mark.parametrize("parts", [("..", "outside"), ("/etc",), ("reports", ""), (".",), ("reports/../..",)])
def test_no_way_leads_out_of_the_project(tmp_path: Path, parts: tuple[str, ...]) -> None:
    world = World(tmp_path)
    before = picture(tmp_path)
    (spared,) = sweep_folder(world.project, parts, LIMITS).spared
    assert "is no name of a folder" in spared.why
    assert picture(tmp_path) == before


def test_a_folder_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reports.rmdir()
    world.reports.symlink_to(world.outside)
    before = picture(tmp_path)
    (spared,) = sweep_folder(world.project, ("reports",), LIMITS).spared
    assert "it is a link" in spared.why
    assert picture(tmp_path) == before
    assert newest_change(world.project, ("reports",)) is None


def test_a_folder_that_does_not_exist_is_no_problem(tmp_path: Path) -> None:
    assert sweep_folder(tmp_path, ("reports",), LIMITS) == Swept()


def test_only_the_named_entries(tmp_path: Path) -> None:
    world = World(tmp_path)
    old_file(world.reports / "one")
    old_file(world.reports / "two")
    assert [
        each.path for each in sweep_folder(world.project, ("reports",), LIMITS, names=["two"]).removed
    ] == ["reports/two"]


@pytest.mark.parametrize("moment", ["open", "stat"])
def test_a_folder_that_is_replaced_by_a_link_meanwhile_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The race: between two system calls, somebody puts a link to the neighbour in the place of a folder."""
    world = World(tmp_path)
    old_file(world.reports / "victim" / "ours")
    world.age_folders()
    before = picture(world.outside)
    real_open, real_stat = os.open, os.stat

    def swap() -> None:
        victim = world.reports / "victim"
        if not victim.is_symlink():
            victim.rename(tmp_path / "aside")
            victim.symlink_to(world.outside)

    def racing_open(path: object, *rest: object, **options: object) -> int:
        if path == "victim" and moment == "open":
            swap()
        return real_open(path, *rest, **options)  # type: ignore[arg-type]

    def racing_stat(path: object, **options: object) -> os.stat_result:
        found = real_stat(path, **options)  # type: ignore[arg-type]
        if path == "victim" and moment == "stat":
            swap()
        return found

    monkeypatch.setattr(os, "open", racing_open)
    monkeypatch.setattr(os, "stat", racing_stat)
    done = sweep_folder(world.project, ("reports",), LIMITS)
    assert done.removed == ()
    assert [each.path for each in done.spared] == ["reports/victim"]
    monkeypatch.undo()
    assert picture(world.outside) == before
    assert (tmp_path / "aside" / "ours").exists()


def test_a_folder_that_is_replaced_by_another_folder_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    old_file(world.reports / "victim" / "ours")
    world.age_folders()
    real = os.stat

    def racing(path: object, **options: object) -> os.stat_result:
        found = real(path, **options)  # type: ignore[arg-type]
        if path == "victim":
            (world.reports / "victim").rename(tmp_path / "aside")
            shutil.copytree(world.outside, world.reports / "victim")
        return found

    monkeypatch.setattr(os, "stat", racing)
    (spared,) = sweep_folder(world.project, ("reports",), LIMITS).spared
    assert spared.why == "it was replaced meanwhile"


def test_what_vanishes_or_may_not_be_removed_does_not_stop_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    for name in ("a", "b", "c"):
        old_file(world.reports / name)
    real = os.unlink

    def refusing(path: object, **options: object) -> None:
        if path == "a":
            raise FileNotFoundError
        if path == "b":
            raise PermissionError(13, "Permission denied")
        real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "unlink", refusing)
    done = sweep_folder(world.project, ("reports",), LIMITS)
    assert [each.path for each in done.removed] == ["reports/c"]
    assert [(each.path, each.why) for each in done.spared] == [("reports/b", "Permission denied")]


def test_the_newest_change_is_that_of_the_newest_file_however_deep(tmp_path: Path) -> None:
    world = World(tmp_path)
    age(old_file(world.reports / "a" / "b" / "c"), NEW)
    world.age_folders()
    assert newest_change(world.project, ("reports",)) == pytest.approx(NEW)


def test_without_proc_only_the_device_tells_file_systems_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    world = World(tmp_path)
    old_file(world.reports / "a")
    monkeypatch.setattr(Path, "read_text", lambda *_a, **_k: (_ for _ in ()).throw(FileNotFoundError()))
    assert len(sweep_folder(world.project, ("reports",), LIMITS).removed) == 1


def test_where_folders_cannot_be_opened_relative_to_each_other_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    kept = old_file(world.reports / "a")
    monkeypatch.setattr(sweeping, "POSSIBLE", False)
    with pytest.raises(RuntimeUnavailable, match="cannot be removed safely"):
        newest_change(tmp_path, ["reports"])
    with pytest.raises(RuntimeUnavailable, match="cannot be removed safely"):
        sweep_folder(world.project, ("reports",), LIMITS)
    assert kept.exists()


def test_sockets_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    monkeypatch.chdir(world.reports)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        age(world.reports / "s", OLD)
        (spared,) = sweep_folder(world.project, ("reports",), LIMITS).spared
    assert spared.why == "no file, folder or link"


def test_the_folder_in_which_a_process_works_stays(tmp_path: Path) -> None:
    world = World(tmp_path)
    place = world.reports / "cwd"
    place.mkdir()
    child = subprocess.Popen([sys.executable, "-c", "input()"], cwd=place, stdin=subprocess.PIPE)
    try:
        world.age_folders()
        limits = Limits(before=LIMITS.before, in_use=files_in_use())
        (spared,) = sweep_folder(world.project, ("reports",), limits).spared
        assert (spared.path, spared.why) == ("reports/cwd", "in use")
    finally:
        child.communicate(b"\n")


def test_folders_deeper_than_there_are_descriptors_stay(tmp_path: Path) -> None:
    world = World(tmp_path)
    place = world.reports
    for _ in range(230):
        place = place / "d"
    place.mkdir(parents=True)
    world.age_folders()
    (spared,) = sweep_folder(world.project, ("reports",), LIMITS).spared
    assert spared.why == "deeper than 200 folders"


@pytest.fixture
def mounted(tmp_path: Path) -> tuple[World, list[str]]:
    """A world in a mount namespace of its own, with the neighbour mounted in the reports."""
    world = World(tmp_path)
    (world.reports / "mount").mkdir()
    world.age_folders()
    command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"']
    return world, [*command, str(world.outside), str(world.reports / "mount")]


def test_what_is_mounted_below_is_left_alone(mounted: tuple[World, list[str]]) -> None:
    """Also by a bind mount, which has the same device number."""
    world, inside = mounted
    probe = [*inside, "true"] if shutil.which("unshare") else ["false"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    before = picture(world.outside)
    code = (
        "import sys; from pathlib import Path; from toolkit.maintenance.sweeping import *\n"
        f"limits = Limits(before={LIMITS.before})\n"
        f"print(sweep_folder(Path({str(world.project)!r}), ('reports',), limits).spared)"
    )
    told = subprocess.run(
        [*inside, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert "another file system is mounted there" in told.stdout
    assert picture(world.outside) == before
