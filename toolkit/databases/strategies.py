"""How PostgreSQL shall copy a template: file by file, or page by page through its write-ahead log.

Measured by ``benchmarks/databases.py``: files are copied faster than pages in every size, but that takes two
checkpoints. Where the server waits for its disk these cost more than a small template's pages.
"""

from typing import Literal

Strategy = Literal["FILE_COPY", "WAL_LOG"]

SINCE = 150000
"""PostgreSQL 15 has the choice; before, files were always copied."""

SMALL = 32 << 20
"""Bytes of a template (an empty one has 7 MB) up to which two synced checkpoints cost more than its pages."""


def strategy_for(*, version: int, fsync: bool, size: int) -> Strategy | None:
    """Return the faster strategy; None: the server knows only one.

    Args:
        version: of the server, as libpq tells it: 150004.
        fsync: whether the server waits for its disk.
        size: of the template in bytes.
    """
    if version < SINCE:
        return None
    return "WAL_LOG" if fsync and size <= SMALL else "FILE_COPY"
