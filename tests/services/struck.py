"""Brings services up and strikes itself at its n-th step: struck.py STATE PROJECT N SIGNAL RUNTIME NAME...

A step is a line of progress, or a moment before or after a lease is written. N = 0: never.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from toolkit.config import parse_config
from toolkit.leases.store import Lease, LeaseStore
from toolkit.services.provisioning import running

SERVICES = {"tool": {"toolkit": {"services": {"queue": {"kind": "redis", "variable": "QUEUE_URL"}}}}}


class Steps:
    """Counts steps, from any thread, and strikes at one of them."""

    def __init__(self, fatal: int, number: int) -> None:
        self.seen = 0
        self._fatal = fatal
        self._number = number
        self._guard = threading.Lock()

    def __call__(self) -> None:
        with self._guard:
            self.seen += 1
            if self.seen == self._fatal:
                os.kill(os.getpid(), self._number)

    def say(self, line: str) -> None:
        """Print a line of progress; it is a step."""
        print(line, flush=True)
        self()


class Struck(LeaseStore):
    """Lease files with a step before and after each is written."""

    step: Steps

    def _write(self, lease: Lease) -> Lease:
        self.step()  # nothing is written down yet
        written = super()._write(lease)
        self.step()  # written down, not created
        return written


def main() -> None:
    """Bring up, take down, and say that nothing happened."""
    state, project, fatal, how, runtime, *names = sys.argv[1:]
    config = parse_config(SERVICES, root=Path(project), environ={})
    step = Steps(int(fatal), getattr(signal, how))
    with Struck(Path(state)) as store:
        store.step = step
        with running(config, names, runtime=runtime, store=store, say=step.say):  # type: ignore[arg-type]
            step()
            if os.environ.get("STAY"):
                print("staying", flush=True)
                time.sleep(60)
    print("unharmed", flush=True)


if __name__ == "__main__":
    main()
