"""The rules for what the machine lacks: space, memory, files, variables, rights.

Texts are those that the C library (``strerror``), the clients of PostgreSQL, MySQL, SQLite and Redis,
OpenSSL, the JVM, Go and Node print. PostgreSQL: appendix A of its manual, "Error Codes".
"""

from toolkit.analysis.rules import Category, Rule

RESOURCE = (
    Rule(
        name="disk-full",
        category=Category.RESOURCE,
        cause="no space is left on the disk",
        weight=0.97,
        message=(
            r"no space left on device|ENOSPC|errno 28\b|disk quota exceeded|EDQUOT|"
            r"database or disk is full|not enough space on the disk|there is not enough space|"
            r"could not extend file|disk full"
        ),
        shared=True,
    ),
    Rule(
        name="disk-full-type",
        category=Category.RESOURCE,
        cause="no space is left on the disk",
        weight=0.97,
        exceptions=r"DiskFull\w*|OutOfDiskSpace\w*",
        shared=True,
    ),
    Rule(
        name="descriptors",
        category=Category.RESOURCE,
        cause="the process has too many files or sockets open",
        weight=0.97,
        message=(
            r"too many open files|EMFILE|ENFILE|errno 2[34]\b|filedescriptor out of range|"
            r"file table overflow"
        ),
        shared=True,
    ),
    Rule(
        name="recursion",
        category=Category.RESOURCE,
        cause="the recursion went too deep",
        weight=0.97,
        exceptions=r"RecursionError|StackOverflowError|SystemStackError",
    ),
    Rule(
        name="recursion-told",
        category=Category.RESOURCE,
        cause="the recursion went too deep",
        weight=0.95,
        message=(
            r"maximum recursion depth|maximum call stack size|stack overflow|"
            r"goroutine stack exceeds|stack level too deep"
        ),
    ),
    Rule(
        name="recursion-range",
        category=Category.RESOURCE,
        cause="the recursion went too deep",
        weight=0.97,
        exceptions=r"RangeError",
        message=r"maximum call stack",
    ),
    Rule(
        name="memory",
        category=Category.RESOURCE,
        cause="memory ran out",
        weight=0.97,
        exceptions=r"\w*MemoryError|OutOfMemory\w*|NoMemoryError|TorchOutOfMemory\w*",
        shared=True,
    ),
    Rule(
        name="memory-told",
        category=Category.RESOURCE,
        cause="memory ran out",
        weight=0.95,
        message=(
            r"cannot allocate memory|ENOMEM|std::bad_alloc|bad_alloc|out of memory|"
            r"java heap space|heap out of memory|OOM command not allowed|unable to allocate|"
            r"GC overhead limit|OOM-?kill|out of shared memory|MLOCK failed|memory limit exceeded"
        ),
        shared=True,
    ),
    Rule(
        name="threads",
        category=Category.RESOURCE,
        cause="no more threads or processes can be started",
        weight=0.95,
        message=(
            r"can't start new thread|unable to create (?:new )?native thread|"
            r"resource temporarily unavailable.{0,20}fork|fork: (?:retry: )?resource|"
            r"pthread_create failed|EAGAIN.*spawn"
        ),
        shared=True,
    ),
    Rule(
        name="connections",
        category=Category.RESOURCE,
        cause="the server has no connections left",
        weight=0.95,
        message=(
            r"too many clients already|too many connections|remaining connection slots|"
            r"max number of clients reached|Too many active connections|too many databases"
        ),
        shared=True,
    ),
    Rule(
        name="connections-type",
        category=Category.RESOURCE,
        cause="the server has no connections left",
        weight=0.95,
        exceptions=r"TooManyConnections\w*",
        shared=True,
    ),
    Rule(
        name="port",
        category=Category.RESOURCE,
        cause="the port is taken by another process",
        weight=0.95,
        message=(
            r"address (?:is )?already in use|EADDRINUSE|only one usage of each socket address|"
            r"errno 98\b|port is already allocated|bind: address"
        ),
        shared=True,
    ),
    Rule(
        name="port-type",
        category=Category.RESOURCE,
        cause="the port is taken by another process",
        weight=0.95,
        exceptions=r"BindException",
        shared=True,
    ),
    Rule(
        name="limit",
        category=Category.RESOURCE,
        cause="a limit of the system was reached",
        weight=0.9,
        message=(
            r"file too large|EFBIG|file size limit exceeded|file name too long|"
            r"argument list too long|inotify.{0,30}limit|disk I/O error|input/output error|"
            r"\bEIO\b|errno 5\b|no child processes left|semaphore.{0,20}no space|"
            r"429 (?:Client Error|Too Many Requests)|resource exhausted|RESOURCE_EXHAUSTED"
        ),
        shared=True,
    ),
)

ENV_PERMISSION = (
    Rule(
        name="variable",
        category=Category.ENV_PERMISSION,
        cause="an environment variable is not set",
        weight=0.96,
        exceptions=r"KeyError",
        message=r"(?P<what>\w+)",
        around=(
            r"^>.*environb?\[.*\](?! *=[^=])|(?:<frozen os>|\bos\.py):\d+: (?:KeyError|in __getitem__)|"
            r"(?:<frozen os>|/os\.py)\", line \d+, in __getitem__|self = environ\("
        ),
        shared=True,
    ),
    Rule(
        name="variable-told",
        category=Category.ENV_PERMISSION,
        cause="an environment variable is not set",
        weight=0.95,
        message=(
            r"(?:environment|"
            r"env)(?:ironment)? ?var(?:iable)?s?:? [^\n]{0,80}(?:not (?:be )?(?:set|found|defined|"
            r"exist)|missing|required|unset|empty|undefined|must)|(?:missing|unset|required|"
            r"undefined|set the|no|set)\W+(?:(?:the|required|"
            r"following)\W+)*(?:\S+ )?(?:environment|env) ?var|"
            r"""\b(?P<what>[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b[\"'`]? (?:env\w* )?(?:is |was |must be |"""
            r"has )?(?:not |un)?(?:set|defined|missing|required)\b"
        ),
        shared=True,
    ),
    Rule(
        name="settings",
        category=Category.ENV_PERMISSION,
        cause="a setting is missing",
        weight=0.9,
        exceptions=(
            r"ImproperlyConfigured|UndefinedValueError|NoCredentialsError|NoRegionError|"
            r"CredentialRetrievalError|DefaultCredentialsError|SettingsError|EnvError|"
            r"ConfigNotFound\w*|MissingEnvironment\w*|ProfileNotFound|EnvironmentVariableError"
        ),
        shared=True,
    ),
    Rule(
        name="settings-invalid",
        category=Category.ENV_PERMISSION,
        cause="a setting is missing or wrong",
        weight=0.96,
        exceptions=r"ValidationError",
        message=r"validation errors? for \w*(?:Settings|Config|Environment|Env)\b",
        shared=True,
    ),
    Rule(
        name="file",
        category=Category.ENV_PERMISSION,
        cause="a file or folder is not there",
        weight=0.94,
        exceptions=(
            r"FileNotFoundError|NoSuchFileException|FileNotFoundException|ENOENT|"
            r"DirectoryNotFoundException|NoSuchFile\w*|TemplateNotFound|FileNotFound"
        ),
        message=r"""(?:.*[\"'](?P<what>[^\"'\n]+)[\"'])?""",
        shared=True,
    ),
    Rule(
        name="file-told",
        category=Category.ENV_PERMISSION,
        cause="a file, folder or program is not there",
        weight=0.93,
        message=(
            r"""no such file or directory(?:[,:]? [\"']?(?P<what>[^\"'\n]+))?|ENOENT|"""
            r"cannot find the (?:file|path)|(?P<name>\S+: )?command not found|"
            r"executable file not found|exec: .*not found|No such file|file not found|(?:does not|"
            r"doesn't) exist on disk|Executable doesn't exist|unable to open database file|"
            r"exit status 127\b"
        ),
        shared=True,
    ),
    Rule(
        name="kind",
        category=Category.ENV_PERMISSION,
        cause="a file is where a folder is expected, or the other way round",
        weight=0.88,
        exceptions=(
            r"NotADirectoryError|IsADirectoryError|FileExistsError|FileAlreadyExistsException|"
            r"DirectoryNotEmptyException"
        ),
        shared=True,
    ),
    Rule(
        name="kind-told",
        category=Category.ENV_PERMISSION,
        cause="a folder is in the way or not empty",
        weight=0.9,
        exceptions=r"OSError|Error",
        message=(
            r"directory not empty|ENOTEMPTY|EEXIST|is a directory|not a directory|"
            r"cross-device link|invalid cross-device|exec format error"
        ),
        shared=True,
    ),
    Rule(
        name="right",
        category=Category.ENV_PERMISSION,
        cause="the right to do it is missing",
        weight=0.96,
        exceptions=(
            r"PermissionError|\w*Permission\w*Denied\w*|PermissionDeniedError|AccessDenied\w*|"
            r"InsufficientPrivilege\w*|UnauthorizedAccessException|Forbidden\w*|Unauthorized\w*|"
            r"EACCES|EPERM|AccessControlException|SecurityException|InvalidPassword\w*|"
            r"InvalidAuthorizationSpecification\w*|Authentication(?:Error|Exception|Failed)\w*|"
            r"NoPermissionError|AuthorizationError|ReadOnlyError|error_perm|SMTPAuthenticationError|"
            r"AccessRefused|ProbableAuthenticationError|"
            r"ProbableAccessDeniedError"
        ),
        shared=True,
    ),
    Rule(
        name="right-told",
        category=Category.ENV_PERMISSION,
        cause="the right to do it is missing",
        weight=0.94,
        message=(
            r"permission denied|EACCES|operation not permitted|access (?:is )?denied|"
            r"password authentication failed|\bEPERM\b|not authorized|unauthorized|"
            r"authentication (?:failed|required)|no pg_hba\.conf entry|read-only file ?system|"
            r"EROFS|readonly database|read only replica|login incorrect|"
            r"must be (?:owner|superuser|root)|NOAUTH|WRONGPASS|NOPERM|"
            r"\b40[13] (?:Client Error|Forbidden|Unauthorized)|HTTP Error 40[13]\b|"
            r"status code 40[13]\b|forbidden|ACCESS_REFUSED|role \"[^\"]*\" does not exist|"
            r"StatusCode\.(?:PERMISSION_DENIED|UNAUTHENTICATED)|AccessDenied"
        ),
        shared=True,
    ),
    Rule(
        name="database",
        category=Category.ENV_PERMISSION,
        cause="the database does not exist",
        weight=0.94,
        message=r"""database [\"'](?P<what>[^\"']+)[\"'] does not exist|unknown database""",
        shared=True,
    ),
    Rule(
        name="display",
        category=Category.ENV_PERMISSION,
        cause="no display or browser is installed",
        weight=0.9,
        message=(
            r"cannot open display|no display name|couldn't connect to display|"
            r"please run the following command to download new browsers|cannot find chrome binary"
        ),
        shared=True,
    ),
    Rule(
        name="locale",
        category=Category.ENV_PERMISSION,
        cause="the locale or time zone is not installed",
        weight=0.9,
        message=r"unsupported locale setting|No time zone found with key",
        shared=True,
    ),
    Rule(
        name="zone",
        category=Category.ENV_PERMISSION,
        cause="the locale or time zone is not installed",
        weight=0.96,
        exceptions=r"ZoneInfoNotFoundError",
        shared=True,
    ),
)

RULES: tuple[Rule, ...] = (*RESOURCE, *ENV_PERMISSION)
