"""RabbitMQ without a container: rabbitmq-server from PATH, with a node, cookie and epmd of its own.

Erlang's port mapper (epmd) is started by the node as a daemon; it carries the mark of our lease, so it goes
with the server. Everything listens on loopback (RabbitMQ: "Networking", "Configuration"; erl(1), epmd(1)).
"""

import os
import random
import socket
from pathlib import Path

from toolkit.config.services import Service
from toolkit.errors import EnvironmentFailed
from toolkit.leases.store import write_private
from toolkit.services.probes import ask_rabbitmq
from toolkit.services.servers.launch import Launch, Place, Program, bare, find_program

SCRIPTS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin")
RANGE = range(20_000, 32_000)
"""Below the ports of outgoing connections: such a one could take ours while the node starts."""


def find(service: Service) -> Program | None:
    """Find the server's own script, or None.

    Distributions put a wrapper on PATH that insists on their user and their folders; the script behind it
    obeys its environment.
    """
    if not service.binary:
        for folder in SCRIPTS:
            if (Path(folder) / "rabbitmq-server").is_file():
                return Program(Path(folder) / "rabbitmq-server", folder)
    return find_program(service, "rabbitmq-server", wheels={})


def prepare(place: Place) -> None:
    """Nothing is needed before the first start."""


def launch(place: Place, program: Program, port: int) -> Launch:  # noqa: ARG001 - a port below RANGE is no use
    """Describe a node with one user and one virtual host; the password is in a file of mode 600."""
    service, folder = place.service, place.folder
    amqp, distribution, mapper = _ports(3)
    settings = {
        "listeners.tcp.local": f"127.0.0.1:{amqp}",
        "default_user": service.user,
        "default_pass": place.password,
        "default_vhost": service.database,
        "log.console": "true",
        "log.file": "false",
        **service.settings,
    }
    config = folder / f"rabbitmq-{amqp}.conf"
    write_private(config, "".join(f"{key} = {value}\n" for key, value in settings.items()).encode())
    plugins = folder / "enabled_plugins"
    plugins.write_text("[].\n", encoding="ascii")
    url = f"amqp://{service.user}:{place.password}@127.0.0.1:{amqp}/{service.database}"
    return Launch(
        command=(str(program.path),),
        url=url,
        port=amqp,
        ready=lambda: ask_rabbitmq(url),
        env={
            **bare(place.environ),
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"toolkit-{folder.name}@localhost",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        },
        cwd=folder,
        taken=("eaddrinuse", "already in use", "address_in_use"),
    )


def _ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(RANGE, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise EnvironmentFailed(
        f"no free port between {RANGE.start} and {RANGE.stop}", hint="what listens there?"
    )
