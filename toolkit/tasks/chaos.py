"""``invoke chaos.*``: scenarios played on the servers that are up."""

import contextlib
import functools
from collections.abc import Iterator

from invoke.collection import Collection
from invoke.context import Context
from rich.console import Console

from toolkit.chaos.experiments import Chaos
from toolkit.chaos.files import ChaosScenario, find_scenario, read_scenario, scenario_files, timeline
from toolkit.chaos.playing import playing
from toolkit.config import load_config
from toolkit.config.settings import Config
from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases.store import open_leases
from toolkit.services import inspection, processes
from toolkit.services.environment import Endpoint, redacted
from toolkit.services.faults.injecting import find_target
from toolkit.services.faults.model import ACTIONS, is_network
from toolkit.services.round_trips import round_trip_of
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"


def _say(line: str) -> None:
    Console(stderr=True).print(redacted(line), style="dim", markup=False, highlight=False, soft_wrap=True)


@task(name="list", help={"json": AS_JSON})
def list_(_context: Context, *, json: bool = False) -> None:
    """List the scenarios of the project and the actions that there are."""
    config = load_config()
    found = {name: read_scenario(file) for name, file in scenario_files(config.root / config.chaos).items()}
    if json:
        print_json({"scenarios": found, "actions": ACTIONS})
        return
    console = wide_console()
    rows = [(name, each.description, _told(each)) for name, each in found.items()]
    print_table(console, f"scenarios in {config.chaos}", ("name", "description", "faults"), rows)
    print_table(console, "actions", ("action", "what happens"), ACTIONS.items())


def _told(scenario: ChaosScenario) -> str:
    return ", ".join(
        f"{each.action} {each.service} {each.after:g}-{each.after + each.lasts:g} s"
        for each in scenario.faults
    )


@task(
    positional=["name"],
    help={
        "name": "file in the folder of chaos scenarios, without .toml",
        "dry_run": "only tell what would be done to which server",
        "json": AS_JSON,
    },
)
def run(_context: Context, name: str, *, dry_run: bool = False, json: bool = False) -> None:
    """Play a scenario on the servers that are up; steady means that a round trip through each works."""
    config = load_config()
    scenario = find_scenario(config.root / config.chaos, name)
    with _breaking(config, scenario) as chaos:
        if dry_run:
            _tell(scenario, as_json=json)
            return
        try:
            with playing(chaos, scenario, say=_say):
                pass
        except AssertionError as error:
            raise EnvironmentFailed(str(error), hint="look at it: invoke services.status") from error
        processes.let_go()
    if json:
        print_json({"scenario": name, "recoveries": chaos.recoveries})
        return
    rows = [
        (
            each.action,
            each.service,
            *(f"{value:.2f} s" for value in (each.lasted, each.answered, each.recovered)),
        )
        for each in chaos.recoveries
    ]
    print_table(wide_console(), name, ("action", "service", "lasted", "answered after", "well after"), rows)


@contextlib.contextmanager
def _breaking(config: Config, scenario: ChaosScenario) -> Iterator[Chaos]:
    """Open everything; refuse what cannot be played before anything is touched."""
    for fault in scenario.faults:
        if is_network(fault):
            raise UsageError(
                f"{fault.action} of {fault.service}: goes through a proxy, which only tests have",
                hint=f'in a test: chaos.url("{fault.service}") and chaos.scenario(...)',
            )
    root = str(config.root)
    with open_leases() as store:
        services = {each.service for each in scenario.faults}
        found = [inspection.find_endpoint(store, root, service)[1] for service in sorted(services)]
        urls = {each.variable: each.url for each in found}
        for service in services:
            find_target(store, root, service, urls)
        variables = {each.service: each.variable for each in found}
        chaos = Chaos(store, store.owner(), project=root, urls=urls, variables=variables)
        for each in found:
            chaos.steady(f"{each.service} works", functools.partial(_works, each))
        yield chaos


def _works(endpoint: Endpoint) -> bool:
    round_trip_of(endpoint.kind, endpoint.url, health=endpoint.health)()
    return True


def _tell(scenario: ChaosScenario, *, as_json: bool) -> None:
    rows = [
        {
            "at": step.at,
            "what": "begin" if step.begins else "undo",
            "action": step.fault.action,
            "service": step.fault.service,
        }
        for step in timeline(scenario)
    ]
    if as_json:
        print_json({"dry_run": True, "steps": rows})
        return
    told = [(f"{row['at']:g} s", str(row["what"]), str(row["action"]), str(row["service"])) for row in rows]
    print_table(wide_console(), "would do", ("at", "what", "action", "service"), told)


ns = Collection(list_, run)
