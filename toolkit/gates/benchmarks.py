"""What the gates say of single benchmarks, for the dashboard: their limits, and the last comparison."""

import msgspec

from toolkit.config import Config
from toolkit.gates.inputs import RUN_PAIRED, read_document
from toolkit.gates.interleaving import RESULT
from toolkit.gates.pairing import Paired, compare
from toolkit.gates.performance import limit_of
from toolkit.gates.verdicts import Absent
from toolkit.reports.dashboard.benchmarks import Judged
from toolkit.reports.dashboard.facts import Compared


def judged_benchmarks(config: Config) -> Judged:
    """Read the last comparison, of whatever code it is, and tell what each benchmark may take."""
    return Judged(limit=lambda name: _limit(name, config), compared=_compared(config))


def _limit(name: str, config: Config) -> float | None:
    off = {"performance", "performance.absolute"}.intersection(config.gates.off)
    return None if off else limit_of(name, config.gates) / 1000


def _compared(config: Config) -> dict[str, Compared]:
    found = read_document(
        config.reports_dir / RESULT,
        config.root,
        lambda told: msgspec.convert(told, Paired),
        remedy=RUN_PAIRED,
    )
    if isinstance(found, Absent):
        return {}
    blocks = {name: row for name, row in found.blocks.items() if row}
    return {
        name: Compared(
            base=found.base, head=found.head, ratio=one.ratio, low=one.low, high=one.high, noise=one.noise,
            slower=one.slower,
        )
        for name, one in compare(blocks, slowdown=config.gates.slowdown).items()
    }  # fmt: skip
