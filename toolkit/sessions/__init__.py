"""Front door: nox. One session per profile and Python, from the table in ``pyproject.toml``.

A project's noxfile calls :func:`add_profile_sessions`. One file per step of a session: ``profiles`` (declares
them, and reads as the list of steps), ``requirements`` and ``origin`` (what is installed), ``command`` and
``targets`` (what is run), ``measuring`` (coverage), ``recording`` (journals into history), ``summary`` (what
is printed).
"""

from toolkit.sessions.profiles import add_profile_sessions

__all__ = ["add_profile_sessions"]
