"""Ctrl-C and SIGTERM as a question that a loop can ask, so that nothing is interrupted half-way."""

import contextlib
import signal
import threading
from collections.abc import Iterator

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""What ends a pipeline; the last one is that of Windows."""


class Stop:
    """Which signal has come, and how often."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.times = 0

    def __call__(self, number: int, _frame: object = None) -> None:
        """Take note of a signal; this is its handler."""
        self.signal = self.signal or signal.Signals(number)
        self.times += 1

    @property
    def exit_code(self) -> int:
        """What a shell reports of a process that this signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return 0 if self.signal is None else 128 + self.signal


@contextlib.contextmanager
def listening() -> Iterator[Stop]:
    """Take note of signals instead of dying of them. They reach the main thread alone."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
