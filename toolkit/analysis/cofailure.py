"""How much a change concerns a test: which tests failed when these files were changed before.

The association of a changed file with a test is the share of earlier changes of the file after which the test
failed, with one change without a failure as the prior. A test whose own file changed is concerned
fully. Co-occurrence of changes and failures for prioritization: Anderson, Salem and Do 2014 ("Improving the
effectiveness of test suite through mining historical data").
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from toolkit.records import NodeId


class CoFailures:
    """What changed and what failed, learned run by run in order of time."""

    def __init__(self) -> None:
        self._changes: Counter[str] = Counter()
        self._failures: dict[str, Counter[NodeId]] = defaultdict(Counter)

    def learn(self, changed: Collection[str], failed: Collection[NodeId]) -> None:
        """Take in one run: the files that changed since the run before, and the tests that failed in it."""
        for file in changed:
            self._changes[file] += 1
            self._failures[file].update(failed)

    def touched(self, tests: Iterable[NodeId], changed: Collection[str]) -> dict[NodeId, float]:
        """Return, of the tests that these changes concern, how much: 0 … 1."""
        files = frozenset(changed)
        return {
            test: share
            for test in tests
            if (share := 1.0 if test.partition("::")[0] in files else self._share(test, files))
        }

    def _share(self, test: NodeId, files: Iterable[str]) -> float:
        known = (file for file in files if file in self._failures)
        return max((self._failures[file][test] / (self._changes[file] + 1) for file in known), default=0.0)
