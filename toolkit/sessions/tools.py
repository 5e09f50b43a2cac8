"""The tools of the sessions beside the tests: where they come from, and how several are run.

They come from a dependency group named as the session; a project without such a group gets defaults.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import nox
from nox.command import CommandFailed

from toolkit.config import Config
from toolkit.config.needs import read_document
from toolkit.gates.identity import code_identity
from toolkit.gates.static import TOOLS, Ran
from toolkit.reports.writing import place
from toolkit.sessions.guarding import fail
from toolkit.sessions.requirements import group_requirements, installable
from toolkit.sessions.running import exit_code_of

DEFAULT_TOOLS: Mapping[str, tuple[str, ...]] = {
    "lint": ("ruff>=0.9", "import-linter>=2.1"),
    "typecheck": ("mypy>=1.14",),
    "audit": ("bandit>=1.8", "pip-audit>=2.8"),
    "docs": ("mkdocs>=1.6", "zensical>=0.0.73"),
    "load": ("locust>=2.32",),
    "fuzz": ("schemathesis>=4",),
    "build": ("build>=1.2", "twine>=6", "check-wheel-contents>=0.6"),
}
"""What a session installs when the project has no dependency group of its name."""


def install_tools(
    session: nox.Session, config: Config, name: str, *, project: bool = False, more: Sequence[str] = ()
) -> None:
    """Install the tools of a session, pinned by the project's constraints; with the project if asked.

    Args:
        session: gets them, unless it has no environment of its own.
        config: of the project.
        name: of the session and of its dependency group.
        project: whether to install the project, too.
        more: further requirements.
    """
    if session.venv_backend == "none":
        return
    document = read_document(config.root)
    known = name in document.get("dependency-groups", {})
    arguments = list(group_requirements(document, [name]) if known else DEFAULT_TOOLS[name])
    arguments += more
    if project and installable(config.root, document):
        arguments += ["-e", "."]
    for file in config.install.constraints:
        arguments += ["-c", file]
    session.install(*arguments)


def installs_only(session: nox.Session) -> bool:
    """Tell whether Nox runs nothing but installations: then nothing was judged, and nothing is content."""
    return bool(session._runner.global_config.install_only)  # noqa: SLF001 - no public way


def required_by_rows(config: Config, name: str) -> list[str]:
    """Return what the rows of ``[tool.toolkit.tools]`` for a session need."""
    return [package for tool in config.tools.values() if tool.session == name for package in tool.requires]


def row_commands(config: Config, name: str) -> dict[str, list[str]]:
    """Return the commands of the rows for a session; each place in braces becomes the words it stands for."""
    places = {
        "{source}": list(config.source),
        "{tests}": [folder for folder in config.tests if (config.root / folder).exists()],
        "{reports}": [f"{config.reports}/{name}"],
    }
    return {
        label: [part for word in tool.command for part in places.get(word, [_with_reports(word, places)])]
        for label, tool in config.tools.items()
        if tool.session == name
    }


def _with_reports(word: str, places: Mapping[str, Sequence[str]]) -> str:
    return word.replace("{reports}", places["{reports}"][0])


def run_side_by_side(
    session: nox.Session, config: Config, name: str, commands: Mapping[str, Sequence[str]]
) -> None:
    """Run the session's own tools and the rows of the configuration at once; fail if any found something.

    What each printed is shown in turn and kept in ``reports/<session>/<tool>.txt``; how each ended in
    ``tools.json`` there, which ``gates.static`` reads. Not of a session with arguments of its own: they may
    have chosen a single file.
    """
    if installs_only(session):
        return
    commands = {**commands, **row_commands(config, name)}
    folder = config.reports_dir / name
    judged = begin_judged(config, name)

    def run_one(label: str) -> int:
        with report_of(folder, label).open("w", encoding="utf-8") as stream:
            try:
                session.run(*commands[label], env={"PYTHONDONTWRITEBYTECODE": None}, stdout=stream)
            except CommandFailed as error:
                return exit_code_of(error)
        return 0

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        codes = dict(zip(commands, pool.map(run_one, commands), strict=True))
    for label, code in codes.items():
        session.log("%s: %s", label, f"exit code {code}" if code else "content")
        sys.stdout.write(report_of(folder, label).read_text(encoding="utf-8", errors="backslashreplace"))
    sys.stdout.flush()
    if not session.posargs:
        leave_judged(config, name, judged, codes)
    failed = [label for label, code in codes.items() if code]
    if failed:
        fail(session, f"failed: {', '.join(failed)}")


def begin_judged(config: Config, name: str) -> tuple[str, str]:
    """Forget how a session ended the last time, and return which code it is about to judge."""
    folder = config.reports_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TOOLS).unlink(missing_ok=True)
    return code_identity(config)


def leave_judged(config: Config, name: str, code: tuple[str, str], exit_codes: Mapping[str, int]) -> None:
    """Write how the tools of a session ended, and on which code, for the gates.

    Raises:
        ToolkitError: the file cannot be written.
    """
    ran = Ran(session=name, head=code[0], state=code[1], exit_codes=dict(exit_codes))
    encoded = msgspec.json.format(msgspec.json.encode(ran), indent=2).decode()
    place(config.reports_dir / name / TOOLS, [encoded, "\n"])


def report_of(folder: Path, label: str) -> Path:
    """Return where the output of a tool is kept."""
    return folder / f"{label.replace(' ', '-')}.txt"


def run_all(session: nox.Session, commands: Sequence[Sequence[str]]) -> None:
    """Run every command although one fails, so that all findings show; fail if any did."""
    failed = []
    for command in commands:
        try:
            session.run(*command, env={"PYTHONDONTWRITEBYTECODE": None})
        except CommandFailed:
            failed.append(" ".join(command[:2]))
    if failed:
        fail(session, f"failed: {', '.join(failed)}")
