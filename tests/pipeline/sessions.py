"""Stands where Nox stands: takes ``--session NAME --report FILE`` and does what the name says, fast.

The words of a name, separated by ``+``: ``fail``, ``skip``, ``die``, ``wait`` (until it is interrupted),
``deaf`` (and does not listen to that), ``child`` (leaves a process in a session of its own), ``once`` (fails
unless the file ``again`` is there), ``say``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    name = sys.argv[sys.argv.index("--session") + 1]
    report = Path(sys.argv[sys.argv.index("--report") + 1])
    words = name.split("+")
    Path(f"began-{name}").touch()
    if "child" in words:
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True
        )
        Path("child.pid").write_text(str(child.pid))
    if "deaf" in words:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        Path("deaf").touch()
    if "wait" in words or "deaf" in words:
        time.sleep(60)
    if "die" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "say" in words:
        url = os.environ.get("API_URL", "nobody")
        sys.stdout.write(f"something was said, by {os.environ['TOOLKIT_BUILD']} {url}\n")
    result = "failed" if "fail" in words or ("once" in words and not Path("again").exists()) else "success"
    result = "skipped" if "skip" in words else result
    report.write_text(json.dumps({"sessions": [{"name": name, "result": result, "signatures": [name]}]}))
    return int(result == "failed")


sys.exit(main())
