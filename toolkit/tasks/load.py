"""``invoke load.*``: load scenarios on a running server."""

import math
import os
import subprocess

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console

from toolkit.config import load_config
from toolkit.config.settings import Config
from toolkit.errors import UsageError
from toolkit.gates.identity import code_identity
from toolkit.leases.store import open_leases
from toolkit.load.limits import at_rate, find_limit, limit_line
from toolkit.load.running import command_of, environment_of, require_generator, run_load, worker_command
from toolkit.load.scenarios import LoadScenario, find_scenario, read_scenario, scenario_files
from toolkit.load.verdicts import ActionFigures, LoadResult
from toolkit.load.writing import result_line, write_result
from toolkit.services import inspection
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
CODES = {"passed": 0, "failed": 1, "refused": 4}


def _say(line: str) -> None:
    Console(stderr=True).print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


@task(name="list", help={"json": AS_JSON})
def list_(_context: Context, *, json: bool = False) -> None:
    """List the load scenarios of the project."""
    config = load_config()
    found = {name: read_scenario(file) for name, file in scenario_files(config.root / config.load).items()}
    if json:
        print_json(found)
        return
    rows = [
        (
            name,
            each.description,
            f"{each.rate:g}/s",
            f"{each.duration:g} s",
            ", ".join(a.name for a in each.actions),
        )
        for name, each in found.items()
    ]
    heading = ("name", "description", "rate", "duration", "actions")
    print_table(wide_console(), f"load scenarios in {config.load}", heading, rows)


@task(
    positional=["name"],
    help={
        "name": "file in the folder of load scenarios, without .toml",
        "url": "base address; empty: the service's variable (API_URL), or the service that is up",
        "rate": "requests per second instead of the scenario's; 0: that",
        "duration": "seconds at the full rate instead of the scenario's; 0: that",
        "remote": "wait for so many processes on other machines (invoke load.worker) and let them send",
        "listen": "with --remote: ADDRESS or ADDRESS:PORT where they reach this one; default: 127.0.0.1:5557",
        "dry_run": "only tell what would be run",
        "json": AS_JSON,
    },
)
def run(
    _context: Context,
    name: str,
    *,
    url: str = "",
    rate: float = 0.0,
    duration: float = 0.0,
    remote: int = 0,
    listen: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Send the requests of a scenario; exit code 0 passed, 1 failed, 4 the client was the limit."""
    config = load_config()
    written = find_scenario(config.root / config.load, name)
    scenario = msgspec.structs.replace(
        written, rate=rate or written.rate, duration=duration or written.duration
    )
    url = url or _url_of(config, scenario)
    html = config.reports_dir / "load" / f"{name}.html"
    if dry_run:
        command = command_of(scenario, url, html, remote=remote, listen=listen)
        print_json({"dry_run": True, "scenario": scenario, "command": command})
        return
    html.parent.mkdir(parents=True, exist_ok=True)
    altered = [key for key in ("rate", "duration") if getattr(scenario, key) != getattr(written, key)]
    code = code_identity(config)
    result = run_load(scenario, url, html=html, remote=remote, listen=listen, say=_say)
    path = write_result(config.reports_dir, name, result, code=code, altered=altered)
    if json:
        print_json({**msgspec.to_builtins(result), "verdict": result.verdict})
    else:
        _show(name, result)
        _say(f"{path} and {html.name}")
    if result.verdict != "passed":
        raise Exit(f"{name}: {result_line(result)}", CODES[result.verdict])


def _url_of(config: Config, scenario: LoadScenario) -> str:
    service = config.services.get(scenario.service)
    variable = service.url_variable(scenario.service) if service is not None else "API_URL"
    if os.environ.get(variable):
        return os.environ[variable]
    with open_leases() as store:
        return inspection.find_endpoint(store, str(config.root), scenario.service)[1].url


def _show(name: str, result: LoadResult) -> None:
    console = wide_console()
    heading = ("action", "requests", "mean ms", "p50 ms", "p95 ms", "p99 ms", "max ms")
    rows = [_cells(each) for each in (*result.actions, result.all)]
    print_table(console, name, heading, rows)
    if result.errors:
        print_table(
            console, "errors", ("what", "times"), [(what, str(n)) for what, n in result.errors.items()]
        )
    console.print(result_line(result), markup=False)


def _cells(figures: ActionFigures) -> tuple[str, ...]:
    times = (figures.mean_ms, figures.p50_ms, figures.p95_ms, figures.p99_ms, figures.max_ms)
    return (figures.name, str(figures.requests), *(f"{value:.1f}" for value in times))


@task(
    positional=["name", "master"],
    help={
        "name": "of the scenario, the same as there",
        "master": "ADDRESS or ADDRESS:PORT of the machine with load.run --remote",
        "of": "how many processes take part on all machines together",
    },
)
def worker(_context: Context, name: str, master: str, *, of: int = 1) -> None:
    """Send a part of the requests of a scenario from this machine, for `load.run --remote` on another one."""
    config = load_config()
    require_generator()
    scenario = find_scenario(config.root / config.load, name)
    done = subprocess.run(worker_command(master), check=False, env=environment_of(scenario, of, os.environ))
    if done.returncode:
        raise Exit(f"locust ended with {done.returncode}", 4)


@task(
    positional=["name"],
    help={
        "name": "file in the folder of load scenarios, without .toml",
        "url": "base address; empty: the service's variable (API_URL), or the service that is up",
        "seconds": "of each step at its full rate",
        "most": "no step has more requests per second; 0: no bound",
        "json": AS_JSON,
    },
)
def limit(
    _context: Context,
    name: str,
    *,
    url: str = "",
    seconds: float = 5.0,
    most: float = 0.0,
    json: bool = False,
) -> None:
    """Find the highest rate at which a scenario holds, and whether server or client gives in above it."""
    config = load_config()
    scenario = find_scenario(config.root / config.load, name)
    if seconds <= 0 or most < 0:
        raise UsageError("--seconds must be above 0, --most not below")
    url = url or _url_of(config, scenario)

    def measure(rate: float) -> LoadResult:
        result = run_load(at_rate(scenario, rate, seconds), url)
        _say(f"{rate:.4g} per second: {result_line(result)}")
        return result

    found = find_limit(measure, start=scenario.rate, most=most or math.inf)
    if json:
        print_json(found)
    else:
        wide_console().print(limit_line(found), markup=False, highlight=False)


ns = Collection(limit, list_, run, worker)
