"""Test smells: which rules hold, where, and how much they weigh."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from toolkit.config.validation import unknown

RULES = (
    "TS100", "TS101", "TS102", "TS103", "TS104", "TS105", "TS106",
    "TS107", "TS108", "TS109", "TS110", "TS111", "TS112",
)  # fmt: skip
"""The ids of all rules; what they say is in ``toolkit.smells.rules``."""

Severity = Literal["error", "warning", "note"]


class SmellRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.smells.rules.<id>]``: one rule, such as ``TS102``, for this project."""

    enabled: bool = True
    """Whether the rule is applied."""
    severity: Severity = "warning"
    """Errors and warnings fail the check; notes are only shown."""
    exclude: tuple[str, ...] = ()
    """Globs of paths, relative to the project root, in which the rule is not applied."""
    allow: tuple[str, ...] = ()
    """Patterns of dotted names that the rule is content with, such as ``*.check_*``: for TS101 calls that
    assert, for all others calls that it does not report."""


class Smells(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.smells]``: the check of the tests themselves, ``invoke smells.check``."""

    exclude: tuple[str, ...] = ()
    """Globs of paths, relative to the project root, that are not checked."""
    rules: Mapping[str, SmellRule] = {}

    def rule(self, name: str) -> SmellRule:
        """Return what is set for a rule."""
        return self.rules.get(name, _USUAL)


_USUAL = SmellRule()


def smell_mistakes(smells: Smells) -> list[str]:
    """Return what single fields cannot say: rules that do not exist."""
    wrong = [name for name in smells.rules if name not in RULES]
    return [f"tool.toolkit.smells.rules.{name}: {unknown('rule', name, RULES)}" for name in wrong]
