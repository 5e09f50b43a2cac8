"""A system of its own with Python and git and nothing else, for tests that act as somebody new (Linux, root).

Its root comes from ``.ci/bare-root``; commands run in it with a mount and a process namespace of their own,
as a user without rights and with an empty home. Of this machine it gets what says where packages come from:
the settings of pip, the files that they name (read-only), certificates and the names of hosts.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[1]

HOME = Path("/home/new")
USER = 1000

APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
"""Starts a command in a mount and a process namespace of its own."""

INSTALLER = (
    "PIP_",
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "SSL_",
    "REQUESTS_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
"""Starts of the variables that say where packages come from, in capitals; proxies are written in both."""

PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
"""Where pip looks for settings: https://pip.pypa.io/en/stable/topics/configuration/"""

LENT = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs")


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A root that was unpacked, and how to work in it."""

    root: Path
    python: str
    """Version of its Python, such as "3.11"."""
    environ: Mapping[str, str]
    lent: tuple[str, ...]
    """Files and folders of this machine that are seen in it, at the same place and read-only."""

    def run(
        self, script: str, *, folder: Path = HOME, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell as the new user; when it ends, whatever it started has ended.

        Args:
            script: what the user types.
            folder: where, inside.
            timeout: seconds.
        """
        user = ["chroot", f"--userspec={USER}:{USER}", "--groups=", str(self.root), "/usr/bin/env", "-i"]
        variables = [f"{name}={value}" for name, value in self.environ.items()]
        inside = [*user, *variables, "/bin/sh", "-c", f"cd {shlex.quote(str(folder))} || exit 125\n{script}"]
        outside = f"set -e\n{''.join(self._mounts())}exec {shlex.join(inside)}"
        return subprocess.run(
            [*APART, "sh", "-c", outside],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def _mounts(self) -> Iterator[str]:
        """Yield the commands that mount what is seen inside; they are gone with the namespace."""
        yield f"mount -t proc proc {shlex.quote(f'{self.root}/proc')}\n"
        yield f"mount -t tmpfs -o mode=1777 tmpfs {shlex.quote(f'{self.root}/dev/shm')}\n"
        for place in self.lent:
            inside = shlex.quote(f"{self.root}{place}")
            yield f"mount --bind {shlex.quote(place)} {inside}\nmount -o remount,bind,ro {inside}\n"

    def write(self, path: Path, text: str) -> None:
        """Write a file as the new user; ``path`` as seen inside."""
        file = self.root / path.relative_to("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        for place in (file, *file.parents):
            if place == self.root / HOME.relative_to("/").parent:
                break
            os.chown(place, USER, USER)


def needed() -> None:
    """Go on only where a system can be made; in CI that is a failure, elsewhere a skip that says more."""
    lacks = [name for name in ("unshare", "chroot", "mount", "tar") if shutil.which(name) is None]
    if not lacks and os.geteuid() != 0:
        lacks.append("the rights of root")
    if not lacks and subprocess.run([*APART, "true"], capture_output=True, check=False).returncode:
        lacks.append("namespaces for mounts and processes (unshare is refused here)")
    if not lacks:
        return
    message = f"a bare system needs {', '.join(lacks)}"
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def make_system(folder: Path, wheels: Path) -> System:
    """Unpack a bare system.

    Args:
        folder: where; whoever calls removes it.
        wheels: packages that are found beside those of the index.
    """
    made = subprocess.run([ROOT / ".ci" / "bare-root"], capture_output=True, text=True, check=False)
    if made.returncode:
        message = f"no bare system can be made: {made.stderr.strip()}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder, "-f", made.stdout.strip()], check=True)
    with (folder / "etc" / "passwd").open("a", encoding="utf-8") as users:
        users.write(f"new:x:{USER}:{USER}::{HOME}:/bin/sh\n")
    home = folder / HOME.relative_to("/")
    home.mkdir(parents=True)
    os.chown(home, USER, USER)
    settings = _pip_settings(folder)
    found = f"{wheels} {settings.get('PIP_FIND_LINKS', '')}".strip()
    environ = {
        **settings,
        "PIP_FIND_LINKS": found,
        "HOME": str(HOME),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }
    lent = tuple(_lent(folder, [*environ.values(), *_texts()], wheels))
    (python,) = {path.name for path in (folder / "usr" / "bin").glob("python3.*[0-9]")}
    return System(root=folder, python=python.removeprefix("python"), environ=environ, lent=lent)


def _pip_settings(folder: Path) -> dict[str, str]:
    """Copy what configures pip on this machine; return the variables that do.

    A file of this user is given as PIP_CONFIG_FILE, so that the home of the new one stays empty.
    """
    environ = {name: value for name, value in os.environ.items() if name.upper().startswith(INSTALLER)}
    for place in map(Path, PIP_FILES):
        known = place.expanduser()
        if known.is_file():
            inside = Path("/etc/pip-of-the-user.conf") if known != place else place
            (folder / inside.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(known, folder / inside.relative_to("/"))
            if known != place:
                environ.setdefault("PIP_CONFIG_FILE", str(inside))
    return environ


def _texts() -> Iterator[str]:
    for place in (Path(name).expanduser() for name in (*PIP_FILES, os.environ.get("PIP_CONFIG_FILE", ""))):
        if place.is_file():
            yield place.read_text(encoding="utf-8", errors="replace")


def _lent(folder: Path, texts: list[str], wheels: Path) -> Iterator[str]:
    """Yield what is to be seen inside, after making a place for it: what settings name and is here."""
    named = re.findall(r"(?:file://|(?<=[\s='\"]))(/[^\s'\",;]+)", " " + "\n ".join(texts))
    named = [
        name.removesuffix("/").removesuffix("/simple") for name in named
    ]  # files of an index lie beside it
    for place in dict.fromkeys([str(wheels), *LENT, *named]):
        source, inside = Path(place), folder / Path(place).relative_to("/")
        known = inside.exists() and place.startswith(("/usr/", "/bin/", "/lib", "/home"))
        if not source.exists() or known or any(place.startswith(f"{above}/") for above in LENT):
            continue
        (inside if source.is_dir() else inside.parent).mkdir(parents=True, exist_ok=True)
        if source.is_file() and not inside.is_symlink():
            inside.touch()
        yield place
