"""Which servers a project talks to, as its compose files and its code say."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from toolkit.config.services import VARIABLES, Kind

COMPOSE_FILES = ("compose*.y*ml", "docker-compose*.y*ml", "compose/*.y*ml", "docker/*compose*.y*ml")

IMAGES: Mapping[str, Kind] = {
    "postgres": "postgres",
    "postgis": "postgres",
    "timescaledb": "postgres",
    "pgvector": "postgres",
    "redis": "redis",
    "valkey": "redis",
    "rabbitmq": "rabbitmq",
    "nats": "nats",
}
"""Last part of an image's name → kind of service."""

NAMES: Mapping[Kind, str] = {
    "postgres": "database",
    "redis": "cache",
    "rabbitmq": "message_queue",
    "nats": "nats",
}
"""Kind → the built-in service, so that a project needs no row of its own; for NATS there is none."""

_DEFAULT = re.compile(r"\$\{\w+:?-([^${}]*)\}")
_IMAGE = re.compile(r"""^\s*image:\s*["']?([\w./:@-]+)(\$?)""", re.MULTILINE)
_BESIDE = re.compile("exporter|commander|insight|backup|operator|-box")
"""In the names of images that bear the name of a server and are something beside it."""

_VARIABLE = re.compile(
    r"""["']([A-Z][A-Z0-9_]*_(?:URL|URI|DSN))["']|^\s+([a-z][a-z0-9_]*_(?:url|dsn))\s*:""", re.MULTILINE
)

WORDS: tuple[tuple[str, Kind], ...] = (
    ("DATABASE", "postgres"),
    ("POSTGRES", "postgres"),
    ("PG", "postgres"),
    ("DB", "postgres"),
    ("REDIS", "redis"),
    ("CACHE", "redis"),
    ("AMQP", "rabbitmq"),
    ("RABBITMQ", "rabbitmq"),
    ("NATS", "nats"),
)
"""Word in the name of a variable → kind of service; the first that is in it decides."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that the project talks to."""

    kind: Kind
    name: str
    """Of the service in the configuration."""
    image: str = ""
    """Of the compose file; empty: none names it."""
    variable: str = ""
    """In which the code looks for its URL; empty: the usual one."""
    others: Mapping[str, str] = {}
    """Further variables in which code looks for the URL of such a server → a file that does."""
    why: str = ""


def find_servers(root: Path, code: Iterable[Path]) -> tuple[Server, ...]:
    """Find the servers that compose files start and that the code takes URLs of.

    Args:
        root: the project's folder.
        code: Python files of the project and its tests.
    """
    found: dict[str, Server] = {}
    for server in (*_composed(root), *_addressed(root, code)):
        known = found.get(server.name)
        found[server.name] = server if known is None else _joined(known, server)
    return tuple(_decided(server) for server in found.values())


def _joined(one: Server, other: Server) -> Server:
    """Join what two places say; two reasons are enough."""
    why = one.why if other.why in one.why or "; " in one.why else f"{one.why}; {other.why}"
    others = {**one.others, **{name: at for name, at in other.others.items() if name not in one.others}}
    return msgspec.structs.replace(one, image=one.image or other.image, others=others, why=why)


def _decided(server: Server) -> Server:
    """Decide which of the variables that code reads the service sets; the others are told.

    One that is there for tests comes first, then the usual one, in which fixtures look, then the first found.
    """
    usual = VARIABLES[server.kind]

    def rank(variable: str) -> tuple[bool, bool]:
        return "TEST" not in variable.split("_"), variable != usual

    chosen = min(server.others, key=rank, default=usual)
    others = {variable: where for variable, where in server.others.items() if variable != chosen}
    return msgspec.structs.replace(server, variable="" if chosen == usual else chosen, others=others)


def compose_files(root: Path) -> list[Path]:
    """Return the compose files of a project."""
    return sorted({path for pattern in COMPOSE_FILES for path in root.glob(pattern) if path.is_file()})


def _composed(root: Path) -> Iterator[Server]:
    for file in compose_files(root):
        text = _DEFAULT.sub(r"\1", file.read_text(encoding="utf-8", errors="replace"))
        for image, variable in _IMAGE.findall(text):
            kind = _kind_of_image(image)
            if kind is not None:
                where = file.relative_to(root).as_posix()
                known = "" if variable else image  # else the toolkit's own, rather than any version
                yield Server(kind=kind, name=NAMES[kind], image=known, why=f"{where}: {image}{variable}")


def _kind_of_image(image: str) -> Kind | None:
    last = re.split(r"[:@]", image.rsplit("/", maxsplit=1)[-1])[0]
    if _BESIDE.search(last):
        return None
    return next((kind for word, kind in IMAGES.items() if last.startswith(word)), None)


def _addressed(root: Path, code: Iterable[Path]) -> Iterator[Server]:
    for file in code:
        text = file.read_text(encoding="utf-8", errors="replace")
        for quoted, field in sorted(set(_VARIABLE.findall(text))):
            variable = quoted or field.upper()
            kind = kind_of(variable)
            if kind is not None:
                where = file.relative_to(root).as_posix()
                why = f"{where}: {variable}"
                yield Server(kind=kind, name=NAMES[kind], others={variable: where}, why=why)


def kind_of(variable: str) -> Kind | None:
    """Tell which kind of server the URL in a variable is of, by the words of its name."""
    words = variable.split("_")
    return next((kind for word, kind in WORDS if word in words), None)
