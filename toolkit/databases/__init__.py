"""What tests do to a PostgreSQL server: databases of their own, cloned from a template, always cleaned up.

``server``: connections, URLs, what is a test server. ``marks``: who owns a database, recorded in the server.
``owners``: proof that the owner lives. ``sources``: where the schema comes from. ``templates``: the schema,
built once. ``clones``: one database each; ``pool``: warm ones; ``shards``: numbered ones. ``cleanup``: drops
what dead owners left.
"""
