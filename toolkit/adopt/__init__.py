"""Adopting the toolkit in an existing project: what is there, what is to be written, what the machine can do.

``layout`` looks at the project, ``needs`` at what its tests import, ``surroundings`` at the servers that they
talk to; ``files`` turns that into texts, ``writing`` into steps, shown first and then done. ``doctor`` looks
at the machine. Nothing here overwrites, and nothing of the project is executed.
"""
