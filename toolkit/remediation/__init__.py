"""From the cause of failures to what mends it: suggested, done, verified, remembered.

.. code-block:: text

    troubles.py   failures with one cause → Trouble: what a remedy is chosen by
    table.py      Trouble → suggestions: the table of remedies, best first
    acting.py     the automatic ones: what is done for real, and the proof that it helped
    caches.py     logical databases of Redis that dead workers had claimed
    ledger.py     what was tried and whether it helped, line by line
"""
