"""What real servers of this project are up, and whether they answer, as the dashboard tells it."""

from toolkit.config import Config
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import open_leases
from toolkit.reports.dashboard.facts import ServiceFacts
from toolkit.services.inspection import status


def services_up(config: Config) -> tuple[ServiceFacts, ...]:
    """Ask every service of the project that is up; none where this user keeps no leases."""
    try:
        with open_leases() as store:
            rows = status(store, project=str(config.root))
    except EnvironmentFailed:
        return ()
    return tuple(
        ServiceFacts(
            service=row.service if row.instance == 1 else f"{row.service} {row.instance}",
            environment=row.environment,
            runtime=row.runtime,
            state=row.state,
            address=row.url,
            owner=row.owner,
        )
        for row in rows
    )
