"""A program: lets a process and its descendants run for a share of the time, until its standard input ends.

``python throttle.py PID SHARE``. It stops them with SIGSTOP and lets them go on with SIGCONT, ten times a
second (as cpulimit does), and leaves them running whatever ends it but SIGKILL; then a lease tells whom to
let go on. Linux; it imports nothing of the package, so that it is there at once.
"""

import contextlib
import os
import select
import signal
import sys

PERIOD = 0.1
"""Seconds of one turn of stop and go."""


def family(pid: int) -> list[int]:
    """Return a process and its descendants (proc_pid_task(5), ``children``)."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{each}/task"):  # noqa: PTH208 - a program that starts at once
                with open(f"/proc/{each}/task/{thread}/children", encoding="ascii") as file:  # noqa: PTH123
                    found.extend(int(child) for child in file.read().split())
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Signal processes, those that are gone left out."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def throttle(pid: int, share: float) -> None:
    """Stop and go until standard input ends."""
    going = share * PERIOD
    try:
        while not select.select([sys.stdin], [], [], going)[0]:
            send(family(pid), signal.SIGSTOP)
            over = select.select([sys.stdin], [], [], PERIOD - going)[0]
            send(family(pid), signal.SIGCONT)
            if over:
                return
    finally:
        send(family(pid), signal.SIGCONT)


def main(words: list[str]) -> None:  # pragma: no cover - in a process of its own
    """Throttle until told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us: then our input ends
    throttle(int(words[0]), float(words[1]))


if __name__ == "__main__":  # pragma: no cover - in a process of its own
    main(sys.argv[1:])
