"""The causes of a failure, ranked: every rule is tried on every exception of the chain.

The weight of a rule is the share of cases in which it is right where it holds. An exception that was being
handled when another one came up counts less than one that was named as the cause (PEP 3134); of equally good
answers the one nearer to the root wins. A failed check is a failed check, whatever words its message has,
unless it was raised from a failure of the surroundings.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from toolkit.analysis import rules_code, rules_machine, rules_processes, rules_servers, rules_tests
from toolkit.analysis.raised import Raised
from toolkit.analysis.rules import ENVIRONMENTAL, Category, Found, Rule, apply, is_assertion
from toolkit.records import Phase

RULES: tuple[Rule, ...] = (
    *rules_tests.RULES,
    *rules_processes.RULES,
    *rules_machine.RULES,
    *rules_servers.RULES,
    *rules_code.RULES,
)
"""The whole table, in the order in which rules of the same weight win."""

MOST = 5
"""So many causes are kept."""

_HANDLED = 0.9
_NEARER_ROOT = 0.004
_OVERRULED = 0.75
_SPECIFIC = 0.8


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One explanation of a failure."""

    rule: str
    category: Category
    cause: str  # a sentence, with the thing at fault where the text names it
    confidence: float  # 0 to 1
    evidence: str  # the very text that speaks for it
    what: str = ""
    shared: bool = False


def causes_of(chain: Sequence[Raised], *, phase: Phase = "call") -> tuple[Cause, ...]:
    """Rank what may be behind a failure, best first; there is always one.

    Args:
        chain: what was raised, see :func:`toolkit.analysis.raised.chain_of`.
        phase: where the test was when it happened.
    """
    found = [cause for depth, raised in enumerate(chain) for cause in _of(raised, depth, chain)]
    found.sort(key=lambda cause: -cause.confidence)
    ranked = _in_phase(list(_distinct(found)), chain[0], phase)
    return tuple(_rounded(cause) for cause in ranked[:MOST])


def _of(raised: Raised, depth: int, chain: Sequence[Raised]) -> Iterator[Cause]:
    factor = _HANDLED if raised.link == "context" else 1.0
    for rule in RULES:
        hit = apply(rule, raised)
        if hit is None:
            continue
        factor_here = factor * _says(rule, raised, depth, chain)
        yield _cause(rule, hit, min(rule.weight * factor_here + _NEARER_ROOT * depth * (depth < MOST), 0.99))


def _says(rule: Rule, raised: Raised, depth: int, chain: Sequence[Raised]) -> float:
    """How much a rule counts where the final exception is a failed check."""
    final = chain[0]
    if not is_assertion(final):
        return 1.0
    if depth:
        return 1.0 if rule.category in ENVIRONMENTAL and _reaches(final, raised) else 0.4
    behind = (
        other
        for other in chain[1:]
        if _reaches(final, other)
        and any(r.category in ENVIRONMENTAL and r.weight >= _SPECIFIC and apply(r, other) for r in RULES)
    )
    return _OVERRULED if rule.category is Category.ASSERTION and next(behind, None) else 1.0


_COMPARED = re.compile(
    r"^assert (?!False\b|0\b|None\b)| [!=<>]= |\bDID NOT RAISE\b|^E +assert (?!False|0\b)", re.MULTILINE
)


def _reaches(final: Raised, behind: Raised) -> bool:
    """Whether a check failed because of another exception: raised from it, or reported instead of it."""
    return behind.link == "cause" or not _COMPARED.search(final.message)


def _cause(rule: Rule, hit: Found, confidence: float) -> Cause:
    what = hit.what.strip("\"'`")
    return Cause(
        rule=rule.name,
        category=rule.category,
        cause=f"{rule.cause}: {what}" if what else rule.cause,
        confidence=confidence,
        evidence=hit.evidence,
        what=what,
        shared=rule.shared,
    )


def _distinct(found: list[Cause]) -> Iterator[Cause]:
    """Keep the best of those that tell a person the same."""
    seen: set[str] = set()
    for cause in found:
        plain = cause.cause.removesuffix(f": {cause.what}")
        if plain not in seen:
            seen.add(plain)
            yield cause


_GENERIC = frozenset({Category.CODE_ERROR, Category.ASSERTION})
_BROKEN: dict[Phase, tuple[str, Category, str]] = {
    "setup": ("fixture-broken", Category.FIXTURE_SETUP, "a fixture failed before the test began"),
    "teardown": ("fixture-teardown", Category.FIXTURE_SETUP, "a fixture failed while it cleaned up"),
    "collect": ("collection", Category.IMPORT_ERROR, "the module could not be imported to collect its tests"),
}


def _in_phase(ranked: list[Cause], final: Raised, phase: Phase) -> list[Cause]:
    """Blame the fixture, or the module, for what is nothing more special in its code."""
    best = ranked[0]
    if phase not in _BROKEN or best.category not in _GENERIC:
        return ranked
    if phase == "teardown" and best.category is Category.ASSERTION:
        return ranked
    rule, category, told = _BROKEN[phase]
    blamed = Cause(
        rule=rule,
        category=category,
        cause=f"{told}: {final.short}" if final.short else told,
        confidence=0.9,
        evidence=best.evidence,
        shared=phase != "collect",
    )
    second = msgspec.structs.replace(best, confidence=min(best.confidence, 0.6))
    return [blamed, second, *(c for c in ranked[1:] if c.confidence < second.confidence)]


def _rounded(cause: Cause) -> Cause:
    return msgspec.structs.replace(cause, confidence=round(cause.confidence, 3))
