"""Do the commands that begin README and CONTRIBUTING work on a bare system, from a clone? Linux, as root.

    uv run benchmarks/bare_machine.py [--path demo contribute] [--json]

The system has Python, git and nothing else (``.ci/bare-root``), a user without rights and an empty home. What
is typed is read from the pages. The suite follows README's second half there (tests/e2e); this is the part
that takes minutes, since it installs everything that development needs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.bare_system import HOME, ROOT, USER, make_system

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def shell_block(text: str) -> list[str]:
    """Return the commands of the first shell block of a text."""
    body = re.search(r"^```shell\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    return [line.partition("  #")[0].rstrip() for line in body[1].splitlines()]


def paths() -> dict[str, list[str]]:
    """Return what the pages say, by the name of the path through them."""
    guarded = re.search(r"begin with\n`([^`]+)`", README)
    assert guarded is not None
    (demo,) = [line for line in shell_block(README) if line.endswith("nox -s demo")]
    parts = shell_block(CONTRIBUTING.partition("Step by step:")[2])
    return {"demo": [guarded[1], demo], "contribute": [guarded[1], "pip install uv", *parts]}


def clone_of_this_tree(folder: Path) -> Path:
    """Return a repository that the new user may clone: what is committed here."""
    made = folder / "repository.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--no-hardlinks", ROOT, made], check=True)
    for place, _, files in os.walk(made):
        for name in ("", *files):
            os.chown(Path(place) / name, USER, USER)
    return made


def follow(commands: list[str], folder: Path, seconds: float) -> dict[str, object]:
    """Type the commands on a system of their own."""
    wheels = folder / "wheels"
    wheels.mkdir()
    repository = clone_of_this_tree(folder)
    system = make_system(folder / "system", wheels)
    (system.root / repository.relative_to("/")).mkdir(parents=True)
    system = msgspec.structs.replace(system, lent=(*system.lent, str(repository)))
    typed = [f"git clone -q {repository} nox-invoke-toolkit", "cd nox-invoke-toolkit", *commands]
    began = time.monotonic()
    done = system.run("set -e\n" + "\n".join(typed), folder=HOME, timeout=seconds)
    return {
        "typed": commands,
        "python": system.python,
        "exit_code": done.returncode,
        "seconds": round(time.monotonic() - began, 1),
        "passed": [int(count) for count in re.findall(r"= (\d+) passed\b", done.stdout)],
        "shown": done.stdout if done.returncode else done.stdout[-1500:],
    }


def main() -> int:
    """Follow the paths that the command line asks for; exit code 1 when a command failed."""
    known = paths()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", nargs="+", choices=known, default=list(known))
    parser.add_argument("--seconds", type=float, default=1800, help="until one is given up (1800)")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args()
    found = {}
    for name in options.path:
        with tempfile.TemporaryDirectory(prefix="bare-machine-") as folder:
            Path(folder).chmod(0o755)
            found[name] = follow(known[name], Path(folder), options.seconds)
        if not options.json:
            print("\n".join(f"{key:10} {value}" for key, value in {"path": name, **found[name]}.items()))
    if options.json:
        print(json.dumps(found, indent=2))
    return int(any(row["exit_code"] for row in found.values()))


if __name__ == "__main__":
    sys.exit(main())
