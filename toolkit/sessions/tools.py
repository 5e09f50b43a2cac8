"""The tools of the sessions beside the tests: where they come from, and how several are run.

They come from a dependency group named as the session; a project without such a group gets defaults.
"""

from collections.abc import Mapping, Sequence

import nox
from nox.command import CommandFailed

from toolkit.config import Config
from toolkit.config.needs import read_document
from toolkit.sessions.guarding import fail
from toolkit.sessions.requirements import group_requirements

DEFAULT_TOOLS: Mapping[str, tuple[str, ...]] = {
    "lint": ("ruff>=0.9", "import-linter>=2.1"),
    "typecheck": ("mypy>=1.14",),
    "audit": ("bandit>=1.8", "pip-audit>=2.8"),
    "docs": ("mkdocs>=1.6", "zensical>=0.0.73"),
    "load": ("locust>=2.32",),
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
    if project:
        arguments += ["-e", "."]
    for file in config.install.constraints:
        arguments += ["-c", file]
    session.install(*arguments)


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
