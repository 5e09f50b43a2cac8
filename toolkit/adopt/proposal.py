"""What adoption would change in a project: everything that was found, as one value."""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolkit.adopt.known import KNOWN_MARKERS
from toolkit.adopt.layout import Layout, find_files, read_layout, top_of
from toolkit.adopt.needs import Needs, Used, declared_names, find_needs, read_used
from toolkit.adopt.surroundings import Server, find_servers
from toolkit.config.loading import SUPPORTED_PYTHONS
from toolkit.config.needs import find_test_requirements, read_document
from toolkit.config.services import VARIABLES
from toolkit.errors import ConfigError
from toolkit.markers import KINDS, MARKERS

PYTEST_MARKERS = frozenset(
    {"parametrize", "skip", "skipif", "xfail", "usefixtures", "filterwarnings", "tryfirst", "trylast"}
)
"""Markers of pytest itself."""

OUR_MARKERS = frozenset({"timeout", "xdist_group"})
"""Markers of the plugins that every session installs."""

FOLDER_MARKERS = {
    **{kind: kind for kind in KINDS},
    "smoke": "smoke",
    "slow": "slow",
    "functional": "integration",
    "acceptance": "e2e",
    "end_to_end": "e2e",
    "benchmarks": "performance",
    "perf": "performance",
}
"""Name of a folder of tests → the marker that its tests get."""

MANY = 400
"""Test files whose syntax is read; the first ones of a larger project show what it uses."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what is concluded from it."""

    layout: Layout
    needs: Needs
    servers: tuple[Server, ...]
    folders: Mapping[str, str]
    """Folder of tests → marker, where the tests bear no marker of a kind."""
    markers: Mapping[str, str]
    """Markers that tests bear and nobody registers → description."""
    doctests: int
    """Doctests in the code, counted by their first line."""
    run_doctests: bool
    """Whether pytest must be told to run them: there are no other tests."""
    clashes: tuple[str, ...]
    """Packages of tests that bear one name in several places: one process can import only one of them."""
    pythons: tuple[str, ...]
    """What is to be written; empty: the metadata of the project say it."""


def propose(root: Path, installed: Iterable[str] = ()) -> Proposal:
    """Look at a project and conclude how the toolkit fits. Nothing is written, nothing of it is executed.

    Args:
        root: the project's folder, absolute.
        installed: Pythons of this machine, such as "3.12"; written where the metadata name none.

    Raises:
        ConfigError: its pyproject.toml is no TOML.
    """
    try:
        document = read_document(root)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{root / 'pyproject.toml'}: not valid TOML: {error}") from error
    layout = read_layout(root, document)
    texts = [root / file for file in (*layout.files, *_conftests(layout))][:MANY]
    used = read_used(texts)
    code = list(_code(layout))
    doctests = sum(path.read_bytes().count(b">>> ") for path in code)
    local, also = _local_modules(layout), _of_members(layout)
    needs = find_needs(root, document, layout.pytest, used, local=local, also=also)
    return Proposal(
        layout=layout,
        needs=needs,
        servers=find_servers(root, [*code, *texts]),
        folders=find_folders(layout, used),
        markers=find_markers(layout, used),
        doctests=doctests,
        clashes=find_clashes(layout),
        run_doctests=bool(doctests) and not layout.tests and "--doctest-modules" not in layout.pytest.addopts,
        pythons=() if layout.pythons else _usable(installed),
    )


def _usable(installed: Iterable[str]) -> tuple[str, ...]:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = set(installed) | {here}
    return tuple(version for version in SUPPORTED_PYTHONS if version in found)


def _of_members(layout: Layout) -> frozenset[str]:
    """Return the names of all that the members declare: it is installed with them."""
    names: set[str] = set()
    for member in layout.members:
        folder = layout.root / member
        document = read_document(folder)
        extras, groups, files = find_test_requirements(folder, document)
        found = Needs(extras=extras, groups=groups, requirements=files)
        names |= declared_names(folder, document, found)
    return frozenset(names)


def _conftests(layout: Layout) -> Iterator[str]:
    for place in layout.tests:
        folder = layout.root / place
        if folder.is_dir():
            yield from (
                path.relative_to(layout.root).as_posix() for path in sorted(folder.rglob("conftest.py"))
            )


def _code(layout: Layout) -> Iterator[Path]:
    """Yield the Python files of the code under test."""
    for place in layout.source:
        path = layout.root / place
        yield from [path] if path.is_file() else (path / name for name in find_files(path, ["*.py"]))


def _local_modules(layout: Layout) -> frozenset[str]:
    """Return the names under which modules of the project itself are imported."""
    names = {layout.project.replace("-", "_").lower(), "tests", "test", "conftest"}
    for place in (".", "src", *layout.source, *layout.tests, *layout.members):
        folder = layout.root / place
        names.update(path.stem for path in folder.glob("*.py"))
        names.update(path.name for path in folder.glob("*") if path.is_dir())
        names.add(folder.stem)
    for file in layout.files:
        names.update(Path(file).with_suffix("").parts)
    return frozenset(names)


def find_folders(layout: Layout, used: Used) -> dict[str, str]:
    """Return which folders of tests mean which marker; none where tests bear markers of a kind."""
    if used.markers.intersection(KINDS):
        return {}
    found: dict[str, str] = {}
    for file in layout.files:
        parts = file.split("/")[:-1]
        for depth, name in enumerate(parts, start=1):
            folder = "/".join(parts[:depth])
            inside = any(folder == place or folder.startswith(f"{place}/") for place in layout.tests)
            if inside and depth > 1 and name in FOLDER_MARKERS:
                found.setdefault(folder, FOLDER_MARKERS[name])
    return dict(sorted(found.items()))


def find_markers(layout: Layout, used: Used) -> dict[str, str]:
    """Return markers that nobody registers: with strict markers pytest would refuse such tests."""
    known = {name.split("(")[0] for name in MARKERS} | PYTEST_MARKERS | OUR_MARKERS | KNOWN_MARKERS.keys()
    left = used.markers - known - set(layout.pytest.markers)
    return dict.fromkeys(sorted(left), "used by tests of this project")


def find_clashes(layout: Layout) -> tuple[str, ...]:
    """Return the names of test packages that are in several places: their tests do not run together."""
    places = {top_of(layout.root / file) for file in layout.files}
    names = [path.name for path in places if path.suffix != ".py"]
    return tuple(sorted({name for name in names if names.count(name) > 1}))


def pretty_summary(proposal: Proposal) -> list[tuple[str, str]]:
    """Return what was found as pairs of a word and a line, for people."""
    layout, needs = proposal.layout, proposal.needs
    tests = f"{', '.join(layout.tests) or 'none found'} ({_counted(len(layout.files), 'file')})"
    rows = [
        ("project", f"{layout.project}, {_shape(layout)}, installed by {layout.manager}"),
        ("code", ", ".join(layout.source) or "none found: sessions take what the metadata say"),
        (
            "tests",
            tests + (f", {proposal.doctests} lines of doctests in the code" if proposal.doctests else ""),
        ),
        ("pytest", layout.pytest.file or "not configured"),
        (
            "pythons",
            ", ".join(layout.pythons) or f"not said by the project; {', '.join(proposal.pythons)} written",
        ),
        ("needs", "; ".join(_needs_lines(needs)) or "nothing but the project"),
        ("members", ", ".join(layout.members)),
        ("servers", "; ".join(f"{each.name} ({each.why})" for each in proposal.servers)),
        ("also read", "; ".join(_also_read(proposal.servers))),
        ("folders", ", ".join(f"{folder} → {marker}" for folder, marker in proposal.folders.items())),
        ("markers", ", ".join(proposal.markers)),
        ("unclear", _unclear(needs)),
        ("clashes", _clashes(proposal.clashes)),
    ]
    return [(word, line) for word, line in rows if line]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shape(layout: Layout) -> str:
    words: dict[str, Any] = {
        "src": "src layout",
        "flat": "flat layout",
        "monorepo": f"{len(layout.members)} more projects in it",
        "none": "no package found",
    }
    return str(words[layout.shape])


def _needs_lines(needs: Needs) -> list[str]:
    return [
        *(f"extra {name}" for name in needs.extras),
        *(f"group {name}" for name in needs.groups),
        *needs.requirements,
        *needs.requires,
    ]


def _also_read(servers: Iterable[Server]) -> Iterator[str]:
    """Yield what is to be decided by people: variables that code reads and no service sets."""
    for server in servers:
        chosen = server.variable or VARIABLES[server.kind]
        for variable, where in server.others.items():
            yield (
                f"{where} takes {variable}, service {server.name} sets {chosen}: if they mean one server, "
                f"set the one from the other in conftest.py; if two, add a service: "
                f'services.NAME = {{kind = "{server.kind}", variable = "{variable}"}}'
            )


def _clashes(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    told = f"packages named {', '.join(names)} are in several places, and one process can import only one"
    return f"{told}: remove their __init__.py, or give each member a profile with its own `paths`"


def _unclear(needs: Needs) -> str:
    if not needs.unclear:
        return ""
    names = ", ".join(needs.unclear)
    return f"tests import {names}: nothing declares it; if a test misses it, add it to install.requires"
