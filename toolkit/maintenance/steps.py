"""The vocabulary of maintenance: a step, what it did, and several steps of which one may fail."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from toolkit.errors import ToolkitError

State = Literal["done", "nothing", "attention", "skipped", "failed"]
"""``done``: something was removed or changed (in a dry run: would be). ``nothing``: there was nothing to do.
``attention``: somebody should look. ``skipped``: it cannot be done here, which is no fault. ``failed``: it
should have worked."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a step did, found, or left alone."""

    what: str
    action: str
    """``remove``, ``keep``, ``upgrade``, ``look`` …: what is done to it; in a dry run, what would be."""
    why: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a step came to."""

    state: State
    summary: str
    items: tuple[Item, ...] = ()


class StepReport(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the report."""

    name: str
    state: State
    summary: str
    items: tuple[Item, ...] = ()
    seconds: float = 0.0


class Maintained(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run of maintenance."""

    project: str
    started: float
    dry_run: bool
    steps: tuple[StepReport, ...]

    @property
    def exit_code(self) -> int:
        """4: a step failed; 1: something needs attention; 0: all is well."""
        states = {step.state for step in self.steps}
        return 4 if "failed" in states else int("attention" in states)


Step = Callable[[], Outcome]


class Skip(ToolkitError):
    """A step cannot be done here, which is no fault: no server is up, no history is there."""


def run_steps(
    steps: Iterable[str], ways: Mapping[str, Step], say: Callable[[StepReport], None]
) -> list[StepReport]:
    """Run steps in order; one that fails does not stop the others.

    Args:
        steps: their names.
        ways: how each is done.
        say: is told each as soon as it has ended.
    """
    done: list[StepReport] = []
    for name in steps:
        before = time.monotonic()
        outcome = _outcome(ways[name])
        report = StepReport(
            name=name,
            state=outcome.state,
            summary=outcome.summary,
            items=outcome.items,
            seconds=round(time.monotonic() - before, 3),
        )
        done.append(report)
        say(report)
    return done


def _outcome(step: Step) -> Outcome:
    try:
        return step()
    except Skip as error:
        return Outcome(state="skipped", summary=str(error))
    except ToolkitError as error:
        return Outcome(state="failed", summary=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other steps go on, and the report names it
        return Outcome(state="failed", summary=f"{type(error).__name__}: {error}")
