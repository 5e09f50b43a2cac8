"""Sources → Facts: what was read becomes what is told."""

from collections.abc import Mapping

import msgspec

from toolkit import __version__
from toolkit.analysis.comparing import State
from toolkit.records import NodeId
from toolkit.reports.aggregate import summarise
from toolkit.reports.dashboard import failing as failures
from toolkit.reports.dashboard import past, running
from toolkit.reports.dashboard.benchmarks import benchmarks_of
from toolkit.reports.dashboard.facts import Facts
from toolkit.reports.dashboard.insights import insights_of
from toolkit.reports.dashboard.sources import Sources
from toolkit.reports.phrases import headline
from toolkit.reports.summary import Limits, Summary, summary_json

MOST_CHANGES = 2_000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The facts, and what the table of all tests is made of besides."""

    facts: Facts
    failing: tuple[failures.Failing, ...]
    states: Mapping[NodeId, State]


def tell(sources: Sources) -> Told:
    """Work out everything that the dashboard says."""
    summary = summarise(
        sources.records, created=sources.created, title=sources.title, limits=Limits(rows=0, details=0)
    )
    summary.coverage = None if sources.coverage is None else sources.coverage.percent
    failing = failures.find_failing(sources.records)
    states = failures.states_of(sources, failing)
    facts = _facts(sources, summary, failing, states)
    facts = msgspec.structs.replace(facts, insights=insights_of(facts))
    return Told(facts=facts, failing=failing, states=states)


def _facts(
    sources: Sources,
    summary: Summary,
    failing: tuple[failures.Failing, ...],
    states: Mapping[NodeId, State],
) -> Facts:
    typical = past.typical_before(sources)
    return Facts(
        toolkit=__version__,
        title=sources.title or "Tests",
        created=sources.created,
        verdict=summary.verdict,
        headline=headline(summary),
        summary=summary_json(summary)["summary"],
        complaints=() if sources.progress else tuple(summary.complaints),
        insights=(),
        against=failures.runs_before(sources),
        states=failures.count_states(states),
        changes=failures.changes_of(states, sources, failing)[:MOST_CHANGES],
        groups=failures.groups_of(failing, sources.outlook.known),
        flaky=past.flaky_of(sources),
        slowest=running.slowest_of(sources, typical),
        slower=past.slower_of(sources, typical),
        risks=past.risks_of(sources),
        risk_model=sources.outlook.model,
        advice=running.advice_of(sources),
        trend=running.trend_of(sources),
        shifts=running.shifts_of(sources),
        modules=running.modules_of(sources),
        workers=running.workers_of(sources),
        memory=running.hungriest(sources, "memory"),
        cpu=running.hungriest(sources, "cpu"),
        coverage=sources.coverage,
        services=sources.services,
        benchmarks=benchmarks_of(sources.outlook.benchmarks, sources.judged),
        strain=sources.strain,
        profiles=sources.profiles,
        progress=sources.progress,
    )
