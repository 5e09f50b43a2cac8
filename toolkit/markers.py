"""The markers every project may use, as data; nothing is imported, since every pytest reads this."""

MARKERS = {
    "unit": "a test of one unit, without services",
    "integration": "needs real services: database, cache, queue",
    "e2e": "goes through the whole application",
    "smoke": "one of the few that must always pass; selected on every run",
    "contract": "checks a contract between this project and a neighbour",
    "chaos": "breaks services on purpose",
    "performance": "measures speed or memory; runs alone and in order",
    "performance_requirement(**budget)": "may cost so much: wall, cpu, memory, traced, read, written",
    "security": "attacks the application",
    "slow": "takes long; left out of the fast profile",
    "fast": "takes milliseconds",
    "serial": "runs while no other test runs",
    "parallel": "safe beside anything, also beside itself",
    "isolated": "runs in a process of its own",
    "database": "needs a database",
    "real_db": "needs the real database server, not a substitute",
    "real_api": "needs the running API server",
    "cpu_intensive": "keeps a core busy",
    "io_intensive": "waits for disks or networks most of the time",
    "memory_intensive": "needs much memory; does not overlap with others of its kind",
    "requires_gpu": "needs a graphics processor",
    "ai": "calls a model",
    "unskippable": "is never left out by selection",
    "flaky(retries=N)": "known to fail sometimes: tried up to N more times, every try is recorded",
    "scenario(name)": "needs the named data scenario",
    "uses(*resources)": "has these resources to itself: never overlaps with another user of one of them",
}
"""Marker, as it is written in the ``markers`` configuration of pytest → description."""

KINDS = ("unit", "integration", "e2e", "contract", "chaos", "performance", "security")
"""Markers of which a test has one: they say what kind of test it is, and thereby which profile runs it."""
