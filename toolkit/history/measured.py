"""What tests measured in the newest runs, one row per measure."""

import msgspec

from toolkit.history import texts
from toolkit.history.database import Database
from toolkit.records import NodeId

RUNS = 300


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One number that one test measured in one run."""

    test: NodeId
    name: str
    value: float
    run: str
    started: float
    commit: str
    profile: str
    python: str
    host: str
    environment: str


def measured(database: Database, *, runs: int = RUNS) -> tuple[Measured, ...]:
    """Return the measures of the newest runs, oldest first; of a test tried again, those of its last try."""
    rows = list(
        database.rows(
            "SELECT t.node, a.more, r.run, r.started, r.revision, r.profile, r.python, r.host, r.environment"
            " FROM attempts a JOIN runs r ON r.number = a.run JOIN tests t ON t.test = a.test"
            " WHERE a.verdict IS NOT NULL AND a.more IS NOT NULL"
            " AND a.run IN (SELECT number FROM runs ORDER BY number DESC LIMIT ?)"
            " ORDER BY a.run, a.position",
            (runs,),
        )
    )
    told = texts.load_texts(database, [row[1] for row in rows])
    found = []
    for node, more, *columns in rows:
        where = dict(zip(_COLUMNS, columns, strict=True))
        measures = _MEASURES.decode(told[more]).measures if told[more] else {}
        found += [
            Measured(test=NodeId(node), name=name, value=value, **where) for name, value in measures.items()
        ]
    return tuple(found)


_COLUMNS = ("run", "started", "commit", "profile", "python", "host", "environment")


class _More(msgspec.Struct):
    measures: dict[str, float] = {}


_MEASURES = msgspec.json.Decoder(_More)
