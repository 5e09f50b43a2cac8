"""The texts that adoption writes: a noxfile, a tasks file, one table; and, on request, a layout of tests."""

from collections.abc import Mapping
from typing import Any

from toolkit.adopt.layout import top_of
from toolkit.adopt.proposal import Proposal
from toolkit.config.needs import find_test_requirements, read_document
from toolkit.errors import MissingExtra

NOXFILE = """\
# /// script
# dependencies = ["nox>=2025.5.1", "nox-invoke-toolkit"]
# ///
import nox
from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions

nox.options.default_venv_backend = "uv|virtualenv"
add_profile_sessions(load_config())
"""

TASKS = """\
from toolkit.tasks import ns

__all__ = ["ns"]
"""


def table_text(proposal: Proposal, *, layout: bool = False) -> str:
    """Write the ``[tool.toolkit]`` table as TOML: only what the sessions would not find by themselves.

    Args:
        proposal: what was found.
        layout: whether the full layout of tests is written, too.

    Raises:
        MissingExtra: tomlkit is not installed.
    """
    try:
        import tomlkit
    except ImportError as error:
        raise MissingExtra("writing the table", extra="control", package="tomlkit") from error
    table = tomlkit.table()
    for key, value in settings(proposal, layout=layout).items():
        _put(tomlkit, table, key, value)
    document = tomlkit.document()
    document["tool"] = tomlkit.table(is_super_table=True).append("toolkit", table)
    return tomlkit.dumps(document)


def _put(tomlkit: Any, table: Any, key: str, value: object) -> None:
    """Add one setting; a table becomes dotted keys, so that all stays one table."""
    path = tomlkit.key(key.split(".")) if "." in key else key
    table.append(path, tomlkit.item(_inline(tomlkit, value)))


def _inline(tomlkit: Any, value: object) -> Any:
    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline
    return list(value) if isinstance(value, tuple) else value


def settings(proposal: Proposal, *, layout: bool = False) -> dict[str, object]:
    """Return the settings to write: dotted key → value."""
    found = proposal.layout
    rows: dict[str, object] = {"pythons": proposal.pythons, "source": found.source}
    rows["tests"] = _tests(proposal, layout=layout)
    if found.discovered:
        rows["reports"] = "build/reports"  # a folder "reports" would be taken for a second package
    rows["folders"] = {
        **proposal.folders,
        **({f"tests/{kind}": kind for kind in LAYOUT_KINDS} if layout else {}),
    }
    rows["markers"] = proposal.markers
    rows.update(_install(proposal))
    rows.update(_services(proposal))
    if proposal.run_doctests:
        rows["profiles.unit.arguments"] = ("--doctest-modules",)
    elif _same_names(proposal):
        rows["profiles.unit.arguments"] = ("--import-mode=importlib",)
    return {key: value for key, value in rows.items() if value}


def _tests(proposal: Proposal, *, layout: bool) -> tuple[str, ...]:
    found = proposal.layout
    tests = found.tests or (found.source if proposal.run_doctests else ())
    return tuple(dict.fromkeys((*tests, *(("tests",) if layout else ()))))


def _install(proposal: Proposal) -> dict[str, object]:
    """Return what to install that the sessions do not find by themselves."""
    needs = proposal.needs
    rows: dict[str, object] = {"install.members": proposal.layout.members}
    if not _found_anyway(proposal):
        rows |= {"install.extras": needs.extras, "install.groups": needs.groups}
        rows |= {"install.requirements": needs.requirements, "install.requires": needs.requires}
    return rows


def _found_anyway(proposal: Proposal) -> bool:
    needs, root = proposal.needs, proposal.layout.root
    found = find_test_requirements(root, read_document(root))
    return not needs.requires and (needs.extras, needs.groups, needs.requirements) == found


def _services(proposal: Proposal) -> dict[str, object]:
    rows: dict[str, object] = {}
    for server in proposal.servers:
        if server.kind == "nats":
            rows[f"services.{server.name}.kind"] = "nats"
        rows[f"services.{server.name}.image"] = server.image
        rows[f"services.{server.name}.variable"] = server.variable
    rows["profiles.integration.services"] = tuple(dict.fromkeys(server.name for server in proposal.servers))
    return rows


def _same_names(proposal: Proposal) -> bool:
    """Tell whether test modules of two projects have one name: pytest then must import otherwise."""
    if not proposal.layout.members or any("import-mode" in word for word in proposal.layout.pytest.addopts):
        return False
    tops = {top_of(proposal.layout.root / file) for file in proposal.layout.files}
    modules = [path.name for path in tops if path.suffix == ".py"]
    return len(modules) != len(set(modules))


LAYOUT_KINDS = {
    "unit": "one unit, without services; most tests are here",
    "integration": "real services: database, cache, queue; they are up while the profile runs",
    "e2e": "the whole application, from outside",
    "smoke": "the few that must always pass, also against a deployed application",
    "contract": "what this project and its neighbours promise each other",
    "performance": "measured, one at a time, nothing beside them",
    "security": "attacks on the application",
    "chaos": "services are broken on purpose",
}
"""Folder of the full layout → what belongs there."""

_SCENARIOS = """\
# Data scenarios

One YAML file each; a test with `@pytest.mark.scenario("name")` finds its rows in the database, and they are
gone afterwards. `invoke data.validate` checks all files, `invoke data.preview NAME` shows the rows.
"""

_SCHEMAS = """\
# Schemas and migrations

SQL files from which the template of the test databases is made, once for each version of the files:

```toml
[tool.toolkit.databases]
migrations = "tests/data/schemas"
```

A project that uses Alembic names its file instead: `alembic = "alembic.ini"`.
"""

_ENVIRONMENTS = """\
# Environments

Named sets of services stand in `[tool.toolkit.environments]`; `invoke services.up NAME` brings one up and
`invoke services.status` shows it. What differs between places (local, ci, staging) stands in
`[tool.toolkit.overlays]`.
"""


def layout_files(proposal: Proposal) -> dict[str, str]:
    """Return the files of the full layout of tests: path → text. Each folder says what belongs there."""
    files = {
        f"tests/{kind}/README.md": f"# {kind}\n\n{text.capitalize()}.\n"
        for kind, text in LAYOUT_KINDS.items()
    }
    files["tests/data/scenarios/README.md"] = _SCENARIOS
    files["tests/data/schemas/README.md"] = _SCHEMAS
    files["tests/environments/README.md"] = _ENVIRONMENTS
    package = _package(proposal)
    if package:
        files[f"tests/smoke/test_smoke_{package}.py"] = (
            f'"""The package can be imported: what every other test needs."""\n\nimport importlib\n\n\n'
            f"def test_{package}_can_be_imported() -> None:\n"
            f'    assert importlib.import_module("{package}").__name__ == "{package}"\n'
        )
    return files


def _package(proposal: Proposal) -> str:
    """Return the name under which the code is imported; empty: not known."""
    for place in proposal.layout.source:
        folder = proposal.layout.root / place
        if (folder / "__init__.py").is_file():
            return folder.name
        inside = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
        if inside:
            return inside[0]
        if folder.suffix == ".py" and folder.is_file():
            return folder.stem
    return ""
