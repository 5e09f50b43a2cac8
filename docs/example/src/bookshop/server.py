"""Wires the real parts together: PostgreSQL, Redis, the system's clock."""

import os
from datetime import UTC, datetime

from fastapi import FastAPI

from bookshop.api.app import create_app
from bookshop.api.parts import Parts
from bookshop.cache import open_cache
from bookshop.settings import Settings, read_settings
from bookshop.storage.store import SqlStore, open_engine


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def make_app(settings: Settings | None = None) -> FastAPI:
    """Make the real application; without settings, from the environment (``uvicorn --factory``)."""
    settings = settings or read_settings(os.environ)
    engine = open_engine(settings.sqlalchemy_url)
    parts = Parts(
        store=SqlStore(engine, settings.faults),
        cache=open_cache(settings.redis_url, settings.prefix),
        clock=now,
        admin_token=settings.admin_token,
        faults=settings.faults,
    )
    return create_app(parts, close=engine.dispose)
