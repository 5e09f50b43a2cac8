"""Carries events from the outbox to the queue: at least once, by any number of processes, in order if by one.

An event is marked as published in the transaction that locks it, after the queue has taken it. Whoever dies
in between leaves it unpublished; the next relay sends it again, with the same id.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from bookshop.domain.events import StoredEvent
from bookshop.ports import Publisher
from bookshop.storage.tables import OutboxRow

BATCH = 100


async def relay_once(
    engine: AsyncEngine, publisher: Publisher, *, clock: Callable[[], datetime], limit: int = BATCH
) -> int:
    """Publish what waits, up to a limit, and return how many events that were.

    When the queue fails half-way, those that it has taken stay marked and the error is raised.
    """
    async with AsyncSession(engine) as session:
        rows = (await session.scalars(_waiting(limit))).all()
        published = 0
        try:
            for row in rows:
                await publisher.publish(_event(row))
                row.published_at = clock()
                published += 1
        finally:
            await session.commit()
    return published


async def relay_until(
    stop: asyncio.Event,
    engine: AsyncEngine,
    publisher: Publisher,
    *,
    clock: Callable[[], datetime],
    pause: float = 0.2,
) -> int:
    """Publish until told to stop and return how many events that were; ``pause`` seconds when idle."""
    total = 0
    while not stop.is_set():
        published = await relay_once(engine, publisher, clock=clock)
        total += published
        if not published:
            await _wait(stop, pause)
    return total


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _waiting(limit: int) -> Select[OutboxRow]:
    return (
        select(OutboxRow)
        .where(OutboxRow.published_at.is_(None))
        .order_by(OutboxRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _event(row: OutboxRow) -> StoredEvent:
    return StoredEvent(id=row.id, subject=row.subject, happened_at=row.happened_at, body=row.body)
