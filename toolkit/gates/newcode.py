"""Which new lines were executed: git tells what is new, diff-cover joins it with the coverage report.

diff-cover (https://github.com/Bachmann1234/diff_cover) takes a file that the report does not know for one
without new lines, and an empty result for 100 %. So it gets a report with the paths of this machine, and
changed files that were not measured are looked for here.
"""

import ast
import contextlib
import fnmatch
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from toolkit.config import Config
from toolkit.errors import ChangesUnknown
from toolkit.gates.coverage import NewCode, NewFile
from toolkit.gates.globs import matches_path
from toolkit.gates.inputs import COVERAGE, RUN_COVERAGE, read_document
from toolkit.gates.verdicts import Absent
from toolkit.impact.changes import base_of, old_contents

INSTALL = "pip install 'nox-invoke-toolkit[gates]'"
TIMEOUT = 300.0
"""Seconds for diff-cover."""


def base_revision(config: Config, environ: Mapping[str, str], asked: str = "") -> str | Absent:
    """Return the revision against which code is new.

    The first of these that git knows: what was asked for, ``gates.base``, the target of the merge request
    (GitHub, GitLab), the main branch. What was named on purpose must exist.

    Args:
        config: of the project.
        environ: of the process.
        asked: named by the user.
    """
    named = asked or config.gates.base
    candidates = [named] if named else [*_targets(environ), *_mains(config)]
    problem = ""
    for name in candidates:
        try:
            base_of(config.root, name)
        except ChangesUnknown as error:
            problem = problem or str(error)
        else:
            return name
    return Absent(
        reason=f"no base to compare with: {problem}",
        remedy="name one with --base or base of [tool.toolkit.gates]; in CI, check out with full depth",
    )


def _targets(environ: Mapping[str, str]) -> Iterator[str]:
    if environ.get("GITHUB_BASE_REF"):
        yield f"origin/{environ['GITHUB_BASE_REF']}"
    if environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA"):
        yield environ["CI_MERGE_REQUEST_DIFF_BASE_SHA"]
    if environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"):
        yield f"origin/{environ['CI_MERGE_REQUEST_TARGET_BRANCH_NAME']}"


def _mains(config: Config) -> Iterator[str]:
    for name in config.impact.main:
        yield f"origin/{name}"
        yield name


def read_new_code(config: Config, base: str | Absent) -> NewCode | Absent:
    """Join the diff against a base with ``coverage.json``."""
    if isinstance(base, Absent):
        return base
    measured = read_document(
        config.reports_dir / COVERAGE, config.root, lambda document: dict(document["files"]),
        remedy=RUN_COVERAGE,
    )  # fmt: skip
    if isinstance(measured, Absent):
        return measured
    try:
        commit = base_of(config.root, base)
        changed = [path for path in old_contents(config.root, base) if (config.root / path).is_file()]
    except ChangesUnknown as error:
        return Absent(reason=error.message, remedy=error.hint or "name a revision with --base")
    told = run_diff_cover(config.root, measured, commit)
    if isinstance(told, Absent):
        return told
    return NewCode(
        base=base,
        changed=int(told["num_changed_lines"]),
        files=tuple(_new_files(told["src_stats"], _prefix(config.root))),
        unmeasured=tuple(sorted(unmeasured(config, changed, measured))),
    )


def run_diff_cover(root: Path, measured: Mapping[str, Any], commit: str) -> Mapping[str, Any] | Absent:
    """Run diff-cover as a process and return its JSON."""
    if importlib.util.find_spec("diff_cover") is None:
        return Absent(reason="diff-cover is not installed", remedy=f"run: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="toolkit-gates-") as folder:
        report, result = Path(folder, "coverage.xml"), Path(folder, "diff.json")
        report.write_text("".join(cobertura(root, measured)), encoding="utf-8")
        command = [
            sys.executable, "-m", "diff_cover.diff_cover_tool", str(report),
            "--compare-branch", commit, "--include-untracked", "--quiet", "--format", f"json:{result}",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, cwd=root, capture_output=True, check=False, timeout=TIMEOUT, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return Absent(reason=f"diff-cover did not end within {TIMEOUT:g} s", remedy="name a nearer base")
        if done.returncode or not result.is_file():
            said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            return Absent(reason=f"diff-cover failed: {said}", remedy=f"run: {INSTALL}", malformed=True)
        found: dict[str, Any] = json.loads(result.read_bytes())
        return found


def cobertura(root: Path, measured: Mapping[str, Any]) -> Iterator[str]:
    """Write the part of the Cobertura format that diff-cover reads, with the paths of this machine."""
    yield f"<coverage><sources><source>{_escaped(str(root))}</source></sources><packages><package><classes>"
    for name, file in measured.items():
        yield f"<class filename={quoteattr(name.replace(chr(92), '/'))}><lines>"
        for hits, key in ((1, "executed_lines"), (0, "missing_lines")):
            for line in file[key]:
                yield f'<line number="{int(line)}" hits="{hits}"/>'
        yield "</lines></class>"
    yield "</classes></package></packages></coverage>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _new_files(stats: Mapping[str, Any], prefix: str) -> Iterator[NewFile]:
    for path, told in stats.items():
        yield NewFile(
            path=path.removeprefix(prefix),
            covered=tuple(told["covered_lines"]),
            missing=tuple(told["violation_lines"]),
        )


def _prefix(root: Path) -> str:
    """Return the project's folder in its repository: diff-cover names files from the top."""
    command = ["git", "rev-parse", "--show-prefix"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=60)
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def unmeasured(config: Config, changed: Iterable[str], measured: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changed source files with code that the report does not know and nobody omitted."""
    known = {name.replace("\\", "/") for name in measured}
    mine = [
        path
        for path in changed
        if path.endswith(".py")
        and path not in known
        and any(matches_path(path, source) for source in config.source)
    ]
    if not mine:
        return
    omitted = omitted_globs(config.root)
    for path in mine:
        if has_code(config.root / path) and not is_omitted(config.root, path, omitted):
            yield path


def has_code(path: Path) -> bool:
    """Tell whether a file has a statement beside its docstring; what cannot be parsed has."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return True
    return any(not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)) for one in body)


def omitted_globs(root: Path) -> Sequence[str]:
    """Return what the project's own coverage settings leave out."""
    from coverage import Coverage
    from coverage.exceptions import CoverageException

    try:
        with contextlib.chdir(root):
            own = Coverage(config_file=True)
    except CoverageException:
        return ()
    told = [own.get_option("run:omit"), own.get_option("report:omit")]
    return [str(glob) for globs in told if isinstance(globs, list | tuple) for glob in globs]


def is_omitted(root: Path, path: str, globs: Sequence[str]) -> bool:
    """Tell whether a glob of coverage's settings leaves out a file.

    https://coverage.readthedocs.io/en/latest/source.html#file-patterns: a pattern that begins with a wildcard
    is matched anywhere, others from the project's root; one that ends with ``/*`` means all below.
    """
    anywhere = f"/{path}"
    return any(
        fnmatch.fnmatchcase(anywhere, glob) if glob.startswith(("*", "?")) else matches_path(path, glob)
        for glob in (glob.removeprefix(f"{root.as_posix()}/") for glob in globs)
    )
