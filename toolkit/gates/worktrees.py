"""Temporary work trees of git with old code, and the end of those whose process was killed.

A file in their folder is locked as long as the process lives; the kernel drops the lock however it dies. So
the next one removes what dead ones of its repository left, and nothing else.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import ChangesUnknown
from toolkit.leases.locks import is_locked, try_lock

PREFIX = "toolkit-base-"
LOCK = "owner.lock"


@contextlib.contextmanager
def checked_out(root: Path, commit: str, count: int) -> Iterator[tuple[Path, ...]]:
    """Check a commit out into several temporary work trees; yield the project's folder in each.

    Raises:
        ChangesUnknown: git cannot.
    """
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    remove_dead(root)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, contextlib.ExitStack() as stack:
        stack.enter_context(_locked(Path(folder, LOCK)))
        for number in range(count):
            tree = Path(folder, str(number), root.name)
            stack.callback(_forget, root, tree)
            _git(root, "worktree", "add", "--quiet", "--detach", "--force", str(tree), commit)
        yield tuple(Path(folder, str(number), root.name, prefix) for number in range(count))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def remove_dead(root: Path) -> None:
    """Remove the work trees of this repository that killed processes left.

    One whose folder cannot be seen stays: it may be that of another container. Git itself forgets it in time.
    """
    for line in _git(root, "worktree", "list", "--porcelain").splitlines():
        tree = Path(line.removeprefix("worktree "))
        folder = tree.parent.parent
        if (
            line.startswith("worktree ")
            and folder.name.startswith(PREFIX)
            and is_locked(folder / LOCK) is False
        ):
            _forget(root, tree)
            if not any(folder.glob("*/*/.git")):  # the last one: the proof goes with it
                shutil.rmtree(folder, ignore_errors=True)


def _forget(root: Path, tree: Path) -> None:
    with contextlib.suppress(ChangesUnknown):
        _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=root, capture_output=True, check=False, encoding="utf-8", errors="surrogateescape"
    )
    if done.returncode:
        raise ChangesUnknown(f"{shlex.join(command[:3])}: {done.stderr.strip() or 'failed'}")
    return done.stdout
