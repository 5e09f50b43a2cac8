"""What this project says about itself, and which benchmark measures it, in a full and in a small form."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from benchmarks import evidence_figures
from benchmarks.evidence_figures import Row


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the project says about itself, and how it is measured."""

    name: str
    says: str
    script: str
    full: tuple[str, ...] = ()
    """Arguments; ``{tomlkit}`` and the like become unpacked source archives, ``{histories}`` files."""
    quick: tuple[str, ...] = ()
    lines: bool = False
    """Whether it prints a line of JSON for each row."""
    packages: tuple[str, ...] = ()
    """What the script is compared with; installed for it alone."""
    rows: Callable[[Any], Iterable[Row]]
    """Turns its JSON into the lines of the page."""


CLAIMS = (
    Claim(
        name="selection",
        says="Selection by what tests depend on leaves out no failing test and runs less than everything.",
        script="selection.py",
        full=("tomlkit={tomlkit}", "click={click}", "--mutants", "24", "--json"),
        quick=("tomlkit={tomlkit}", "--mutants", "4", "--json"),
        packages=("pytest-testmon", "pyyaml"),
        rows=evidence_figures.selection,
    ),
    Claim(
        name="balance",
        says="Work is spread evenly over workers and shards; 1.00 cannot be beaten.",
        script="balance.py",
        full=("--project", "click", "tomlkit", "packaging", "--json"),
        quick=("--project", "tomlkit", "--workers", "2", "8", "--json"),
        packages=("pytest-split",),
        rows=evidence_figures.balance,
    ),
    Claim(
        name="prediction",
        says="Tests that are likely to fail run first, and the predicted probabilities are true ones.",
        script="prediction.py",
        full=("{histories}", "--part", "held-out", "--json"),
        quick=("{histories}", "--part", "held-out", "--seeds", "1", "--json"),
        packages=("numpy", "scikit-learn"),
        rows=evidence_figures.prediction,
    ),
    Claim(
        name="speedup",
        says="Workers and selection save time against everything serially in one process.",
        script="speedup.py",
        full=("--json",),
        quick=("--project", "networkx", "--changes", "3", "--repeat", "1", "--json"),
        rows=evidence_figures.speedup,
    ),
    Claim(
        name="flaky",
        says="Flaky tests are found; regressions and outages are not called flaky (simulated).",
        script="flaky.py",
        full=("--json",),
        quick=("--projects", "2", "--tests", "200", "--runs", "100", "--json"),
        rows=evidence_figures.flaky,
    ),
    Claim(
        name="counts",
        says="Third-party projects, unchanged, count the same through the toolkit as with plain pytest.",
        script="third_party.py",
        full=("--json",),
        quick=("--project", "itsdangerous", "--python", "3.12", "--workers", "2", "--json"),
        lines=True,
        rows=evidence_figures.counts,
    ),
    Claim(
        name="adoption",
        says="`toolkit init`, then `nox -s unit`, works in projects of six shapes without a hand edit.",
        script="adoption.py",
        full=("--python", "3.11", "3.12", "3.13", "--json"),
        quick=("--python", "3.12", "--shape", "unittest", "--json"),
        lines=True,
        rows=evidence_figures.adoption,
    ),
    Claim(
        name="plugin",
        says="Having the plugin installed costs next to nothing.",
        script="plugin_import.py",
        full=("--repeat", "25", "--json"),
        quick=("--repeat", "5", "--json"),
        rows=evidence_figures.plugin,
    ),
    Claim(
        name="services",
        says="Real servers are up in fractions of a second, also without Docker.",
        script="services.py",
        full=("--only", "embedded", "--repeat", "7", "--json"),
        quick=("--only", "embedded", "--repeat", "3", "--json"),
        packages=("pytest-postgresql",),
        rows=evidence_figures.services,
    ),
    Claim(
        name="databases",
        says="A database of one's own, with proof of ownership, costs no more than a bare copy.",
        script="databases.py",
        full=("--only", "clone,setup", "--json"),
        quick=("--only", "clone", "--repeat", "3", "--json"),
        packages=("pytest-postgresql",),
        rows=evidence_figures.databases,
    ),
    Claim(
        name="cleanup",
        says="Cleanup never takes a database of a living run, and leaves none of a dead one.",
        script="cleanup_race.py",
        full=("--iterations", "200", "--json"),
        quick=("--iterations", "5", "--json"),
        rows=evidence_figures.cleanup,
    ),
    Claim(
        name="environments",
        says="Many runs on one machine at once, each with its own real servers: none fails, nothing is left.",
        script="concurrency.py",
        full=("--runs", "16", "--json"),
        quick=("--runs", "2", "--json"),
        rows=evidence_figures.environments,
    ),
    Claim(
        name="load",
        says="The sample application answers quickly under its documented load, on real servers.",
        script="sample_api.py",
        full=("--repeat", "5", "--json"),
        quick=("--repeat", "1", "--duration", "10", "--json"),
        rows=evidence_figures.load,
    ),
)
