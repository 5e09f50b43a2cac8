"""What git says has changed since a revision: committed, staged, in the working tree, untracked.

The only module of this package that runs git. Renames count as one file gone and one new.
"""

import subprocess
from pathlib import Path

from toolkit.errors import ChangesUnknown


def old_contents(root: Path, reference: str) -> dict[str, bytes | None]:
    """Return the files that differ between a revision and the disk, with their contents at the revision.

    Args:
        root: of the project, anywhere in the work tree.
        reference: a revision: what changed since HEAD left it (their merge base). A range ``A..B``: what
            changed since ``A``; what is on disk is what runs, so ``B`` only has to exist. ``A...B``: what
            changed since their merge base.

    Returns:
        Path relative to ``root`` → content then; None for a file that did not exist.

    Raises:
        ChangesUnknown: not a work tree, no such revision, or a shallow clone does not reach it.
    """
    base = base_of(root, reference)
    changed = _names(_git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", base, "--", "."))
    changed += _names(_git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", "."))
    prefix = _git(root, "rev-parse", "--show-prefix").decode().strip()
    return {path: _content(root, base, prefix + path) for path in dict.fromkeys(changed)}


def changed_between(root: Path, first: str, second: str) -> tuple[str, ...]:
    """Return the paths, relative to ``root``, of the files that differ between two commits.

    Raises:
        ChangesUnknown: not a work tree, or no such commits.
    """
    commits = (_commit(root, first), _commit(root, second))
    return tuple(_names(_git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", *commits)))


def base_of(root: Path, reference: str) -> str:
    """Return the commit that a reference means. See :func:`old_contents`."""
    first, dots, second = reference.partition("...")
    if dots:
        return _merge_base(root, first or "HEAD", second or "HEAD")
    first, dots, second = reference.partition("..")
    if dots:
        _commit(root, second or "HEAD")
        return _commit(root, first or "HEAD")
    return _merge_base(root, reference, "HEAD")


def current_branch(root: Path) -> str:
    """Return the branch that is checked out; empty when there is none or no git."""
    try:
        return _git(root, "symbolic-ref", "--quiet", "--short", "HEAD").decode().strip()
    except ChangesUnknown:
        return ""


def _commit(root: Path, name: str) -> str:
    if name.startswith("-"):
        raise ChangesUnknown(f"{name!r} is not a git revision")
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
    except ChangesUnknown as error:
        if "cannot tell" in error.message:
            raise ChangesUnknown(f"{name!r} is not a commit that git knows here", hint=_mend(root)) from error
        raise


def _merge_base(root: Path, first: str, second: str) -> str:
    one, other = _commit(root, first), _commit(root, second)
    try:
        return _git(root, "merge-base", one, other).decode().strip()
    except ChangesUnknown as error:
        raise ChangesUnknown(
            f"{first!r} and {second!r} have no common commit in this clone", hint=_mend(root)
        ) from error


def _mend(root: Path) -> str:
    try:
        shallow = _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true"
    except ChangesUnknown:
        shallow = False
    if shallow:
        return (
            "the clone is shallow: fetch more with git fetch --unshallow, or check out with full depth in CI"
        )
    return "fetch it first (git fetch origin BRANCH), or pass another revision"


def _content(root: Path, commit: str, path: str) -> bytes | None:
    try:
        return _git(root, "cat-file", "blob", f"{commit}:{path}")
    except ChangesUnknown:
        return None


def _names(output: bytes) -> list[str]:
    return [name for name in output.decode("utf-8", "surrogateescape").split("\0") if name]


def _git(root: Path, *arguments: str) -> bytes:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChangesUnknown(f"git could not be run: {error}", hint="install git") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise ChangesUnknown(f"git cannot tell what changed ({' '.join(arguments[:2])}): {said or 'no'}")
    return done.stdout


def files_between(root: Path, first: str, second: str) -> tuple[str, ...]:
    """Return the files that differ between two commits, relative to the root of the project.

    Raises:
        ChangesUnknown: git does not know one of them here.
    """
    one, other = _commit(root, first), _commit(root, second)
    return tuple(_names(_git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", one, other)))


def subjects_between(root: Path, first: str, second: str, *, limit: int = 20) -> tuple[str, ...]:
    """Return short hash and subject of the commits after the first up to the second, newest first.

    Raises:
        ChangesUnknown: git does not know one of them here.
    """
    one, other = _commit(root, first), _commit(root, second)
    log = _git(root, "log", f"--max-count={limit}", "--no-merges", "--format=%h %s", f"{one}..{other}")
    return tuple(log.decode("utf-8", "replace").splitlines())


def tracked_files(root: Path) -> tuple[str, ...]:
    """Return the files that git tracks, and the folders of submodules, relative to the root.

    Raises:
        ChangesUnknown: not a work tree.
    """
    return tuple(_names(_git(root, "ls-files", "--cached", "-z", "--", ".")))


def present_files(root: Path) -> tuple[str, ...]:
    """Return the files that git tracks, or would track because nothing ignores them, relative to the root.

    Raises:
        ChangesUnknown: not a work tree.
    """
    found = _git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".")
    return tuple(dict.fromkeys(_names(found)))
