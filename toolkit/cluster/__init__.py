"""Running the tests of one run on several machines, over Dask distributed.

.. code-block:: text

    sameness   do code and environment match on every machine?
    batches    what a machine is asked to run, what it answers; runs on the machine
    runs       who runs what: hands out batches, survives lost machines and schedulers

A machine needs a checkout of the project at the same path (or the one named), an environment with the same
packages, and a Dask worker started in it: ``dask worker tcp://… --nthreads 1 --nworkers 4``.
"""
