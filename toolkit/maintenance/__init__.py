"""Keeping a project healthy: what grows old is removed, what changed is told.

``steps`` is the vocabulary, and runs several steps of which one may fail; ``report`` writes what came of
them. ``sweeping`` removes old files safely, ``artifacts`` says which; ``upgrades`` tries newer dependencies,
``inventory`` counts tests, ``slow`` names slow ones, ``collection`` compares what several processes collect,
``schedules`` writes what starts it all once a week.
"""
