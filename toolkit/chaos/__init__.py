"""Breaking real servers on purpose, with proof that everything comes back.

``files``: scenarios as TOML; ``experiments``: a steady state that holds before, a fault, the time until it
holds again. How a server is broken and mended is in ``services.faults``.
"""
