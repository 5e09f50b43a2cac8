"""Front door: nox. One session per profile and Python, from the table in ``pyproject.toml``.

A project's noxfile calls :func:`add_profile_sessions`. One file per step of a session:

.. code-block:: text

    profiles       declares the sessions; the body reads as the list of the steps
    requirements   what is installed: the project, what its tests need, the toolkit
    origin         where the running toolkit came from, so that the same is installed
    providing      the real servers of a profile
    command        the pytest command, every setting a visible argument
    targets        which files and folders it names
    measuring      the coverage settings of a run
    running        pytest as a process, its exit code
    recording      journals → history, whoever was killed
    reporting      the reports of a session and of all of this nox command
    coverage       the session that judges the coverage of all
    summary        what a session says at its end
    queueing       sessions that run after others
    checks         lint, typecheck, audit, docs, build, gates
    audit          risky code, known vulnerabilities
    fuzz           random requests by the API's own document
    load           load scenarios on the project's running server
    gates          may this be merged
    tools          what the checks install, and how they run
    guarding       errors end a session with their message
    naming         "unknown session" lists the valid ones
"""

from toolkit.sessions.guarding import show_errors_plainly
from toolkit.sessions.profiles import add_profile_sessions

__all__ = ["add_profile_sessions"]

show_errors_plainly()  # at import: a noxfile calls load_config() before anything of this package
