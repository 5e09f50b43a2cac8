"""Does the load part measure the truth? Against hey, and against a server that stalls.

    uv run benchmarks/load.py [--json] [--rate 50] [--seconds 10] [--repeat 3]

* agreement: a server whose times are known (19 of 20 answers after 20 ms, one after 200 ms) is asked at a
  rate that both can hold, in turns by ours and by hey (apt install hey): rate and 99th percentile;
* coordinated omission: the same server stalls for 1 s every 10 s. The truth is computed from the arrivals;
  ours is shown beside hey, which waits for answers;
* what the client itself used, and how late it sent.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.load.running import run_load
from toolkit.load.scenarios import Action, Expected, LoadScenario

SERVER = """
import asyncio, sys, time
stalls = sys.argv[1] == "stalls"
count = 0
async def serve(reader, writer):
    global count
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            count += 1
            await asyncio.sleep(0.2 if count % 20 == 0 else 0.02)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(9 if stalls else 3600)
        time.sleep(1)
asyncio.run(main())
"""


@contextmanager
def serving(kind: str) -> Iterator[str]:
    """Run the server; yield its address."""
    child = subprocess.Popen([sys.executable, "-c", SERVER, kind], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}/"
    finally:
        child.kill()
        child.communicate()


def ours(url: str, rate: float, seconds: float) -> dict[str, float]:
    """Measure with the toolkit."""
    scenario = LoadScenario(
        actions=(Action(name="get", path="/"),), rate=rate, duration=seconds, ramp=1, expect=Expected()
    )
    result = run_load(scenario, url)
    return {
        "rate": result.throughput,
        "p99_ms": result.all.p99_ms,
        "client_share": result.client_share,
        "late_p99_ms": result.late_p99_ms,
    }


def heys(url: str, rate: float, seconds: float) -> dict[str, float]:
    """Measure with hey: 25 connections, each sends at most its part of the rate."""
    command = ["hey", "-z", f"{seconds:g}s", "-c", "25", "-q", str(rate / 25), url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found_rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%+ in ([\d.]+) secs", text)
    assert found_rate, text
    assert p99, text
    return {"rate": float(found_rate[1]), "p99_ms": float(p99[1]) * 1000}


def stalled_p99(rate: float, seconds: float) -> float:
    """Return the p99 in milliseconds that arrivals by the clock see when 1 s of 10 s is a stall."""
    waits = [max(0.0, 1 - (number / rate % 10)) * 1000 + 20 for number in range(int(rate * seconds))]
    return sorted(waits)[int(len(waits) * 0.99)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--rate", type=float, default=50, help="requests per second (50)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (10)")
    parser.add_argument("--repeat", type=int, default=3, help="turns of each (3)")
    chosen = parser.parse_args()
    if shutil.which("hey") is None:
        sys.exit("hey is not installed: apt install hey")
    rows: dict[str, list[dict[str, float]]] = {"ours": [], "hey": []}
    with serving("steady") as url:
        for _ in range(chosen.repeat):
            rows["ours"].append(ours(url, chosen.rate, chosen.seconds))
            rows["hey"].append(heys(url, chosen.rate, chosen.seconds))
    steady = {
        who: {key: statistics.median(row[key] for row in found) for key in found[0]}
        for who, found in rows.items()
    }
    with serving("stalls") as url:
        stalled = {"ours": ours(url, chosen.rate, 30), "hey": heys(url, chosen.rate, 30)}
    result = {
        "steady": steady,
        "stalled": stalled,
        "rate_ratio": steady["ours"]["rate"] / steady["hey"]["rate"],
        "p99_ratio": steady["ours"]["p99_ms"] / steady["hey"]["p99_ms"],
        "stalled_truth_p99_ms": stalled_p99(chosen.rate, 30),
    }
    if chosen.json:
        print(json.dumps(result, indent=1))
        return
    for kind in ("steady", "stalled"):
        for who, row in result[kind].items():  # type: ignore[attr-defined]
            print(f"{kind:8s} {who:5s} " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()))
    print(f"ours / hey: rate {result['rate_ratio']:.3f}, p99 {result['p99_ratio']:.3f} (truth: 200 ms)")
    print(f"with stalls: truth by the clock p99 about {result['stalled_truth_p99_ms']:.0f} ms")


if __name__ == "__main__":
    main()
