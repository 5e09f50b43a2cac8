"""Which server is meant: the one named, that of DATABASE_URL, or that of an environment which is up."""

from collections.abc import Mapping

from toolkit.config.settings import Config
from toolkit.databases.server import require_test_server
from toolkit.errors import UsageError
from toolkit.leases.store import open_leases
from toolkit.services.environment import environments


def find_url(config: Config, environ: Mapping[str, str], *, url: str = "", named: str = "") -> str:
    """Return the URL of the test server to work on.

    Args:
        config: the project's configuration; ``databases.servers`` lists more test servers.
        environ: where DATABASE_URL is looked for.
        url: named on the command line; wins.
        named: ``host:port`` that the user calls a test server.

    Raises:
        UsageError: no server is named or up.
        OwnershipError: it is not known to be a test server.
    """
    found = url or environ.get("DATABASE_URL", "") or _of_environment(config, environ)
    if not found:
        raise UsageError(
            "which PostgreSQL server? DATABASE_URL is not set and no environment with one is up",
            hint="pass --url postgresql://…, set DATABASE_URL, or run: invoke services.up database --keep",
        )
    if not found.startswith(("postgres:", "postgresql:", "postgresql+", "postgres+")):
        raise UsageError(
            f"{found.partition(':')[0]}: is no PostgreSQL URL; expected postgresql://host/database"
        )
    require_test_server(found, servers=config.databases.servers, named=named)
    return found


def _of_environment(config: Config, environ: Mapping[str, str]) -> str:
    with open_leases(environ) as store:
        for environment in environments(store, project=str(config.root)):
            for endpoint in environment.endpoints:
                if endpoint.kind == "postgres":
                    return endpoint.url
    return ""
