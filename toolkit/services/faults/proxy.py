"""A program: a TCP proxy that is told over its standard input how to ill-treat connections, and ends with it.

``python proxy.py HOST PORT``; it prints the port of 127.0.0.1 on which it listens. Each line of input is
one JSON object with the state from now on; the answer is one line. Why our own: toxiproxy, the well-kept
one, is a Go program that neither PyPI, Debian nor npm has; those that can be installed speak HTTP only.

What is lost on the way is sent again by TCP, so an application sees loss as delay: a lost message comes after
the retransmission timeout of 0.2 s (Linux' smallest), doubled for each further loss (RFC 6298, section 5).
It imports nothing of the package, so that it is there at once.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys

CHUNK = 65536
RETRANSMISSION = 0.2
LONGEST = 10.0
"""Seconds after which nothing is lost any more."""
Deliveries = asyncio.Queue[tuple[float, bytes]]
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST (socket(7))."""


class Way:
    """The state of the way and the connections on it."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.action = ""
        self.seconds = self.jitter = self.share = 0.0
        self.changed = asyncio.Event()
        self.writers: set[asyncio.StreamWriter] = set()
        self.passed = 0

    def set(self, state: dict[str, object]) -> None:
        """Take over a new state; a cut hits the open connections too."""
        self.action = str(state.get("action", ""))
        for name in ("seconds", "jitter", "share"):
            setattr(self, name, float(str(state.get(name, 0.0))))
        if self.action == "cut":
            for writer in self.writers:
                reset(writer)
        self.changed.set()
        self.changed = asyncio.Event()

    def delay(self) -> float:
        """Return how much later a message comes, in seconds."""
        if self.action == "latency":
            return self.seconds + random.random() * self.jitter  # noqa: S311 - no secret
        delay, timeout = 0.0, RETRANSMISSION
        while self.action == "loss" and lost(self.share) and delay < LONGEST:
            delay, timeout = delay + timeout, timeout * 2
        return delay

    async def open_again(self) -> None:
        """Wait while nothing comes through."""
        while self.action == "silence":
            await self.changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client with the server until both have closed."""
        if self.action == "cut":
            reset(writer)
            return
        self.writers.add(writer)
        try:
            await self.open_again()
            inner, outer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            reset(writer)
            self.writers.discard(writer)
            return
        self.writers.add(outer)
        await asyncio.gather(self.pump(reader, outer), self.pump(inner, writer))
        self.writers -= {writer, outer}
        writer.close()
        outer.close()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction; several messages may be on the way at a time, none overtakes another."""
        queue: Deliveries = asyncio.Queue(64)
        delivering = asyncio.create_task(self.deliver(queue, writer))
        loop, due = asyncio.get_running_loop(), 0.0
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                due = max(due, loop.time() + self.delay())
                await queue.put((due, data))
        closing = self.seconds if self.action == "slow_close" else 0.0
        await queue.put((max(due, loop.time() + closing), b""))
        await delivering

    async def deliver(self, queue: "Deliveries", writer: asyncio.StreamWriter) -> None:
        """Write messages when they are due; the empty one closes."""
        loop, data = asyncio.get_running_loop(), b"-"
        while data:
            due, data = await queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self.open_again()
            with contextlib.suppress(OSError, RuntimeError):
                if data:
                    writer.write(data)
                    await writer.drain()
                    self.passed += len(data)
                else:
                    writer.write_eof()  # the other direction goes on


def lost(share: float) -> bool:
    """Throw the dice."""
    return random.random() < share  # noqa: S311 - no secret


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a broken one ends."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def main(host: str, port: int) -> None:
    """Listen until standard input ends."""
    way = Way(host, port)
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    say(str(server.sockets[0].getsockname()[1]))
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        way.set(json.loads(line))
        say(str(way.passed))
    sys.stdout.flush()
    import os

    os._exit(0)  # whatever is still on the way is of no use to anybody


def say(line: str) -> None:
    """Answer whoever started us."""
    print(line, flush=True)  # noqa: T201 - a program that talks to its starter


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
