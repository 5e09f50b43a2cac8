"""The signature of a failure: the same for the same fault, whatever differs from run to run.

That is the type, the message with everything variable masked, and where the user's own code was. Line numbers
are left out, so that an edit above the place changes nothing.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

from toolkit.analysis.raised import Raised
from toolkit.records import Failure

FRAMES = 3
"""So many of the innermost places belong to a signature."""

_MASKS = tuple(
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<uuid>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<time>"),
        (r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
        (r"\"(?:[^\"\\\n]|\\.)*\"|(?<!\w)'(?:[^'\\\n]|\\.)*'", "<quoted>"),
        (r"(?:\b[A-Za-z]:)?(?:[\\/][\w.@+~-]+){2,}[\\/]?", "<path>"),
        (r"\b0x[0-9a-fA-F]+\b", "<hex>"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b", "<hex>"),
        (r"(?<![A-Za-z_])\d+(?:[.,:]\d+)*(?:e[+-]?\d+)?", "<n>"),
        (r"\s+", " "),
    )
)
MESSAGE_LIMIT = 1_000


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What two failures with the same fault have in common."""

    exception: str  # without its module, since wrappers and re-exports differ
    message: str
    places: tuple[str, ...] = ()  # innermost last

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits."""
        return digest((self.exception, self.message, *self.places))


def digest(parts: Iterable[str]) -> str:
    """Make a short key of texts; stable over machines and versions of Python."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:16]


def masked(message: str) -> str:
    """Replace numbers, addresses, paths, identifiers, times and quoted values by what they are."""
    text = message[: 4 * MESSAGE_LIMIT]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text.strip()[:MESSAGE_LIMIT]


def signature_of(failure: Failure, chain: Sequence[Raised]) -> Signature:
    """Return the signature of a failure, by its final exception."""
    final = chain[0]
    return Signature(
        exception=final.short, message=masked(final.message), places=places_of(failure)[-FRAMES:]
    )


_FOREIGN = re.compile(
    r"site-packages|dist-packages|<frozen|<string>|[\\/]lib[\\/]python3|_pytest|[\\/]Lib[\\/]"
)
_SHOWN = re.compile(r"^(?P<path>[^\s:>][^\s:]*\.\w{1,4}|<frozen[^:]*>):\d+:", re.MULTILINE)
_FILED = re.compile(r"^ *File \"(?P<path>[^\"]+)\", line \d+, in (?P<name>.+)$", re.MULTILINE)
_ASKED = re.compile(r"^> +(?P<code>\S.*)$", re.MULTILINE)


def places_of(failure: Failure) -> tuple[str, ...]:
    """Return the files of the user's code that the traceback goes through, and the failing line of code."""
    text = failure.traceback
    paths = [match["path"] for match in _SHOWN.finditer(text)] or [
        f"{match['path']} {match['name']}" for match in _FILED.finditer(text)
    ]
    paths = paths or [f"{frame.path} {frame.function}" for frame in failure.frames]
    own = [_tail(path) for path in paths if not _FOREIGN.search(path)]
    code = [match["code"].strip() for match in _ASKED.finditer(text)]
    return (*own, *code[-1:])


def _tail(path: str) -> str:
    return "/".join(path.replace("\\", "/").split("/")[-3:])
