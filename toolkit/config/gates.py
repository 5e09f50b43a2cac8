"""Gates: what may be merged, what is waived for how long, and what the audit asks."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from toolkit.config.profiles import Count
from toolkit.config.validation import unknown

Milliseconds = Annotated[float, msgspec.Meta(gt=0)]
Advisor = Literal["bandit", "pip-audit", "safety"]
SWITCHES = (
    "coverage",
    "coverage.overall",
    "coverage.critical",
    "coverage.new",
    "performance",
    "performance.absolute",
    "performance.paired",
    "load",
    "security",
    "reliability",
    "reliability.consistency",
    "reliability.flaky",
    "reliability.quarantine",
    "static",
)
"""What ``gates.off`` may name: a gate, or one of its checks."""


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.gates.waivers.<name>]``: findings that do not count until a day is over.

    Only what is counted can be waived (security, benchmarks, flaky tests). A percentage has no waiver: lower
    the threshold, or mark the lines as excluded.
    """

    rule: str
    """The rule or advisory, such as ``B602``, ``CVE-2026-1234`` or ``performance.paired``; ``*`` stands for
    any characters."""
    where: str = "*"
    """The file, package, benchmark or test; ``*`` stands for any characters."""
    reason: str
    """Why, for whoever reads the report."""
    expires: dt.date
    """The last day on which it holds: 2026-12-31, without quotes."""


class Audit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.audit]``: whom the session ``audit`` asks. What did not answer fails."""

    sources: tuple[Advisor, ...] = ("bandit", "pip-audit")
    """Each must have answered: bandit about the code, pip-audit and safety about installed packages."""
    advisories: str = ""
    """Folder with advisories for safety, relative to the project root; empty: its own service."""
    unreachable: Literal["fail", "warn"] = "fail"
    """What the session does when an advisory service did not answer; the security gate fails in any case."""


class Gates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.gates]``: what ``invoke gates.check`` and the session ``gates`` demand.

    The percentages are those of ``[tool.toolkit.thresholds]``.
    """

    off: tuple[str, ...] = ()
    """Gates or checks that are not demanded, such as ``performance`` or ``coverage.new``; the report names
    them all the same."""
    critical_paths: tuple[str, ...] = ()
    """Globs of source files that must reach ``thresholds.coverage_critical`` together: ``src/pay/**``."""
    base: str = ""
    """The revision against which code is new; empty: of the merge request in CI, else the main branch."""
    tiny_diff: Count = 20
    """A diff of fewer measured lines is tiny: one line more or less would be several percent."""
    tiny_missing: Count = 1
    """So many uncovered lines are tolerated in a tiny diff."""
    performance: Milliseconds = 5000.0
    """No benchmark may take longer: milliseconds, by the median of its rounds."""
    budgets: Mapping[str, Milliseconds] = {}
    """Milliseconds for single benchmarks, instead: glob of the name → limit; the first that fits counts."""
    slowdown: Annotated[float, msgspec.Meta(gt=0, lt=1000)] = 2.0
    """A benchmark fails when it is surely slower than the base by more than so many percent."""
    noise: Annotated[float, msgspec.Meta(gt=0, lt=1000)] = 5.0
    """A benchmark whose own noise is above so many percent cannot be judged, and fails."""
    security_critical_max: Count = 0
    """So many critical findings are allowed; an advisory of unknown severity is critical."""
    security_high_max: Count = 0
    """So many findings of high severity are allowed."""
    security_medium_max: Count = 0
    """So many findings of medium severity are allowed."""
    security_low_max: Count | None = None
    """So many findings of low severity are allowed; without it: any number."""
    runs: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Reliability is that of so many newest runs."""
    least_runs: Annotated[int, msgspec.Meta(ge=1)] = 5
    """With fewer runs in the history nothing can be said, and the gate fails."""
    flaky_max: Count = 5
    """So many flaky tests are allowed beside those in quarantine."""
    static: tuple[Literal["lint", "typecheck"], ...] = ()
    """Sessions that must have passed on this very code."""
    live: tuple[Literal["load", "security", "fuzz"], ...] = ()
    """Sessions on the running system whose findings on this very code count: load scenarios, the tests of the
    profile security, schemathesis."""
    waivers: Mapping[str, Waiver] = {}
    """What is tolerated, why, and until when; by a name of your choice."""


def gate_mistakes(gates: Gates) -> list[str]:
    """Return what types cannot say: unknown switches, waivers without a reason."""
    told = [
        f"tool.toolkit.gates.off = {name!r}: {unknown('gate or check', name, SWITCHES)}"
        for name in gates.off
        if name not in SWITCHES
    ]
    for name, waiver in gates.waivers.items():
        empty = [field for field in ("rule", "where", "reason") if not getattr(waiver, field).strip()]
        told += [f"tool.toolkit.gates.waivers.{name}.{field}: must not be empty" for field in empty]
    return told
