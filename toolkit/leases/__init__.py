"""Who owns what was created, and is the owner alive.

Whoever creates a thing that outlives a crash (a server process, a folder, a container, a database) writes a
lease first, so that ``kill -9`` at any moment leaves a trace. A sweep releases what dead owners left and
nothing else. ``locks``: the kernel's proof of life; ``owners``: identity and liveness; ``store``: the files;
``sweeping``: releasing what dead owners left.
"""
