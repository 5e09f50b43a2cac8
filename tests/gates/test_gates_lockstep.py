"""Old and new code really run in turns, each from its own tree; whoever fails or cheats is named."""

import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.gates.gated_project import Gated
from toolkit.config import Config, load_config
from toolkit.errors import ChangesUnknown, EnvironmentFailed, InputError
from toolkit.gates import interleaving, lockstep, turntaking
from toolkit.gates.arms import Arm, Measured, module_names, require_own, search_path, start_of
from toolkit.gates.interleaving import (
    Effort,
    compare_trees,
    list_benchmarks,
    measure_block,
)
from toolkit.gates.lockstep import Pace, Start, inherited, names_of, playing, take_turns
from toolkit.gates.pairing import Block, Paired
from toolkit.gates.turntaking import Turns, timed
from toolkit.gates.worktrees import checked_out
from toolkit.tasks import gates as gates_task

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
PACE = Pace(timer="cpu", seconds=0.001, rounds=4, turn=0.0005)
ARM = """
import os, sys
from toolkit.gates.turntaking import Turns, timed
from toolkit.gates.worktrees import checked_out
turns = Turns(os.environ)
log = open(sys.argv[1], "a")
def work():
    log.write(os.environ["TOOLKIT_TURN_ARM"] + "\\n")
    log.flush()
    return sum(range(20_000))
for name in sys.argv[2:]:
    turns.take(name, timed(turns.timer, work))
turns.close()
"""


def arm(name: str, folder: Path, *benchmarks: str, code: str = ARM) -> Start:
    environ = {**inherited(), "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-S", "-c", code, str(folder / "log"), *benchmarks)
    return Start(arm=name, command=command, folder=folder, environ=environ)


def test_processes_take_turns_in_random_order(tmp_path: Path) -> None:
    """Within a round each has its turn before any has another one."""
    starts = [arm(name, tmp_path, "one", "two") for name in ("base", "again", "head")]
    with playing(starts, PACE, tmp_path) as players:
        times = take_turns(players, ["one", "two"], PACE, random.Random(1))
        assert [player.end() for player in players] == [0, 0, 0]
        assert "toolkit.gates.turntaking" in players[0].modules
    assert {name: sorted(row) for name, row in times.items()} == {
        name: ["again", "base", "head"] for name in ("one", "two")
    }
    assert all(len(values) >= 4 and min(values) > 0 for row in times.values() for values in row.values())
    ran = (tmp_path / "log").read_text("utf-8").split()
    runs = [one for index, one in enumerate(ran) if index == 0 or one != ran[index - 1]]
    assert set(runs) == {"base", "again", "head"}
    assert len(runs) > 12, "not one after the other"


def test_names_are_told_in_order(tmp_path: Path) -> None:
    with playing([arm("base", tmp_path, "one", "two")], PACE, tmp_path) as (player,):
        assert names_of(player) == ("one", "two")


def test_who_runs_something_else_is_named(tmp_path: Path) -> None:
    starts = [arm("base", tmp_path, "one"), arm("head", tmp_path, "two")]
    with (
        pytest.raises(EnvironmentFailed, match=r"of head .*out of step: it runs two, and the others run one"),
        playing(starts, PACE, tmp_path) as players,
    ):
        take_turns(players, ["one"], PACE, random.Random(1))
    assert all(player.process.poll() is not None for player in players), "none outlives it"


def test_who_ends_before_any_benchmark_is_named_with_what_it_said(tmp_path: Path) -> None:
    wrong = arm("head", tmp_path, code="raise SystemExit('no such package')")
    with (
        pytest.raises(
            EnvironmentFailed, match=r"of head .*exit code 1 before any benchmark\nno such package"
        ),
        playing([wrong], PACE, tmp_path),
    ):
        pass


def test_who_ends_in_the_middle_is_named(tmp_path: Path) -> None:
    code = ARM.replace("return sum", "os._exit(3) if os.path.getsize(sys.argv[1]) > 20 else None; return sum")
    with playing([arm("head", tmp_path, "one", code=code)], PACE, tmp_path) as (player,):
        assert player.begins() == "one"
        with pytest.raises(EnvironmentFailed, match="ended in the middle of a benchmark"):
            player.run(1000)


def test_who_does_not_begin_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockstep, "START_TIMEOUT", 0.05)
    sleeper = arm("head", tmp_path, code="import time; time.sleep(60)")
    with (
        pytest.raises(EnvironmentFailed, match="did not begin within"),
        playing([sleeper], PACE, tmp_path),
    ):
        pass


STRANGER = """
import os, socket
stranger = socket.create_connection(("127.0.0.1", int(os.environ["TOOLKIT_TURN_PORT"])))
stranger.sendall({!r}.encode() + b"\\n")
try:
    assert stranger.recv(1) == b""
except ConnectionError:
    pass
"""


@pytest.mark.parametrize(
    "hello", ['{"arm": "base", "key": "guessed"}', "[]", "GET / HTTP/1.1", '{"key": "\u00e9"}', "x" * 5000]
)
def test_strangers_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hello: str) -> None:
    """Any program of this machine can reach the port, and only ours has the key."""
    monkeypatch.setattr(lockstep, "START_TIMEOUT", 60.0)
    with playing([arm("base", tmp_path, "one", code=STRANGER.format(hello) + ARM)], PACE, tmp_path) as (
        player,
    ):
        assert names_of(player) == ("one",)
        assert player.end() == 0


class Conductor(threading.Thread):
    """The other side of one connection, in this process: lets each benchmark run in two turns."""

    def __init__(self, server: socket.socket) -> None:
        super().__init__()
        self.server = server
        self.heard: list[dict[str, Any]] = []

    def run(self) -> None:
        connection, _ = self.server.accept()
        with connection, connection.makefile("rw", encoding="utf-8", newline="\n") as stream:
            answers: list[int] = []
            for line in stream:
                message = json.loads(line)
                self.heard.append(message)
                if "begin" in message:
                    answers = [3, 2, 0]
                if "begin" in message or "seconds" in message:
                    stream.write(f"{answers.pop(0)}\n")
                    stream.flush()


@pytest.fixture
def conductor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Conductor]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Conductor(server)
        made.start()
        monkeypatch.setenv("TOOLKIT_TURN_PORT", str(server.getsockname()[1]))
        monkeypatch.setenv("TOOLKIT_TURN_KEY", "k")
        monkeypatch.setenv("TOOLKIT_TURN_ARM", "base")
        monkeypatch.setenv("TOOLKIT_TURN_TIMER", "wall")
        yield made
        made.join(timeout=30)


def test_a_benchmark_runs_as_often_as_asked(conductor: Conductor) -> None:
    turns, calls = Turns(os.environ), list[int]()
    turns.take("one", timed(turns.timer, lambda: calls.append(1)))
    turns.close()
    conductor.join(timeout=30)
    assert len(calls) == 5
    hello, begin, *rest = conductor.heard
    assert hello == {"arm": "base", "key": "k"}
    assert begin == {"begin": "one"}
    assert [sorted(message) for message in rest] == [["seconds"], ["seconds"], ["modules"]]


class Pytest:
    """What the plugin uses of pytest's config."""

    def __init__(self) -> None:
        self.cleanups: list[Callable[[], None]] = []

    def add_cleanup(self, function: Callable[[], None]) -> None:
        self.cleanups.append(function)


def test_both_ways_to_start_a_benchmark_take_turns(
    conductor: Conductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``benchmark(f)`` and ``benchmark.pedantic(f)`` return what f returns; set-up is not measured."""
    for name in ("__call__", "pedantic"):
        monkeypatch.setattr(BenchmarkFixture, name, getattr(BenchmarkFixture, name))
    config = Pytest()
    turntaking.pytest_configure(config)
    fixture: Any = BenchmarkFixture.__new__(BenchmarkFixture)
    fixture.fullname = "t.py::test_a"
    said: list[str] = []

    def say(word: str, result: Any = None) -> Any:
        said.append(word)
        return result

    assert fixture(lambda x, y: x + y, 1, y=2) == 3
    result = fixture.pedantic(
        lambda x: say("run", x),
        setup=lambda: say("setup", ((7,), {})),
        teardown=lambda _x: say("teardown"),
        rounds=100,
    )
    assert result == 7
    assert said == ["setup", "run", "teardown"] * 6
    assert fixture.pedantic(lambda x: x, args=(8,)) == 8
    for cleanup in config.cleanups:
        cleanup()
    conductor.join(timeout=30)
    assert [one["begin"] for one in conductor.heard if "begin" in one] == ["t.py::test_a"] * 3


SPEED = """
import pytest
import shop.core
pytestmark = pytest.mark.performance
def test_work(benchmark):
    benchmark(shop.core.work)
"""
WORK = "def work():\n    return sum(n * n for n in range({}))\n"
ADDOPTS = "-p xdist.plugin -p toolkit.plugin -p pytest_benchmark.plugin"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gated:
    """A repository with a benchmark; in the working tree the work is ten times as much."""
    made = Gated(tmp_path / "shop")
    made.write("shop/core.py", WORK.format(1000))
    made.write("tests/test_speed.py", SPEED)
    made.repository()
    made.write("shop/core.py", WORK.format(10_000))
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    return made


def measured(config: Config) -> Measured:
    return Measured(python=sys.executable, arguments=("tests",), source=config.source)


def worktrees(root: Path) -> int:
    done = subprocess.run(["git", "worktree", "list"], cwd=root, check=True, capture_output=True)
    return len(done.stdout.splitlines())


@pytest.mark.slow
def test_each_tree_runs_its_own_code(project: Gated, tmp_path: Path) -> None:
    """With the same environment and the same names; the changes of the working tree are measured."""
    config = load_config(project.root, {})
    with checked_out(config.root, "main", 1) as (old,):
        assert worktrees(config.root) == 2
        arms = [Arm(name="base", root=old), Arm(name="head", root=config.root)]
        assert list_benchmarks(arms[0], measured(config), PACE) == ("tests/test_speed.py::test_work",)
        names = ["tests/test_speed.py::test_work"]
        pace = Pace(timer="cpu", seconds=0.02)
        times = measure_block(arms, measured(config), pace, names, random.Random(1))[names[0]]
    assert worktrees(config.root) == 1
    assert not old.exists()
    assert min(times["head"]) > 2 * min(times["base"]), "ten times as much"


def test_code_of_another_tree_is_refused(tmp_path: Path) -> None:
    """A comparison of a tree with itself would never find anything."""
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "core.py").touch()
    (tmp_path / "src" / "alone.py").touch()
    one, source = Arm(name="base", root=tmp_path), Measured(python="python", source=("src",))
    own = {"shop.core": str(tmp_path / "src" / "shop" / "core.py"), "other": "/elsewhere/other.py"}
    require_own(one, source, own)
    with pytest.raises(InputError, match=r"of base imported shop from /elsewhere/shop\.py"):
        require_own(one, source, own | {"shop": "/elsewhere/shop.py"})
    assert module_names(tmp_path / "src") == {"shop", "alone"}
    assert module_names(tmp_path / "src" / "alone.py") == {"alone"}


def test_the_own_tree_comes_first(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "src").mkdir()
    one = Arm(name="base", root=tmp_path)
    told = search_path(
        one, Measured(python="", source=("src", "pkg")), tmp_path / "s", {"PYTHONPATH": "before"}
    )
    expected = [str(tmp_path / "src"), str(tmp_path), str(tmp_path / "s"), "before"]
    assert told.split(os.pathsep) == expected
    start = start_of(one, Measured(python="python"), tmp_path, seed=2**40 + 5, tests=["a::b"])
    assert start.environ["PYTHONHASHSEED"] == "5"
    assert start.command[-1] == "a::b"


def test_a_commit_that_is_not_there_leaves_nothing(project: Gated) -> None:
    with pytest.raises(ChangesUnknown), checked_out(project.root, "nowhere", 2):
        pass
    assert worktrees(project.root) == 1


KILLED = """
import sys
from pathlib import Path
from toolkit.gates.worktrees import checked_out
with checked_out(Path(sys.argv[1]), "main", 2) as trees:
    print(trees[0].parent.parent, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_by_the_next_one(project: Gated, tmp_path: Path) -> None:
    """But not what belongs to one that lives, nor work trees of somebody else."""
    subprocess.run(["git", "worktree", "add", "-q", str(tmp_path / "own")], cwd=project.root, check=True)
    command = [sys.executable, "-c", KILLED, str(project.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        left = Path(os.fsdecode(other.stdout.readline().strip()))
        with checked_out(project.root, "main", 1):
            assert left.is_dir()
            assert worktrees(project.root) == 5
        other.kill()
    assert left.is_dir()
    with checked_out(project.root, "main", 1):
        assert not left.exists()
        assert worktrees(project.root) == 3
    assert worktrees(project.root) == 2
    assert (tmp_path / "own" / ".git").exists()


def test_failing_benchmarks_and_preparations_are_told(project: Gated) -> None:
    config = load_config(project.root, {})
    options: dict[str, Any] = {"pace": PACE, "effort": Effort(), "say": print}
    with pytest.raises(EnvironmentFailed, match="--prepare ended with exit code 1"):
        compare_trees(config, "main", measured(config), prepare="false", **options)
    project.write("tests/test_speed.py", "raise ValueError('broken')\n")
    with pytest.raises(EnvironmentFailed, match=r"of head .*(?s:.*)broken"):
        list_benchmarks(Arm(name="head", root=config.root), measured(config), PACE)
    assert worktrees(project.root) == 1


def test_wrong_options_are_usage_errors(project: Gated, invoke: Run) -> None:
    for option, says in (
        ("--timer=sun", "unknown timer 'sun'"),
        ("--blocks=0", "--blocks and --seconds must be above 0"),
        ("--slowdown=-1", "--slowdown=-1: expected"),
        ("--base=gone", "no base to compare with"),
        ("--profile=speed", "unknown profile 'speed'"),
    ):
        code, _, err = invoke("gates.performance", option)
        assert (code, says in err) == (2, True), err


def test_what_only_one_side_has_is_told_and_the_rest_measured(
    project: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Benchmarks of both sides are measured in the order of the old code; the trees go away."""
    lists = {"base": ("gone", "b", "a"), "head": ("a", "b", "new")}
    seen: list[tuple[str, ...]] = []

    def measure(_arms: Any, _measured: Any, _pace: Any, names: Sequence[str], _chance: Any) -> Any:
        seen.append(tuple(names))
        return {name: {"base": [1.0], "again": [1.0], "head": [2.0]} for name in names}

    monkeypatch.setattr(interleaving, "list_benchmarks", lambda one, *_more: lists[one.name])
    monkeypatch.setattr(interleaving, "measure_block", measure)
    config = load_config(project.root, {})
    found = compare_trees(
        config, "main", measured(config), PACE, Effort(least=9), prepare="true", say=lambda _line: None
    )
    assert set(seen) == {("b", "a")}
    assert (found.added, found.removed, sorted(found.blocks)) == (("new",), ("gone",), ["a", "b"])
    assert found.state
    assert worktrees(project.root) == 1


@pytest.mark.parametrize(("shift", "code"), [(0.0, 0), (0.1, 1)])
def test_the_task_writes_what_the_gate_reads(
    project: Gated, invoke: Run, monkeypatch: pytest.MonkeyPatch, shift: float, code: int
) -> None:
    def compared(config: Config, commit: str, *_measured: Any, **_options: Any) -> Paired:
        blocks = (Block(seconds=0.1, copies=0.0, shift=shift),) * 12
        head, state = project.head(), gates_state(config)
        return Paired(
            base=commit, head=head, state=state, timer="cpu", seed=1, blocks={"t.py::test_work": blocks}
        )

    monkeypatch.setattr(gates_task, "compare_trees", compared)
    assert invoke("gates.performance", "--base=main", "--json")[0] == code
    ended, out, _ = invoke("gates.performance", "--base=main")
    assert ended == code
    assert "t.py::test_work" in out
    assert ("slower" in out.splitlines()[2]) == bool(code)
    report = json.loads(invoke("gates.check", "--only=performance", "--json")[1])
    statuses = {one["id"]: one["status"] for gate in report["gates"] for one in gate["checks"]}
    assert statuses["performance.paired"] == ("failed" if code else "passed")


def gates_state(config: Config) -> str:
    from toolkit.gates.identity import code_state

    return code_state(config)


@pytest.mark.e2e
def test_more_work_is_found_from_end_to_end(project: Gated, invoke: Run) -> None:
    """Real pytest, real work trees."""
    options = [
        "--timer=cpu",
        "--seconds=0.02",
        "--blocks=8",
        "--most=8",
        "--slowdown=20",
        "--arguments=tests",
    ]
    code, out, _ = invoke("gates.performance", "--base=main", "--json", *options)
    (found,) = json.loads(out)["benchmarks"].values()
    assert (code, found["slower"]) == (1, True), out
    assert found["ratio"] > 2
    assert worktrees(project.root) == 1
