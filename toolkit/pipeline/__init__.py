"""The pipeline: stages of Nox sessions, one after the other, resumable after a crash.

.. code-block:: text

    plan       from [tool.toolkit.pipeline] and the noxfile to stages of steps
    state      what has happened so far, in a file that survives kill -9
    code       has the code changed since?
    steps      one Nox session as a process, its lease, its end
    stopping   Ctrl-C and SIGTERM as a question that a loop can ask
    running    stages one after the other, steps side by side
    message    what is told to others at the end
"""
