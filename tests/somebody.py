"""Servers that somebody else runs: prints their URLs as a line of JSON and stays until its input ends."""

import json
import sys
from pathlib import Path

from toolkit.config import parse_config
from toolkit.leases.store import LeaseStore
from toolkit.services.provisioning import running


def main() -> None:
    """Bring a database and a cache up with lease files of our own, of which nobody else knows."""
    folder = Path(sys.argv[1])
    folder.mkdir()
    config = parse_config({}, root=folder, environ={})
    with (
        LeaseStore(folder / "state") as store,
        running(config, ["database", "cache"], runtime="embedded", store=store) as environment,
    ):
        print(json.dumps(environment.urls), flush=True)  # noqa: T201 - it talks to the tests
        sys.stdin.read()


if __name__ == "__main__":
    main()
