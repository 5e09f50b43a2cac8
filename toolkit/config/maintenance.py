"""Maintenance: how old what may become, and which steps the weekly run has."""

from typing import Annotated

import msgspec

from toolkit.config.validation import unknown

STEPS = (
    "artifacts", "upgrades", "smells", "coverage", "inventory", "slow", "collection",
    "databases", "services", "history",
)  # fmt: skip
"""The steps of ``invoke maintenance.weekly``, in their order."""

Days = Annotated[float, msgspec.Meta(ge=0)]


class Maintenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.maintenance]``: what ``invoke maintenance.weekly`` does."""

    steps: tuple[str, ...] = STEPS
    """The steps, in this order."""
    days: Days = 7.0
    """Journals of runs, data files of coverage and other temporary files go when they are older."""
    report_days: Days = 30.0
    """Reports go when they are older."""
    temporary: tuple[str, ...] = ()
    """More folders with temporary files, relative to the project root, such as ``build/output``."""
    history_days: Days = 365.0
    """Runs go from the history when they are older; 0: never."""
    slow: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """A test is called slow when it typically takes more seconds."""


def maintenance_mistakes(maintenance: Maintenance) -> list[str]:
    """Return what single fields cannot say: steps that do not exist, folders outside the project."""
    where = "tool.toolkit.maintenance"
    wrong = [
        f"{where}.steps: {unknown('step', name, STEPS)}" for name in maintenance.steps if name not in STEPS
    ]
    outside = [
        f"{where}.temporary = {folder!r}: expected a folder inside the project, without '..'"
        for folder in maintenance.temporary
        if folder.startswith(("/", "\\"))
        or ".." in folder.replace("\\", "/").split("/")
        or not folder.strip("./")
    ]
    return [*wrong, *outside]
