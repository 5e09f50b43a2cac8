"""What measuring a block costs, and how far what it tells is from the truth.

    uv run benchmarks/performance.py [--json] [--repeat 300]

* cost: an empty block, without and with following Python's objects, in microseconds of CPU and wall time;
* CPU: a loop until the process's own clock has moved by a given time; a child process that does the same;
* memory: blocks that take and give back a known number of bytes (resident, then of Python's objects);
* I/O: a file of known size written and read.

Errors are printed in percent of the truth (median and worst).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from toolkit.performance.tracking import Tracker
from toolkit.performance.usage import Usage

MB = 1_000_000


def used(tracker: Tracker, body: Callable[[], object], *, traced: bool = False) -> Usage:
    with tracker.block(traced=traced) as block:
        body()
    assert block.usage is not None
    return block.usage


def cost(tracker: Tracker, repeat: int, *, traced: bool) -> dict[str, float]:
    """Return the microseconds of an empty block."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        used(tracker, lambda: None, traced=traced)
    scale = 1e6 / repeat
    return {"wall_us": (time.perf_counter() - wall) * scale, "cpu_us": (time.process_time() - cpu) * scale}


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def child(seconds: float) -> None:
    program = f"import time\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-S", "-c", program], check=True)


def errors(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return the error in percent of the truth: (told, truth)."""
    found = [abs(told - truth) / truth * 100 for told, truth in pairs]
    return {"median_percent": statistics.median(found), "worst_percent": max(found)}


def accuracy(tracker: Tracker) -> dict[str, dict[str, float]]:
    cpu = [(used(tracker, lambda s=s: burn(s)).cpu, s) for s in (0.02, 0.05, 0.1, 0.2) for _ in range(3)]
    children = [
        (used(tracker, lambda s=s: child(s)).children_cpu, s) for s in (0.1, 0.2, 0.3) for _ in range(2)
    ]
    floor = used(tracker, lambda: None).peak_memory
    sizes = [10 * MB, 50 * MB, 200 * MB]
    resident = [
        (used(tracker, lambda n=n: bytearray(n)).peak_memory - floor, n) for n in sizes for _ in range(3)
    ]
    objects = [(used(tracker, lambda n=n: bytearray(n), traced=True).traced or 0, n) for n in sizes]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        written = [(used(tracker, lambda n=n: file.write_bytes(bytes(n))).written, n) for n in (MB, 10 * MB)]
        read = [(used(tracker, file.read_bytes).read, 10 * MB)]
    truths = {
        "cpu": cpu,
        "cpu of a child": children,
        "peak resident memory": resident,
        "python objects": objects,
        "written": written,
        "read": read,
    }
    return {
        name: errors([(float(told), float(truth)) for told, truth in pairs]) for name, pairs in truths.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--repeat", type=int, default=300, help="empty blocks (300)")
    chosen = parser.parse_args()
    tracker = Tracker()
    result = {
        "cost": {
            "plain": cost(tracker, chosen.repeat, traced=False),
            "traced": cost(tracker, max(10, chosen.repeat // 10), traced=True),
        },
        "errors": accuracy(tracker),
    }
    tracker.close()
    if chosen.json:
        print(json.dumps(result, indent=1))
        return
    for name, row in result["cost"].items():
        print(f"an empty block, {name}: {row['wall_us']:.0f} us wall, {row['cpu_us']:.0f} us CPU")
    for name, row in result["errors"].items():
        print(f"{name}: off by {row['median_percent']:.2f} % (median), {row['worst_percent']:.2f} % (worst)")


if __name__ == "__main__":
    main()
