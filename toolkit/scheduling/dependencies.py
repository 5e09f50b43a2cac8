"""What every test depends on, which tests have nothing in common, and what may run beside what.

Everything here was measured while the tests ran (functions executed, files read, variables read) or declared
by markers. Nothing is guessed from names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from toolkit.records import NodeId
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.makespan import makespan

SERVICES = {
    "DATABASE_URL": "database",
    "REDIS_URL": "cache",
    "AMQP_URL": "message_queue",
    "NATS_URL": "message_queue",
    "API_URL": "api_server",
}
"""Variable by which a test learns where a service is → the service: who reads it, uses it."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What one test depends on."""

    test: NodeId
    code: tuple[str, ...] = ()
    """Source files of which it executed functions (Python 3.11: that it reaches by imports)."""
    imported: tuple[str, ...] = ()
    """Other source files that it reaches by imports."""
    data: tuple[str, ...] = ()
    """Other files that it read."""
    variables: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Exclusive resources, groups, and "alone" for a serial test."""
    duration: float = 0.0
    recorded: bool = False
    """Whether its dependencies were recorded; otherwise only markers are known."""


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """Tests that are connected by what they share; tests of two components share nothing."""

    tests: tuple[NodeId, ...]
    shared: tuple[str, ...]
    seconds: float


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Tests that must run one after the other; different groups may run at the same time."""

    name: str
    tests: tuple[NodeId, ...]
    seconds: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer.

    Attributes:
        code_components: connected by source files of which they execute functions.
        state_components: connected by data, services and exclusive resources.
        chains: groups that are longer than one test.
        free: tests that may run beside anything.
        alone: tests that run while nothing else does.
        resources: service or resource → number of tests and their seconds.
        estimates: workers → seconds of tests.
        unrecorded: tests of which only the markers are known.
    """

    tests: tuple[Needs, ...]
    code_components: tuple[Component, ...]
    state_components: tuple[Component, ...]
    chains: tuple[Group, ...]
    free: tuple[NodeId, ...]
    alone: tuple[NodeId, ...]
    resources: Mapping[str, tuple[int, float]]
    estimates: Mapping[int, float]
    unrecorded: int


def needs_of(job: Job, inputs: Iterable[tuple[str, str]] | None) -> Needs:
    """Describe one test.

    Args:
        job: its markers and duration.
        inputs: kind and name of each recorded dependency, see ``toolkit.impact.inputs``; None: not recorded.
    """
    found = list(inputs or ())
    own = job.file
    code = {name for kind, name in found if kind in _EXECUTED and name != own}
    imported = {name for kind, name in found if kind == "module" and name != own}
    variables = {name for kind, name in found if kind == "variable"}
    resources = set(job.uses) | ({f"group {job.group}"} if job.group else set())
    return Needs(
        test=job.test,
        code=tuple(sorted(code)),
        imported=tuple(sorted(imported - code)),
        data=tuple(sorted({name for kind, name in found if kind == "file" and name != own})),
        variables=tuple(sorted(variables)),
        services=tuple(sorted({SERVICES[name] for name in variables & SERVICES.keys()})),
        resources=tuple(sorted(resources | ({"alone"} if job.serial else set()))),
        duration=job.duration,
        recorded=inputs is not None,
    )


_EXECUTED = frozenset({"function", "source"})  # kinds of toolkit.impact.inputs; 3.11 knows whole files


def report_on(jobs: Sequence[Job], needs: Sequence[Needs], workers: Iterable[int] = (1, 2, 4, 8)) -> Report:
    """Put everything together."""
    resources: dict[str, tuple[int, float]] = {}
    for row in needs:
        for name in (*row.services, *row.resources):
            count, seconds = resources.get(name, (0, 0.0))
            resources[name] = (count + 1, seconds + row.duration)
    alone = {job.test for job in jobs if job.serial}
    chains = _chains([job for job in jobs if not job.serial])
    chained = {test for chain in chains for test in chain.tests}
    return Report(
        tests=tuple(needs),
        code_components=components(needs, lambda row: row.code),
        state_components=components(needs, lambda row: (*row.data, *row.services, *row.resources)),
        chains=chains,
        free=tuple(job.test for job in jobs if job.test not in alone | chained),
        alone=tuple(sorted(alone)),
        resources=dict(sorted(resources.items())),
        estimates={count: makespan(jobs, count) for count in workers},
        unrecorded=sum(not row.recorded for row in needs),
    )


def components(needs: Sequence[Needs], things: Callable[[Needs], Iterable[str]]) -> tuple[Component, ...]:
    """Split tests into sets that share none of some things (connected components), largest first.

    Union-find with path halving (Tarjan, van Leeuwen, "Worst-case analysis of set union algorithms", 1984).
    """
    parent: dict[object, object] = {}

    def find(node: object) -> object:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row in needs:
        root = find(("test", row.test))
        for thing in things(row):
            parent[find(("thing", thing))] = root
            root = find(root)
    sets: dict[object, list[Needs]] = {}
    for row in needs:
        sets.setdefault(find(("test", row.test)), []).append(row)
    found = (
        Component(
            tests=tuple(row.test for row in rows),
            shared=tuple(sorted({thing for row in rows for thing in things(row)})),
            seconds=sum(row.duration for row in rows),
        )
        for rows in sets.values()
    )
    return tuple(sorted(found, key=lambda component: (-len(component.tests), component.tests)))


def _chains(jobs: Sequence[Job]) -> tuple[Group, ...]:
    """Group the tests that exclude each other: users of one resource, members of one group."""
    by_thing = components([needs_of(job, None) for job in jobs], lambda row: row.resources)
    return tuple(
        Group(name=", ".join(part.shared), tests=part.tests, seconds=part.seconds)
        for part in by_thing
        if part.shared
    )
