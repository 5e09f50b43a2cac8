"""What a block of code costs, and whether it may.

``meter``: what the process has used so far; ``tracking``: blocks, nested, with threads and child processes;
``budgets``: what a block may cost; ``queries``: how many statements it sends; ``benchmarks``: files of
pytest-benchmark; ``profiles``: where time or memory of a slow test goes.
"""
