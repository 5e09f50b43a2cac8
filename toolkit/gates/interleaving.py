"""Runs the benchmarks of old and new code interleaved in one job; see :mod:`toolkit.gates.pairing`.

The old code is checked out twice beside the working tree (``git worktree``), so that the new code is measured
as it is, changes that are not committed included.
"""

import random
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed
from toolkit.gates.arms import Arm, Measured, require_own, start_of
from toolkit.gates.identity import code_state
from toolkit.gates.lockstep import NO_TESTS, Pace, Player, names_of, playing, take_turns
from toolkit.gates.pairing import Block, Paired, block_of, blocks_needed, compare
from toolkit.gates.worktrees import checked_out
from toolkit.impact.changes import base_of

RESULT = "performance.json"
"""In the reports folder."""

Turns = Mapping[str, Mapping[str, list[float]]]
"""Benchmark → arm → seconds of its turns."""
Measure = Callable[[Sequence[str], random.Random], Turns]
"""Measures one block of some benchmarks."""
Say = Callable[[str], None]


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured.

    Attributes:
        least: blocks at first; more when there are so many benchmarks that the test needs them.
        most: blocks at most: those whose noise is above what matters go on until then.
        slowdown: percent that do not matter.
        seed: of the order within blocks and of hashes.
    """

    least: int = 12
    most: int = 30
    slowdown: float = 2.0
    seed: int = 0


def compare_trees(
    config: Config, commit: str, measured: Measured, pace: Pace, effort: Effort, *, prepare: str = "",
    say: Say,
) -> Paired:  # fmt: skip
    """Measure a commit and the working tree.

    Args:
        config: of the project.
        commit: of the old code.
        measured: what runs in every tree.
        pace: how much in a block.
        effort: how many blocks.
        prepare: a command that makes a fresh check-out usable, such as a build of extensions.
        say: tells the progress.

    Raises:
        ChangesUnknown: git cannot check the commit out.
        EnvironmentFailed: benchmarks or the preparation failed.
        InputError: an arm imported other code than its own.
    """
    with checked_out(config.root, commit, 2) as (first, second):
        for tree in (first, second) if prepare else ():
            _prepare(prepare, tree)
        arms = (
            Arm(name="base", root=first), Arm(name="again", root=second), Arm(name="head", root=config.root),
        )  # fmt: skip

        def measure(names: Sequence[str], chance: random.Random) -> Turns:
            return measure_block(arms, measured, pace, names, chance)

        old, new = (list_benchmarks(arm, measured, pace) for arm in (arms[0], arms[2]))
        names = tuple(name for name in old if name in set(new))
        blocks = interleave(names, measure, effort, say=say)
    return Paired(
        base=commit, head=base_of(config.root, "HEAD..HEAD"), state=code_state(config),
        timer=pace.timer, seed=effort.seed, blocks=blocks,
        added=tuple(sorted(set(new) - set(old))), removed=tuple(sorted(set(old) - set(new))),
    )  # fmt: skip


def list_benchmarks(arm: Arm, measured: Measured, pace: Pace) -> tuple[str, ...]:
    """Run every benchmark of an arm once: compiles, fills caches, and tells the names."""
    with tempfile.TemporaryDirectory(prefix="toolkit-arm-") as folder:
        scratch = Path(folder)
        with playing([start_of(arm, measured, scratch, seed=0)], pace, scratch) as (player,):
            names = names_of(player)
            _require_end(player, arm, measured)
    return names


def measure_block(
    arms: Sequence[Arm], measured: Measured, pace: Pace, names: Sequence[str], chance: random.Random
) -> Turns:
    """Start one process for each arm and let them take turns."""
    seed = chance.getrandbits(31)
    with tempfile.TemporaryDirectory(prefix="toolkit-arm-") as folder:
        scratch = Path(folder)
        starts = [start_of(arm, measured, scratch, seed=seed, tests=names) for arm in arms]
        with playing(starts, pace, scratch) as players:
            times = take_turns(players, names, pace, chance)
            for player, arm in zip(players, arms, strict=True):
                _require_end(player, arm, measured)
    return times


def _require_end(player: Player, arm: Arm, measured: Measured) -> None:
    code = player.end()
    if code not in {0, NO_TESTS}:
        raise player.failed(f"pytest ended with exit code {code}")
    require_own(arm, measured, player.modules)


def interleave(
    names: Sequence[str], measure: Measure, effort: Effort, *, say: Say = lambda _line: None
) -> dict[str, tuple[Block, ...]]:
    """Measure blocks until there are enough.

    How many that are depends on the noise between the two copies of the old code alone, never on the
    difference to the new code: whoever measures until something shows will see something (Stein 1945, "A
    two-sample test for a linear hypothesis whose power is independent of the variance").
    """
    chance = random.Random(effort.seed)  # noqa: S311 - the order of measurements is no secret
    found: dict[str, list[Block]] = {name: [] for name in names}
    least = max(effort.least, blocks_needed(len(names)))
    wanted, count = list(names), 0
    while wanted and count < max(least, effort.most):
        for name, times in measure(wanted, chance).items():
            found[name].append(block_of(times["base"], times["again"], times["head"]))
        count += 1
        if count >= least:
            wanted = noisy({name: found[name] for name in wanted}, effort.slowdown)
        say(f"block {count}: {len(names)} benchmarks" + (f", {len(wanted)} go on" if count >= least else ""))
    return {name: tuple(blocks) for name, blocks in found.items()}


def noisy(blocks: Mapping[str, Sequence[Block]], slowdown: float) -> list[str]:
    """Return the benchmarks whose noise is still above what matters."""
    found = compare(blocks, slowdown=slowdown)
    return [name for name in blocks if found[name].noise > 1 + slowdown / 100]


def _prepare(command: str, tree: Path) -> None:
    done = subprocess.run(
        shlex.split(command), cwd=tree, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", errors="backslashreplace",
    )  # fmt: skip
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise EnvironmentFailed(f"--prepare ended with exit code {done.returncode} in {tree}:\n{last}")
