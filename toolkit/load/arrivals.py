"""When which request is due: known beforehand, so that a slow server cannot slow its own measurement down.

A generator that waits for an answer before it sends the next request asks less the slower the server is, and
leaves out just what would have been slow: coordinated omission (Gil Tene, "How NOT to measure latency"). Here
requests are due by the clock. It imports nothing of the package: the generator loads it.
"""

import bisect
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def due_times(
    *, rate: float, ramp: float, duration: float, poisson: bool, dice: random.Random, first: float = 0.0
) -> Iterator[float]:
    """Yield the seconds from the beginning at which requests are due.

    The rate grows evenly from 0 to ``rate`` within ``ramp`` seconds: the n-th request of the ramp is due when
    rate x t^2 / (2 x ramp) = n.

    Args:
        rate: requests per second after the ramp.
        ramp: seconds.
        duration: seconds after the ramp.
        poisson: at random (exponential distances), or evenly spaced.
        dice: where chance comes from.
        first: of the first request, in requests: processes that share a rate begin apart.
    """
    count = first
    while True:
        count += dice.expovariate(1.0) if poisson else 1.0
        in_ramp = count <= rate * ramp / 2
        due = math.sqrt(2 * ramp * count / rate) if in_ramp else ramp / 2 + count / rate
        if due > ramp + duration:
            return
        yield due


class Chooser:
    """Draws actions by their weights, with their values filled in."""

    def __init__(self, actions: Sequence[Mapping[str, Any]], dice: random.Random) -> None:
        self._actions, self._dice = actions, dice
        self._sums = list(itertools.accumulate(float(each["weight"]) for each in actions))

    def draw(self) -> tuple[Mapping[str, Any], str, bytes]:
        """Return an action, its path and its body."""
        action = self._actions[bisect.bisect(self._sums, self._dice.random() * self._sums[-1])]
        values = {name: self._dice.choice(list(given)) for name, given in action["values"].items()}
        body = b"" if action["json"] is None else json.dumps(filled(action["json"], values)).encode()
        return action, action["path"].format(**values), body


def filled(value: Any, values: Mapping[str, object]) -> Any:
    """Fill ``{name}`` in every text of a JSON value; a text that is nothing else becomes the value itself."""
    if isinstance(value, dict):
        return {key: filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, values) for each in value]
    if isinstance(value, str):
        for name, one in values.items():
            if value == f"{{{name}}}":
                return one
            value = value.replace(f"{{{name}}}", str(one))
    return value
