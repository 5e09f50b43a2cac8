"""In which order, where: decisions about the next run. Values in, values out; nothing here does I/O.

.. code-block:: text

    jobs        a test as the scheduler sees it: what it needs, how long it takes
    experience  from the history to what the next plan needs
    order       smart, fast-first, longest-first, declared, random
    units       jobs that belong together: groups, set-up affinity, chains of one exclusive resource
    pool        what still has to be sent to a worker, and what to send next
    ceiling     which tests must wait for memory or cores
    seats       a worker as the dispatcher sees it, and what is sent to it
    dispatch    who runs what now: locks, serial tests, batches, crashed workers
    makespan    how long that takes: the dispatcher in virtual time
    workers     how many workers pay off
    shards      N complete, disjoint, balanced parts for N machines
    plan        the plan as a record and as a file
    planning    select, order, shard: one pure function
    dependencies  what every test depends on, and what may run beside what
    pictures    the same drawn: SVG, Graphviz, Mermaid
    bisection   the few of many tests that make another one fail
"""
