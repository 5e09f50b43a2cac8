"""What a run of faults may leave on this machine, and how it is found."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from toolkit.leases.store import LeaseStore
from toolkit.services.engine import LEASE_LABEL, connected, labelled_leases
from toolkit.services.environment import Environment
from toolkit.services.processes import collect_ended, inside, marked

EXAMPLE = Path(__file__).parents[1] / "docs" / "example"


class Surroundings:
    """What a run may leave behind: folders of its own, and what the machine has only once."""

    def __init__(self, folder: Path, host: str) -> None:
        self._host = host
        self._words: set[str] = set()
        self.project, self.temporary, self.state = (folder / name for name in ("project", "tmp", "state"))
        for each in (self.project, self.temporary):
            each.mkdir()
        shared = Path("/dev/shm")
        self.data = Path(tempfile.mkdtemp(prefix="chaos-", dir=shared if shared.is_dir() else folder))
        self.data.chmod(0o711)  # a server that runs as another user passes through
        self._before = self.shared()

    def environ(self, runtime: str, folder: Path) -> dict[str, str]:
        """Return the environment of the toolkit and of its servers."""
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        return {
            **kept,
            "PATH": f"{folder}{os.pathsep}{kept.get('PATH', '')}" if runtime == "embedded" else kept["PATH"],
            "PYTHONPATH": str(EXAMPLE / "src"),
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "TMPDIR": str(self.temporary),
            "TOOLKIT_DATA_HOME": str(self.data),
            "TOOLKIT_STATE_HOME": str(self.state),
        }

    def shared(self) -> set[str]:
        """Return what others use too: rules of the network, and shared memory that no process has."""
        found = {f"shared memory {name}" for name in forgotten_memory()}
        for command in (
            ["iptables-save"],
            ["ip6tables-save"],
            ["tc", "qdisc", "show"],
            ["tc", "filter", "show"],
        ):
            if shutil.which(command[0]):
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                found |= {f"{command[0]}: {line}" for line in done.stdout.splitlines() if self._counts(line)}
        return found

    def _counts(self, rule: str) -> bool:
        """Tell whether a rule is no remark and not what the engine has for somebody else's containers."""
        of_engine = any(word in rule for word in ("br-", "veth", "DOCKER", "docker0", "172.", "192.168."))
        return not rule.startswith(("#", ":")) and (
            not of_engine or any(word in rule for word in self._words)
        )

    def note(self, environment: Environment, store: LeaseStore) -> None:
        """Note by what the engine's rules for our containers are known: ports and bridges."""
        self._words |= {
            f"--dport {each.port} " for each in environment.endpoints if each.runtime == "compose"
        }
        if self._host:
            with connected(self._host, timeout=60) as client:
                for lease in store.leases():
                    filters = {"label": f"{LEASE_LABEL}={lease.id}"}
                    self._words |= {f"br-{each.id[:12]}" for each in client.networks.list(filters=filters)}
            if not self.shared() - self._before:
                raise RuntimeError("the rules of our own containers are not recognised")

    def left_over(self, store: LeaseStore, leases: list[str]) -> list[str]:
        """Return what is still there when everything should be gone."""
        collect_ended()
        found = [f"lease {lease.kind} {lease.name}" for lease in store.leases()]
        found += [f"process {pid}" for lease in leases for pid in marked(lease)]
        for folder in (self.project, self.temporary, self.data):
            found += [f"process {pid} in {folder}" for pid in inside(folder)]
            found += [f"file {path}" for path in folder.rglob("*") if ".toolkit" not in path.parts]
        if self._host:
            with connected(self._host) as client:
                found += [f"on the engine: {lease}" for lease in labelled_leases(client) if lease in leases]
        return found + sorted(self.shared() - self._before)

    def close(self) -> None:
        shutil.rmtree(self.data)


def forgotten_memory() -> set[str]:
    """Return the files of PostgreSQL in shared memory that no process has mapped."""
    there = {path.name for path in Path("/dev/shm").glob("PostgreSQL.*")}
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            text = maps.read_text(encoding="utf-8", errors="replace")
            there -= {name for name in there if name in text}
    return there
