"""Which tests need not be traced when everything runs: those whose recorded dependencies still hold.

It is the argument of selection once more: nothing that such a test depends on has changed, so it does what it
did when it was traced. New, changed, recently failed and flaky tests are traced, as selection would run them;
and in each run some others by turns, so that no record grows old.
"""

import math
from collections.abc import Mapping, Sequence
from zlib import crc32

from toolkit.impact.inputs import CaseRecord
from toolkit.impact.policy import FULL_MODES, PastRun
from toolkit.impact.selection import Selection
from toolkit.records import NodeId


def untraced(
    selection: Selection, known: Mapping[NodeId, CaseRecord], share: float, past: Sequence[PastRun]
) -> frozenset[NodeId]:
    """Return the tests of a run of everything that are not traced.

    Args:
        selection: what would be left out.
        known: every recorded test.
        share: of these tests that are traced all the same, those first that were not for the longest time.
        past: earlier runs, oldest first.
    """
    last = next((run for run in reversed(past) if run.mode in FULL_MODES), None)
    if last is not None and last.missed:  # records have proved wrong
        return frozenset()
    still = [known[test] for test in selection.would_leave_out if known[test].traced]
    still.sort(key=lambda record: (record.traced, crc32(record.test.encode("utf-8", "replace"))))
    return frozenset(record.test for record in still[math.ceil(share * len(still)) :])
