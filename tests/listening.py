"""Where this machine listens, as the kernel tells it (Linux)."""

from collections.abc import Collection, Iterator
from pathlib import Path

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
"""127.0.0.1 and ::1 as /proc/net writes them."""


def sockets() -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of every listening TCP socket."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                address, port = words[1].split(":")
                yield address, int(port, 16), words[9]


def addresses_of_ports(ports: Collection[int]) -> set[str]:
    """Return the addresses on which anybody listens at these ports."""
    return {address for address, port, _ in sockets() if port in ports}


def addresses_of_processes(pids: Collection[int]) -> set[str]:
    """Return the addresses on which these processes listen, at whatever port."""
    held = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                held.add(str(link.readlink()))
            except OSError:
                continue  # closed meanwhile
    return {address for address, _, inode in sockets() if f"socket:[{inode}]" in held}


def command_lines() -> list[bytes]:
    """Return the command line of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue  # it has ended
    return found
