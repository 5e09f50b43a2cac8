"""The environment, read once at the door."""

from collections.abc import Mapping
from dataclasses import dataclass

from bookshop.domain.problems import InvalidValue
from bookshop.faults import Fault, parse_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where everything is. An empty URL means that the shop does without it."""

    database_url: str
    redis_url: str = ""
    queue_url: str = ""
    """``nats://…`` or ``amqp://…``."""
    prefix: str = "bookshop"
    """Begins every cache key and every subject, so that several shops can share their servers."""
    admin_token: str = ""
    """Who presents it may change the catalogue; empty: nobody may."""
    faults: frozenset[Fault] = frozenset()

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with the driver that the shop uses."""
        return with_driver(self.database_url)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read ``DATABASE_URL``, ``REDIS_URL``, ``NATS_URL`` or ``AMQP_URL``, and ``BOOKSHOP_*``.

    Raises:
        InvalidValue: no database, or an unknown fault.
    """
    if not environ.get("DATABASE_URL"):
        raise InvalidValue("DATABASE_URL is not set: expected postgresql://USER:PASSWORD@HOST:PORT/NAME")
    return Settings(
        database_url=environ["DATABASE_URL"],
        redis_url=environ.get("REDIS_URL", ""),
        queue_url=environ.get("NATS_URL") or environ.get("AMQP_URL", ""),
        prefix=environ.get("BOOKSHOP_PREFIX", "bookshop"),
        admin_token=environ.get("BOOKSHOP_ADMIN_TOKEN", ""),
        faults=parse_faults(environ.get("BOOKSHOP_FAULT", "")),
    )


def with_driver(url: str) -> str:
    """Name the driver in a PostgreSQL URL.

    >>> with_driver("postgres://localhost/shop")
    'postgresql+psycopg://localhost/shop'

    Raises:
        InvalidValue: another database.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise InvalidValue("DATABASE_URL: expected postgresql://USER:PASSWORD@HOST:PORT/NAME")
    return f"postgresql+psycopg://{rest}"
