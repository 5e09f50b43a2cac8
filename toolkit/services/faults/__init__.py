"""What can be done to a running server on purpose, and how it is undone, whatever becomes of who did it.

``model``: the actions and their parameters; ``processes`` and ``containers``: how each is done in the
embedded and in the compose runtime; ``injecting``: with a lease that is written before, so that a sweep
undoes what a killed process left; ``throttle`` and ``proxy``: programs of their own, which end and undo
with their starter.
"""
