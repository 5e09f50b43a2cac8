"""Recorded dependencies as one small file: for the cache of a CI, for colleagues."""

import sqlite3
import tempfile
import zlib
from contextlib import closing
from pathlib import Path

from toolkit.errors import InputError
from toolkit.impact.store import STORE_NAME, DependencyStore, open_store


def export_store(store: DependencyStore, target: Path) -> int:
    """Write everything but the cache of parsed files into one compressed file; return its size in bytes.

    Raises:
        InputError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="toolkit-export-") as folder:
        plain = Path(folder, STORE_NAME)
        store.connection.execute("VACUUM INTO ?", (str(plain),))
        with closing(sqlite3.connect(plain, isolation_level=None)) as small:
            small.execute("DELETE FROM sources")
            small.execute("VACUUM")
        data = zlib.compress(plain.read_bytes(), 6)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from error
    return len(data)


def import_store(store: DependencyStore, source: Path) -> int:
    """Add the tests of an exported file that are not recorded in a store; return how many.

    Raises:
        InputError: the file cannot be read or was not written by :func:`export_store`.
        SchemaTooNew: a newer toolkit wrote it.
    """
    with tempfile.TemporaryDirectory(prefix="toolkit-import-") as folder:
        plain = Path(folder, STORE_NAME)
        try:
            plain.write_bytes(zlib.decompress(source.read_bytes()))
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error
        except zlib.error as error:
            raise InputError(f"{source}: not a file written by plan.export") from error
        open_store(plain).close()  # is it whole, and not newer than we are?
        store.connection.execute("ATTACH ? AS other", (str(plain),))
        try:
            with store.transaction():
                added = _add(store.connection)
                store.tidy()
            return added
        finally:
            store.connection.execute("DETACH other")


def _add(database: sqlite3.Connection) -> int:
    alone = not database.execute("SELECT count(*) FROM main.tests").fetchone()[0]
    if alone:
        database.execute("INSERT OR REPLACE INTO main.windows SELECT * FROM other.windows")
    shift = database.execute("SELECT ifnull(max(id), 0) FROM main.segments").fetchone()[0]
    database.execute(
        "INSERT OR IGNORE INTO main.inputs (kind, name, unit, fingerprint)"
        " SELECT kind, name, unit, fingerprint FROM other.inputs"
    )
    database.execute("INSERT INTO main.segments SELECT id + ?, size, created FROM other.segments", (shift,))
    database.execute(
        "INSERT INTO main.postings (segment, input, bits) SELECT p.segment + ?, m.id, p.bits"
        " FROM other.postings p JOIN other.inputs i ON i.id = p.input"
        " JOIN main.inputs m ON m.kind = i.kind AND m.name = i.name AND m.unit = i.unit"
        " AND m.fingerprint = i.fingerprint",
        (shift,),
    )
    cursor = database.execute(
        "INSERT OR IGNORE INTO main.tests SELECT environment, node, segment + ?, position, outcomes,"
        " duration, since_bad, CASE WHEN ? THEN traced ELSE 0 END FROM other.tests WHERE segment IS NOT NULL",
        (shift, alone),  # beside others, what they keep is not known whole: they are traced when they run
    )
    return cursor.rowcount
