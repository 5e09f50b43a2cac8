"""Steady before, broken, steady again: claimed, measured, and played from files."""

from typing import Any

import psycopg
import pytest

from toolkit.chaos.experiments import Chaos
from toolkit.chaos.files import ChaosScenario, Timed
from toolkit.chaos.playing import playing
from toolkit.errors import OwnershipError, UsageError
from toolkit.services import provisioning
from toolkit.services.faults import injecting
from toolkit.services.faults import processes as of_processes

World = Any


def test_nothing_is_broken_that_is_not_well(world: World, chaos: Chaos) -> None:
    chaos.steady("orders are taken", lambda: False)
    refused = pytest.raises(AssertionError, match="orders are taken: steady before pause of database")
    with refused, chaos.fault("pause", "database"):
        pytest.fail("broken all the same")
    assert chaos.recoveries == []


def test_recovery_ends_when_the_steady_state_holds_again(
    world: World, chaos: Chaos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later than the server's first answer; what does not come back in time fails with its name."""
    looks: list[bool] = []
    well = True

    def probe() -> bool:
        looks.append(well)
        return well or len(looks) > 5

    chaos.steady("orders are taken", probe)
    with chaos.fault("pause", "cache"):
        well = False
    (recovery,) = chaos.recoveries
    assert len(looks) == 6
    assert recovery.recovered > recovery.answered
    chaos.within = 0.05
    monkeypatch.setattr(provisioning, "state_of", lambda _: "ready")  # it may take longer than that
    chaos.steady("orders are taken", lambda: looks.append(True) or len(looks) < 8)  # type: ignore[func-returns-value]
    late = pytest.raises(AssertionError, match="orders are taken: steady again after pause of cache")
    with late, chaos.fault("pause", "cache"):
        pass
    monkeypatch.undo()
    assert provisioning.answers(world.environment)


def test_faults_of_the_network_need_a_way(world: World, chaos: Chaos) -> None:
    """An application that was given the proxy's URL sees them, and recovers."""
    with pytest.raises(UsageError, match=r"nothing goes through a proxy"), chaos.fault("cut", "database"):
        pass
    with pytest.raises(UsageError, match="its URL is not in the environment"):
        chaos.url("nothing")
    url = chaos.url("database")
    assert url == chaos.url("database")

    def ask() -> bool:
        with psycopg.connect(url, connect_timeout=10) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)

    chaos.steady("the database answers through the proxy", ask)
    with chaos.fault("cut", "database"), pytest.raises(psycopg.OperationalError):
        ask()
    assert chaos.recoveries[0].action == "cut"


def test_a_scenario_plays_while_a_block_runs(world: World, chaos: Chaos) -> None:
    """Faults of two services overlap; each recovery is measured; what happened is said."""
    scenario = ChaosScenario(
        faults=(
            Timed(action="pause", service="database", lasts=0.3),
            Timed(action="kill", service="cache", after=0.05, lasts=0.1),
        )
    )
    said: list[str] = []
    with playing(chaos, scenario, say=said.append):
        pass
    assert [each.service for each in chaos.recoveries] == ["cache", "database"]
    assert said[:2] == ["0 s: pause of database", "0.05 s: kill of cache"]
    assert provisioning.answers(world.environment)


def test_a_scenario_ends_with_its_block(world: World, chaos: Chaos) -> None:
    scenario = ChaosScenario(faults=(Timed(action="pause", service="database", lasts=600),))
    with pytest.raises(ZeroDivisionError), playing(chaos, scenario):
        raise ZeroDivisionError
    assert provisioning.answers(world.environment)


def test_a_scenario_that_cannot_go_on_undoes_what_it_did(
    world: World, chaos: Chaos, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = ChaosScenario(
        faults=(
            Timed(action="pause", service="database", lasts=600),
            Timed(action="kill", service="nothing", after=0.01),
        )
    )
    with pytest.raises(UsageError, match="nothing: is not up"), playing(chaos, scenario):
        pass
    assert provisioning.answers(world.environment)

    def fails(*_: object) -> None:
        raise OwnershipError("cannot be undone now")

    with monkeypatch.context() as patch:
        patch.setattr(of_processes, "undo", fails)
        with pytest.raises(UsageError, match="nothing: is not up") as caught, playing(chaos, scenario):
            pass
    assert caught.value.__notes__ == ["and then: OwnershipError: cannot be undone now"]
    assert world.faults() == ["pause database"]  # the lease is kept, so a sweep can try again
    for lease in list(world.store.leases()):
        if lease.kind == "fault":
            injecting.undo(world.store, lease)
            world.store.forget(lease)
    assert provisioning.answers(world.environment)
