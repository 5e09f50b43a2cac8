"""The container engine is restarted while an environment is up: it is said, mended, and nothing is left."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import LeaseStore
from toolkit.services import control, inspection, provisioning
from toolkit.services.engine import LEASE_LABEL, connected, engine_host, find_engine
from toolkit.services.provisioning import running

SCRIPT = Path(__file__).parents[2] / ".ci" / "docker-engine"

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.uses("engine")]


def run_script(word: str) -> None:
    subprocess.run([SCRIPT, word], check=True, capture_output=True, timeout=300)


def test_an_engine_is_restarted_in_the_middle(configure: Callable[..., Config], store: LeaseStore) -> None:
    """Without the engine nothing is forgotten; with it again the same URL leads to the same data."""
    if "nox-invoke-toolkit-ci" not in os.environ.get("DOCKER_HOST", ""):
        pytest.skip("only the engine of `.ci/docker-engine up` is ours to restart")
    assert find_engine(os.environ).usable
    with running(configure(), ["database"], runtime="compose", store=store) as found:
        endpoint = found.endpoints[0]
        with psycopg.connect(endpoint.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
        run_script("down")
        try:
            (row,) = inspection.status(store, project=found.project)
            assert row.state != "ready"
            with pytest.raises(EnvironmentFailed, match="could not be taken down") as error:
                provisioning.down(store, found.id)
            assert "the container engine at" in str(error.value)
            with pytest.raises(EnvironmentFailed, match="the container engine at"):
                control.read_log(store, found, endpoint, lines=1)
            assert [lease.kind for lease in store.leases()].count("compose") == 1
        finally:
            run_script("up")
        control.restart(store, found, endpoint)
        with psycopg.connect(endpoint.url) as connection:
            assert connection.execute("SELECT x FROM kept").fetchone() == (7,)
        lease = endpoint.lease
    assert list(store.leases()) == []
    with connected(engine_host(os.environ)) as client:
        assert client.containers.list(all=True, filters={"label": f"{LEASE_LABEL}={lease}"}) == []
