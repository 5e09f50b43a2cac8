"""Sessions beside the tests: lint, typecheck, audit, docs, build, gates. Each runs all, then judges.

See :mod:`toolkit.sessions.tools` for where the tools come from.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import nox

from toolkit.config import Config
from toolkit.config.needs import read_document
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.sessions.audit import audit
from toolkit.sessions.fuzz import fuzz
from toolkit.sessions.gates import gates
from toolkit.sessions.guarding import guarded
from toolkit.sessions.load import load
from toolkit.sessions.sbom import write_sbom
from toolkit.sessions.tools import install_tools, required_by_rows, run_all, run_side_by_side

Check = Callable[[nox.Session, Config], None]


def lint(session: nox.Session, config: Config) -> None:
    """Check style, format and layers: ruff, ruff format, import-linter, and further tools of the config."""
    install_tools(session, config, "lint", more=required_by_rows(config, "lint"))
    commands = {"ruff check": ["ruff", "check", "."], "ruff format": ["ruff", "format", "--check", "."]}
    if is_configured(config, "importlinter", ".importlinter"):
        commands["lint-imports"] = ["lint-imports"]
    run_side_by_side(session, config, "lint", commands)


def typecheck(session: nox.Session, config: Config) -> None:
    """Check types: mypy, as the project configures it, else strict over its source, and further tools."""
    install_tools(session, config, "typecheck", project=True, more=required_by_rows(config, "typecheck"))
    what = [] if is_configured(config, "mypy", "mypy.ini") else ["--strict", *config.source]
    run_side_by_side(session, config, "typecheck", {"mypy": ["mypy", *what, *session.posargs]})


def docs(session: nox.Session, config: Config) -> None:
    """Build the documentation strictly: a broken link or anchor fails."""
    install_tools(session, config, "docs")
    run_all(session, [docs_command(config)])


def docs_command(config: Config) -> list[str]:
    """Choose the generator by its configuration file: Zensical (it says there where it writes) or MkDocs."""
    if (config.root / "zensical.toml").is_file():
        return ["zensical", "build", "--strict", "--clean"]
    return ["mkdocs", "build", "--strict", "--site-dir", str(config.reports_dir / "docs")]


def build(session: nox.Session, config: Config) -> None:
    """Build source archive and wheel; check what is in them, what an index will show and what comes along."""
    install_tools(session, config, "build")
    folder = Path(session.create_tmp()) / "dist"
    for old in folder.glob("*") if folder.is_dir() else ():
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(folder), str(config.root))
    built = sorted(map(str, folder.glob("*.*")))
    wheels = [path for path in built if path.endswith(".whl")]
    for wheel in wheels:
        write_sbom(session, config, wheel, folder.parent)
    run_all(session, [["twine", "check", "--strict", *built], ["check-wheel-contents", *wheels]])


CHECKS: Mapping[str, Check] = {
    "lint": lint,
    "typecheck": typecheck,
    "audit": audit,
    "docs": docs,
    "build": build,
    "gates": gates,
    "load": load,
    "fuzz": fuzz,
}
"""The sessions this module can declare."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {"gates": {"python": False}}
"""More settings of ``nox.session``: what judges reports needs no environment of its own."""


def add_check_sessions(config: Config, names: Iterable[str] = tuple(CHECKS)) -> None:
    """Declare sessions beside the tests; each works on the Python that runs Nox.

    Args:
        config: from :func:`toolkit.config.load_config`.
        names: of :data:`CHECKS`; all unless named.

    Raises:
        UsageError: a name is not known.
    """
    for name in names:
        if name not in CHECKS:
            raise UsageError(unknown("check", name, CHECKS))
        check = CHECKS[name]
        body = guarded(check, config, name=name, description=check.__doc__ or "")
        nox.session(name=name, tags=["checks"], default=False, **OPTIONS.get(name, {}))(body)


def is_configured(config: Config, table: str, file: str) -> bool:
    """Tell whether the project configures a tool: by its table in pyproject.toml or by a file of its own."""
    return table in read_document(config.root).get("tool", {}) or (config.root / file).is_file()
