"""Front door: invoke. One module per namespace.

A project's ``tasks.py`` is one line: ``from toolkit.tasks import ns``.
"""

from invoke.collection import Collection

ns = Collection()
"""All namespaces: ``reports.*``, ``history.*`` …"""
