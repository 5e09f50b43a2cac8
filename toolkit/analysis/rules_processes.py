"""The rules for processes that get into each other's way, and for those that die.

Texts are those that the C library (``strerror``), the clients of PostgreSQL, MySQL, SQLite and Redis,
OpenSSL, the JVM, Go and Node print. PostgreSQL: appendix A of its manual, "Error Codes".
"""

from toolkit.analysis.rules import Category, Rule

CONCURRENCY = (
    Rule(
        name="deadlock",
        category=Category.CONCURRENCY,
        cause="two transactions or threads wait for each other",
        weight=0.97,
        exceptions=r"\w*Deadlock\w*",
        shared=True,
    ),
    Rule(
        name="deadlock-told",
        category=Category.CONCURRENCY,
        cause="two transactions or threads wait for each other",
        weight=0.96,
        message=(
            r"deadlock (?:detected|found|avoided)|\bdeadlock!|EDEADLK|errno 35\b|"
            r"resource deadlock|potential deadlock|all goroutines are asleep|would deadlock|"
            r"was deadlocked|deadlocked on lock"
        ),
        shared=True,
    ),
    Rule(
        name="serialization",
        category=Category.CONCURRENCY,
        cause="transactions at the same time could not be serialised",
        weight=0.97,
        exceptions=(
            r"SerializationFailure\w*|SerializationError|TransactionRollbackError|"
            r"ConcurrentModificationException|ConcurrentUpdate\w*|WriteConflict\w*|"
            r"CannotSerializeTransactionException|TransactionConflict\w*|WatchError|"
            r"CannotAcquireLockException"
        ),
        shared=True,
    ),
    Rule(
        name="serialization-told",
        category=Category.CONCURRENCY,
        cause="transactions at the same time could not be serialised",
        weight=0.96,
        message=(
            r"could not serialize access|tuple concurrently updated|concurrent (?:update|"
            r"modification|transaction|map (?:writes|read))|write conflict|restart transaction"
        ),
        shared=True,
    ),
    Rule(
        name="stale",
        category=Category.CONCURRENCY,
        cause="somebody else changed the row in the meantime",
        weight=0.97,
        exceptions=r"\w*OptimisticLock\w*|StaleDataError|StaleObjectStateException|RecordModifiedError",
        shared=True,
    ),
    Rule(
        name="stale-told",
        category=Category.CONCURRENCY,
        cause="somebody else changed the row in the meantime",
        weight=0.96,
        message=(
            r"record has changed since last read|version conflict|row was updated or deleted by another"
        ),
        shared=True,
    ),
    Rule(
        name="locked",
        category=Category.CONCURRENCY,
        cause="another process or connection holds the lock",
        weight=0.97,
        message=(
            r"database (?:table |schema )?is locked|could not obtain lock|lock wait timeout|"
            r"due to lock timeout|canceling statement due to lock|cannot acquire (?:the )?lock|"
            r"(?:unable|failed) to (?:acquire|obtain|get) (?:the |a |file )*lock|"
            r"could not acquire (?:the )?lock|is being used by another process|"
            r"could not be acquired|already locked|lock is held|being accessed by other users|"
            r"ETXTBSY|text file busy|cannot lock ref|unable to create .*\.lock.?: file exists|"
            r"timeout (?:while )?(?:waiting for|acquiring) (?:the )?lock"
        ),
        shared=True,
    ),
    Rule(
        name="locked-type",
        category=Category.CONCURRENCY,
        cause="another process or connection holds the lock",
        weight=0.95,
        exceptions=(
            r"LockNotAvailable\w*|Lock(?:Error|Timeout|TimeoutException|AcquisitionException|"
            r"NotOwnedError|Failed|AcquireError)|BlockingIOError|AlreadyLocked|LockException|"
            r"PessimisticLock\w*|ObjectInUse\w*|BusyError"
        ),
        shared=True,
    ),
    Rule(
        name="race",
        category=Category.CONCURRENCY,
        cause="the order of events differed: a race",
        weight=0.93,
        message=(
            r"another operation (?:is )?in progress|WARNING: DATA RACE|data race|race detected|"
            r"race condition|already (?:in progress|under way) by another|"
            r"this portal is not running|cannot be called from a running event loop by|"
            r"another coroutine is already waiting|changed by another (?:thread|process)|"
            r"is already being (?:used|executed)|used concurrently"
        ),
    ),
    Rule(
        name="race-type",
        category=Category.CONCURRENCY,
        cause="the order of events differed: a race",
        weight=0.94,
        exceptions=(
            r"BrokenBarrierError|BrokenBarrierException|ConcurrencyError|RaceCondition\w*|"
            r"IllegalMonitorStateException|ConcurrentAccessError"
        ),
    ),
    Rule(
        name="changed",
        category=Category.CONCURRENCY,
        cause="a collection was changed while it was read",
        weight=0.9,
        exceptions=r"RuntimeError",
        message=(
            r"(?:dictionary|set|deque|OrderedDict) (?:changed size|mutated|changed|"
            r"keys changed) during iteration"
        ),
        around=r"[Tt]hread|concurrent|asyncio",
    ),
    Rule(
        name="released",
        category=Category.CONCURRENCY,
        cause="a lock was released that is not held",
        weight=0.9,
        exceptions=r"RuntimeError",
        message=(
            r"release unlocked lock|cannot release un-acquired lock|"
            r"cannot notify on un-acquired lock|is not held by|is bound to a different event loop|"
            r"attached to a different loop"
        ),
    ),
    Rule(
        name="thread-bound",
        category=Category.CONCURRENCY,
        cause="an object was used in a thread that it does not belong to",
        weight=0.9,
        exceptions=r"ProgrammingError",
        message=r"objects created in a thread can only be used in that same thread",
    ),
)

CRASH = (
    Rule(
        name="worker",
        category=Category.CRASH,
        cause="the worker process died while it ran the test",
        weight=0.98,
        message=(
            r"""worker [\"']?(?P<what>\w+)[\"']? crashed while running|"""
            r"node down: Not properly terminated|replacing crashed worker|crashed worker"
        ),
        shared=True,
    ),
    Rule(
        name="recorded",
        category=Category.CRASH,
        cause="the process died while it ran the test",
        weight=0.98,
        exceptions=r"crashed",
        shared=True,
    ),
    Rule(
        name="pool",
        category=Category.CRASH,
        cause="a worker of a process pool died",
        weight=0.97,
        exceptions=(
            r"BrokenProcessPool|BrokenExecutor|WorkerLostError|TerminatedWorkerError|"
            r"BrokenThreadPool|ProcessExitedException|RayActorError|WorkerCrashedError|"
            r"DeadKernelError"
        ),
        shared=True,
    ),
    Rule(
        name="silent",
        category=Category.CRASH,
        cause="another process ended without an answer",
        weight=0.9,
        exceptions=r"EOFError",
        around=r"multiprocessing[/\\](?:connection|managers|pool)\.py",
    ),
    Rule(
        name="signal",
        category=Category.CRASH,
        cause="a child process was killed by a signal",
        weight=0.97,
        message=(
            r"died with <Signals\.(?P<what>\w+)|died with unknown signal|signal: (?:killed|"
            r"segmentation fault|aborted|bus error)|terminated by (?:signal|another process)|"
            r"was terminated abruptly|exit(?:ed)? (?:status|code|with(?: code)?):? (?:13[2-9]|-9|"
            r"-6|-11|-7|-4)\b|exitcode[= ]-\d+|killed by signal|SIGSEGV|SIGKILL|SIGABRT|SIGBUS|"
            r"0xC0000005|exit status 137|Killed\Z"
        ),
        shared=True,
    ),
    Rule(
        name="fatal",
        category=Category.CRASH,
        cause="the interpreter or a native library crashed",
        weight=0.97,
        message=(
            r"fatal python error|segmentation fault|core dumped|bus error|illegal instruction|"
            r"access violation|double free or corruption|SIGSEGV: segmentation violation|"
            r"# A fatal error has been detected by the Java|fatal error: unexpected signal|"
            r"JVM (?:exited|crashed)"
        ),
        shared=True,
    ),
    Rule(
        name="forked",
        category=Category.CRASH,
        cause="the process that ran the tests died",
        weight=0.97,
        message=(
            r"forked VM terminated without|jest worker process .* was terminated|"
            r"worker exited unexpectedly|child process exceptions|test process (?:crashed|exited|"
            r"died)|process (?:has )?(?:crashed|died)\b|process exited unexpectedly|"
            r"exited prematurely|exited before|page crash|page crashed|browser has been closed|"
            r"chrome not reachable|session deleted because of|server process (?:died|exited)|"
            r"unexpectedly (?:died|exited|terminated)"
        ),
        shared=True,
    ),
    Rule(
        name="target-closed",
        category=Category.CRASH,
        cause="the browser crashed or was closed",
        weight=0.95,
        exceptions=r"TargetClosedError",
        shared=True,
    ),
)

RULES: tuple[Rule, ...] = (*CONCURRENCY, *CRASH)
