"""Why a test runs or does not, with everything that it depends on."""

import msgspec

from toolkit.errors import UsageError
from toolkit.impact.session import ImpactSession
from toolkit.records import NodeId


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to "why"."""

    test: NodeId
    selected: bool
    cause: str
    why: str
    changed: tuple[str, ...] = ()
    """Inputs that are not as they were when the test was recorded."""
    outcomes: str = ""
    """Last outcomes, oldest first, one letter each: see ``toolkit.impact.inputs.LETTERS``."""
    depends_on: dict[str, list[str]] = {}
    """Kind of input → names."""


def explain(session: ImpactSession, test: NodeId, *, reference: str = "") -> Explanation:
    """Explain the verdict about one test.

    Raises:
        UsageError: the test is not recorded; names the nearest that are.
    """
    selection = session.plan(reference=reference)
    verdict = selection.verdicts.get(test)
    if verdict is None:
        from toolkit.config.validation import nearest

        raise UsageError(
            f"{test!r} is not recorded{nearest(test, selection.verdicts)}: it runs",
            hint="give the node id as pytest prints it",
        )
    inputs = session.store.inputs_of(session.environment, test)
    depends_on: dict[str, list[str]] = {}
    for _number, item, _fingerprint in inputs:
        name = f"{item.name}::{item.unit}" if item.kind == "function" else item.name or item.unit
        depends_on.setdefault(item.kind, []).append(name)
    return Explanation(
        test=test,
        selected=verdict.selected,
        cause=verdict.cause,
        why=str(verdict),
        changed=tuple(sorted(map(str, session.changed_inputs(test)))),
        outcomes=session.store.tests(session.environment)[test].outcomes,
        depends_on={kind: sorted(names) for kind, names in sorted(depends_on.items())},
    )
