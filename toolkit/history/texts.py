"""Long texts, each kept once: by the hash of what it says, compressed."""

import hashlib
import json
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from toolkit.errors import HistoryDamaged
from toolkit.history.database import Database, chunks


def storable(text: str) -> str:
    r"""Make any string storable: NUL and lone surrogates are written out (``\x00``, ``\udcff``)."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def text_hash(text: str) -> bytes:
    """Return the key of a storable text: 16 bytes of blake2b."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def sound_json(value: object) -> bytes:
    """Return a value as JSON, whatever its strings contain."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which no JSON reader would take back
        return json.dumps(_sound(msgspec.to_builtins(value))).encode()


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_sound(key): _sound(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(inner) for inner in value]
    return value


class Texts:
    """Texts on their way into the history: remembers which ones one import needs."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}

    def key(self, text: str) -> bytes | None:
        """Return the key under which a text is going to be found; None for an empty one."""
        if not text:
            return None
        text = storable(text)
        key = text_hash(text)
        if key not in self._bodies:
            self._bodies[key] = zlib.compress(text.encode(), 6)
        return key

    def json_key(self, value: object) -> bytes | None:
        """Return the key of a value as JSON; None for an empty one."""
        return self.key(sound_json(value).decode()) if value else None

    def save(self, database: Database) -> None:
        """Write the texts that are not there yet."""
        database.keep("texts", ("hash", "body"), self._bodies.items())


def load_texts(database: Database, keys: Iterable[bytes | None]) -> dict[bytes | None, str]:
    """Return the texts of some keys; None gives the empty text, and so does a key that is not there."""
    wanted = sorted({key for key in keys if key is not None})
    found: dict[bytes | None, str] = dict.fromkeys(wanted, "")
    for places, piece in chunks(wanted):
        for key, body in database.rows(f"SELECT hash, body FROM texts WHERE hash IN ({places})", piece):
            found[key] = unpacked(body, database.where)
    return {**found, None: ""}


def unpacked(body: bytes, where: str) -> str:
    """Return a compressed text.

    Raises:
        HistoryDamaged: it is none; ``where`` is the history it was found in.
    """
    try:
        return zlib.decompress(body).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise HistoryDamaged(
            f"{where}: a text in the history is damaged ({error}); nothing was deleted",
            hint="invoke history.check names all damage",
        ) from error
