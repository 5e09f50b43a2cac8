"""In which order, where: decisions about the next run. Values in, values out; nothing here does I/O.

.. code-block:: text

    jobs       a test as the scheduler sees it: what it needs, how long it takes
    order      smart, fast-first, longest-first, declared, random
    units      jobs that belong together: groups, set-up affinity, chains of one exclusive resource
    pool       what still has to be sent to a worker, and what to send next
    dispatch   who runs what now: locks, serial tests, batches, crashed workers
    shards     N complete, disjoint, balanced parts for N machines
"""
