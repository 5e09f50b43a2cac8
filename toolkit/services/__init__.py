"""Where real servers run: in containers, as processes from local binaries, or elsewhere by URL.

``with services.running(config, names) as environment:`` in ``provisioning`` is the way in.
``runtime = "embedded"`` is ``embedded.py``, and so on; ``servers/`` has one file per kind of server.
"""
