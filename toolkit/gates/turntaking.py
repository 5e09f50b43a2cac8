"""One process's side of a comparison: a pytest plugin that runs benchmarks when it is told to.

This file is copied beside the tests of every arm, so it imports nothing but the standard library, and
pytest-benchmark when it is a plugin. See :mod:`toolkit.gates.lockstep` for the other side.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Once = Callable[[], float]
"""Runs the benchmark once and returns what it took."""
TIMERS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


class Turns:
    """The connection to the process that says whose turn it is."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = ("127.0.0.1", int(environ["TOOLKIT_TURN_PORT"]))
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rw", encoding="utf-8", newline="\n")
        self.timer = TIMERS[environ["TOOLKIT_TURN_TIMER"]]
        self._say({"arm": environ["TOOLKIT_TURN_ARM"], "key": environ["TOOLKIT_TURN_KEY"]})

    def take(self, name: str, once: Once) -> None:
        """Run a benchmark as often as asked, in turns, until the other side has had enough."""
        self._say({"begin": name})
        while (loops := int(self._stream.readline() or 0)) > 0:
            self._say({"seconds": sum(once() for _ in range(loops))})

    def close(self) -> None:
        """End, and tell which modules were imported from where."""
        modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        self._say({"modules": {name: file for name, file in modules.items() if isinstance(file, str)}})
        self._stream.close()
        self._socket.close()

    def _say(self, message: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(message) + "\n")
        self._stream.flush()


def timed(timer: Callable[[], float], function: Callable[[], object]) -> Once:
    """Make what :meth:`Turns.take` wants of a function."""

    def once() -> float:
        start = timer()
        function()
        return timer() - start

    return once


def pytest_configure(config: Any) -> None:
    """Replace the two ways in which a test starts a benchmark."""
    from pytest_benchmark.fixture import BenchmarkFixture

    turns = Turns(os.environ)
    config.add_cleanup(turns.close)

    def call(self: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._mode = "benchmark(...)"
        result = function(*args, **kwargs)
        turns.take(self.fullname, timed(turns.timer, lambda: function(*args, **kwargs)))
        return result

    def pedantic(  # noqa: PLR0917 - the signature of pytest-benchmark
        self: Any,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        setup: Any = None,
        teardown: Any = None,
        **_counts: Any,
    ) -> Any:
        self._mode = "benchmark.pedantic(...)"
        result: Any = None

        def once() -> float:
            nonlocal result
            args_, kwargs_ = (setup() if setup else None) or (args, kwargs or {})
            start = turns.timer()
            result = target(*args_, **kwargs_)
            seconds = turns.timer() - start
            if teardown:
                teardown(*args_, **kwargs_)
            return seconds

        once()
        turns.take(self.fullname, once)
        return result

    patched: Any = BenchmarkFixture
    patched.__call__ = call
    patched.pedantic = pedantic
