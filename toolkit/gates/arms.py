"""One arm of a comparison: a tree of files whose benchmarks are run by pytest.

The environment is the same for all arms, and the project may be installed in it as a link to one of the
trees. So each process gets its own tree in front of the path, and tells from where it imported: a comparison
of a tree with itself would never find anything.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import InputError
from toolkit.gates import turntaking
from toolkit.gates.lockstep import Start, inherited

PLUGIN = "toolkit_turntaking"


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured in every tree.

    Attributes:
        python: the interpreter.
        arguments: of pytest, which decide what runs.
        source: folders of the code under test, relative to each tree.
    """

    python: str
    arguments: tuple[str, ...] = ()
    source: tuple[str, ...] = ()


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """A tree of files: ``base``, ``again`` or ``head``, and the project's folder in it."""

    name: str
    root: Path


def start_of(arm: Arm, measured: Measured, scratch: Path, *, seed: int, tests: Sequence[str] = ()) -> Start:
    """Say how the process of an arm is started.

    Args:
        arm: whose.
        measured: what.
        scratch: a folder for the plugin.
        seed: of the hashes of strings: the same in all processes of a block.
        tests: node ids in their order; empty: what the arguments select.
    """
    shutil.copyfile(turntaking.__file__, scratch / f"{PLUGIN}.py")
    command = [
        measured.python, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider", "-p", "no:randomly",
        "-n", "0", "--order=declared", "--benchmark-only", *(tests or measured.arguments),
    ]  # fmt: skip
    return Start(
        arm=arm.name,
        command=tuple(command),
        folder=arm.root,
        environ={
            **(outer := inherited()),
            "PYTHONPATH": search_path(arm, measured, scratch, outer),
            "PYTHONHASHSEED": str(seed % 2**32),
            "PYTEST_TIMEOUT": "0",  # waiting for its turn is no hanging
        },
    )


def search_path(arm: Arm, measured: Measured, scratch: Path, environ: Mapping[str, str]) -> str:
    """Return PYTHONPATH: the arm's own tree before everything else."""
    folders = [arm.root / folder for folder in measured.source]
    first = [one.parent if one.is_file() or (one / "__init__.py").is_file() else one for one in folders]
    path = [*map(str, dict.fromkeys([*first, arm.root])), str(scratch), environ.get("PYTHONPATH", "")]
    return os.pathsep.join(filter(None, path))


def require_own(arm: Arm, measured: Measured, modules: Mapping[str, str]) -> None:
    """Make sure that a process imported the source of its own tree.

    Raises:
        InputError: it did not.
    """
    for folder in measured.source:
        own = (arm.root / folder).resolve()
        top = module_names(own)
        for name, file in modules.items():
            if name.partition(".")[0] in top and not Path(file).resolve().is_relative_to(own):
                raise InputError(
                    f"the benchmarks of {arm.name} imported {name} from {file}, not from {own}",
                    hint="is the project installed otherwise than as a link? try: pip install -e .",
                )


def module_names(source: Path) -> frozenset[str]:
    """Return the top-level modules of a source folder: itself when it is a package, else what is in it."""
    if source.is_file() or (source / "__init__.py").is_file():
        return frozenset({source.stem})
    inside = [path for path in source.glob("*") if path.suffix == ".py" or any(path.glob("*.py"))]
    return frozenset(path.stem for path in inside)
