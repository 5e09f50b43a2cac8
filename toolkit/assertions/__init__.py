"""What tests claim about real systems, each with a message that shows the difference.

``polling``: something becomes true within a time, or stays true; ``tables``: what is in a database and what
a block changed there; ``responses``: an answer against its schema or the API's own document; ``leaks``:
connections, files, threads and processes that a block left open. A failed claim is an ``AssertionError``.
"""
