"""Real test data: what a test needs to be there, made from the real schema, and removed again.

* ``files``: what a scenario names; ``tables``: the schema as plain values; ``reflection``: read from a server
* ``checks``: CHECK constraints as rules; ``quantities``: numbers and times on one scale; ``naming``: what a
  column is about; ``values``: one column's values; ``ordering``: parents before children; ``rows``: all rows
* ``storing``: into PostgreSQL by COPY and out again; ``resources``: API resources and cache entries;
  ``ledger``: what was created, so that it can be removed; ``loading``: all of it together
"""
