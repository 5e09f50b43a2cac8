"""From names in the configuration to the services that must run, needs first."""

from collections.abc import Iterable, Sequence

import msgspec

from toolkit.config.services import Service, ServiceSet
from toolkit.config.settings import Config
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.services.runtime import Wanted

DEFAULT = "default"
"""Name of the environment when none is named: the project's row of this name, else database and cache."""


def find_set(config: Config, names: Sequence[str]) -> tuple[str, ServiceSet]:
    """Return the name and the services of what a user asked for.

    Args:
        config: the project's configuration.
        names: environments and services; empty: the default environment.

    Raises:
        UsageError: a name is neither; lists the known ones.
    """
    if not names:
        return DEFAULT, config.environments.get(DEFAULT, ServiceSet(services=("database", "cache")))
    if len(names) == 1 and names[0] in config.environments:
        return names[0], config.environments[names[0]]
    services: dict[str, None] = {}
    for name in names:
        services.update(dict.fromkeys(_services_of(config, name)))
    return "+".join(names), ServiceSet(services=tuple(services))


def _services_of(config: Config, name: str) -> tuple[str, ...]:
    if name in config.environments:
        return config.environments[name].services
    if name in config.services:
        return (name,)
    valid = [*config.environments, *config.services]
    raise UsageError(unknown("environment or service", name, valid))


def wanted_services(config: Config, chosen: ServiceSet) -> list[Wanted]:
    """Return every service of a set with what it needs, all instances, with limits filled in."""
    names = with_needs(config, chosen.services)
    return [
        _wanted(name, config.services[name], chosen, instance)
        for instance in range(1, chosen.instances + 1)
        for name in names
    ]


def _wanted(name: str, service: Service, chosen: ServiceSet, instance: int) -> Wanted:
    variable = service.url_variable(name)
    return Wanted(
        name=name,
        service=msgspec.structs.replace(
            service, memory=service.memory or chosen.memory, cpus=service.cpus or chosen.cpus
        ),
        variable=variable if instance == 1 else f"{variable}_{instance}",
        why="",
        instance=instance,
        replicas=chosen.replicas.get(name, 1),
    )


def with_needs(config: Config, names: Iterable[str]) -> list[str]:
    """Return services and all that they need, needs first."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for need in config.services[name].needs:
            add(need)
        found[name] = None

    for name in names:
        add(name)
    return list(found)


def stages(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """Group services so that each group needs only earlier ones; members of a group start side by side."""
    left = list(wanted)
    here = {each.name for each in wanted}
    done: set[str] = set()
    groups = []
    while left:
        group = [each for each in left if done.issuperset(here.intersection(each.service.needs))]
        groups.append(group)
        left = [each for each in left if each not in group]
        done.update(each.name for each in group)
    return groups
