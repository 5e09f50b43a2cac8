"""What a test touches while it runs: functions, modules, files, folders, variables, child processes.

Standard library only: the same code runs in pytest, in its workers and in the Python processes that tests
start.

.. code-block:: text

    tracer      the stack of contexts (test, shared fixture, import, collection) and what each one touched
    functions   functions entered, by sys.monitoring (Python >= 3.12)
    windows     what runs in calls of functions that keep things for later ones
    looks       whether these find something that was kept for them
    keeping     functions that may keep things, as their code objects tell
    threads     what the threads of the process are at
    audit       files, folders, imports and child processes, by an audit hook
    environ     variables read through os.environ
    trail       the side file that each process appends to, readable after kill -9
    borders     which paths belong to the project
    copies      packages of the project that are imported from where they were installed
    child/      put on PYTHONPATH of child processes: their sitecustomize starts the tracer

``toolkit.impact`` turns trails into the dependencies of each test.
"""
