"""The real servers of a profile: up before pytest, down after it, whatever happens."""

import contextlib
import os
from collections.abc import Iterator

import nox

from toolkit.config import Config, Profile
from toolkit.services.environment import redacted
from toolkit.services.provisioning import running
from toolkit.sessions.tools import installs_only


@contextlib.contextmanager
def provided(session: nox.Session, config: Config, profile: Profile) -> Iterator[dict[str, str]]:
    """Provide the services that a profile names and yield their URLs by variable, as a CI gives them.

    An environment of the same services that ``services.up`` keeps is used and left up. The session's own
    programs come first on PATH: the server of the project itself is installed there and nowhere else.
    """
    if not profile.services or installs_only(session):
        yield {}
        return
    path = os.pathsep.join([*(session.bin_paths or ()), os.environ.get("PATH", "")])
    environ = {**os.environ, **profile.env, "PATH": path}
    with running(
        config, profile.services, reuse=True, run=session.name, environ=environ, say=session.log
    ) as up:
        for variable, url in up.urls.items():
            session.log(f"{variable}={redacted(url)}")
        yield up.urls
