"""The whole configuration as frozen types."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from toolkit.config.ci import Ci
from toolkit.config.databases import Databases
from toolkit.config.gates import Audit, Gates
from toolkit.config.maintenance import Maintenance
from toolkit.config.pipeline import Notifications, Pipeline
from toolkit.config.profiles import Percent, Profile
from toolkit.config.services import Service, ServiceSet
from toolkit.config.smells import Smells
from toolkit.config.tools import Tool

Version = Annotated[str, msgspec.Meta(pattern=r"^(?:\d+\.\d+t?|pypy\d*\.?\d+)$")]
EnvironmentName = Literal["local", "ci", "staging"]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.thresholds]``: what may be merged, in percent."""

    coverage: Percent = 90.0
    """Of the whole project."""
    coverage_critical: Percent = 95.0
    """Of critical paths."""
    coverage_new: Percent = 100.0
    """Of lines that are new or changed."""
    reliability: Percent = 95.0
    """Of runs in which no test contradicted another result of itself on the same code."""


class Ceiling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.ceiling]``: what the tests of a parallel run may need together.

    A test that would pass it, going by earlier runs, waits; one that never fits runs alone.
    """

    memory: Annotated[int, msgspec.Meta(ge=1)] = 2048
    """Megabytes of all worker processes."""
    cpu: Annotated[float, msgspec.Meta(gt=0, le=100)] = 80.0
    """Percent of the cores that tests with threads or processes of their own may keep busy."""


class Install(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.install]``: how a session installs the project under test."""

    project: bool = True
    """Whether the project itself is installed; false for a tree that is only put on the path."""
    editable: bool = True
    """Whether changes of the source are seen without installing again."""
    extras: tuple[str, ...] = ()
    """Extras of the project."""
    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735). Where extras, groups, requires and requirements are all empty, what bears
    the name of the tests is used, then what bears that of the developers: a group, an extra, a file."""
    requires: tuple[str, ...] = ()
    """More packages, as requirement strings."""
    requirements: tuple[str, ...] = ()
    """Requirement files, relative to the project root."""
    constraints: tuple[str, ...] = ()
    """Constraint files, relative to the project root."""
    members: tuple[str, ...] = ()
    """Folders of more projects in this repository, each with a pyproject.toml or setup.py: installed like the
    project, with what their own tests need."""


class Impact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.impact]``: when ``--impacted`` runs everything all the same."""

    main: tuple[str, ...] = ("main", "master")
    """Branches on which CI runs everything."""
    every: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Every so many runs all tests run; 0: never for this reason."""
    days: Annotated[float, msgspec.Meta(ge=0)] = 7.0
    """Everything runs when it did not for so many days; 0: never for this reason."""
    retrace: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Share of the tests that are traced when everything runs although nothing changed for them; 1: all."""


class Flaky(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.flaky]``: how flaky tests are kept from failing the build, and for how long."""

    quarantine: str = "quarantine.toml"
    """The file that names the tests in quarantine, relative to the project root."""
    cap: Annotated[int, msgspec.Meta(ge=0)] = 20
    """At most so many tests may be in quarantine."""
    days: Annotated[int, msgspec.Meta(ge=1)] = 30
    """So long a test stays in quarantine unless another end is given."""
    stable: Annotated[float, msgspec.Meta(gt=0, lt=100)] = 5.0
    """A test is stable again when it fails in less than so many percent of runs, with 95 % confidence."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit]``, complete: every default filled in, overlays applied.

    ``root``, ``environment`` and ``project`` are found, not written in the table.
    """

    root: Path = Path()
    environment: EnvironmentName = "local"
    project: str = ""
    source: tuple[str, ...] = ()
    """Folders of the code under test, for coverage and selection; empty: detected."""
    tests: tuple[str, ...] = ("tests",)
    """Folders and files with tests."""
    pythons: tuple[Version, ...] = ()
    """Pythons to test on; empty: from the classifiers and requires-python."""
    profiles: Mapping[str, Profile] = {}
    markers: Mapping[str, str] = {}
    """The project's own markers: name → description."""
    folders: Mapping[str, str] = {}
    """Folder of tests, relative to the project root → the marker that its tests get, unless a test bears a
    marker of a kind itself; the innermost folder decides: ``{"tests/integration" = "integration"}``."""
    strict: bool = True
    """Whether pytest refuses markers and configuration keys that nobody registered."""
    reports: str = "reports"
    """Folder that every report is written to."""
    state: str = ".toolkit"
    """Folder of journals, history and caches; not for version control."""
    history: str = ""
    """A PostgreSQL URL or the path of an SQLite file; empty: ``<state>/history.sqlite``."""
    thresholds: Thresholds = Thresholds()
    ceiling: Ceiling = Ceiling()
    install: Install = Install()
    services: Mapping[str, Service] = {}
    """Real servers by name; the built-in ones are always there."""
    environments: Mapping[str, ServiceSet] = {}
    """Named sets of services."""
    databases: Databases = Databases()
    scenarios: str = "tests/data/scenarios"
    """Folder of the data scenarios, as YAML files."""
    chaos: str = "tests/data/chaos"
    """Folder of the chaos scenarios, as TOML files."""
    load: str = "tests/data/load"
    """Folder of the load scenarios, as TOML files."""
    impact: Impact = Impact()
    flaky: Flaky = Flaky()
    pipeline: Pipeline = Pipeline()
    notifications: Notifications = Notifications()
    smells: Smells = Smells()
    maintenance: Maintenance = Maintenance()
    gates: Gates = Gates()
    audit: Audit = Audit()
    tools: Mapping[str, Tool] = {}
    """Further tools of the sessions lint and typecheck, by name."""
    ci: Ci = Ci()

    @property
    def reports_dir(self) -> Path:
        """Absolute folder of the reports."""
        return self.root / self.reports

    @property
    def state_dir(self) -> Path:
        """Absolute folder of journals, history and caches."""
        return self.root / self.state

    @property
    def history_url(self) -> str:
        """A PostgreSQL URL, or the absolute path of the SQLite file."""
        if re.match(r"postgres(ql)?://", self.history):
            return self.history
        return str(self.root / (self.history or f"{self.state}/history.sqlite"))


FOUND_FIELDS = frozenset({"root", "environment", "project"})
"""Fields of Config that a table must not contain."""
