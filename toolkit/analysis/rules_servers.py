"""The rules for servers that cannot be reached and for time that ran out.

Texts are those that the C library (``strerror``), the clients of PostgreSQL, MySQL, SQLite and Redis,
OpenSSL, the JVM, Go and Node print. PostgreSQL: appendix A of its manual, "Error Codes".
"""

from toolkit.analysis.rules import Category, Rule

CONNECTIVITY = (
    Rule(
        name="dns",
        category=Category.CONNECTIVITY,
        cause="the host name cannot be resolved",
        weight=0.96,
        exceptions=r"gaierror|UnknownHostException|NameResolutionError|ClientConnectorDNSError",
        shared=True,
    ),
    Rule(
        name="dns-told",
        category=Category.CONNECTIVITY,
        cause="the host name cannot be resolved",
        weight=0.95,
        message=(
            r"name or service not known|temporary failure in name resolution|"
            r"nodename nor servname|could not translate host name \W?(?P<what>[\w.-]+)|"
            r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN)(?: (?P<name>\S+))?|no such host|"
            r"Name has no usable address|NameResolutionError|getaddrinfo failed|"
            r"No address associated with hostname|ERR_NAME_NOT_RESOLVED|could not resolve host|"
            r"unknown host"
        ),
        shared=True,
    ),
    Rule(
        name="tls",
        category=Category.CONNECTIVITY,
        cause="the TLS handshake or the certificate failed",
        weight=0.96,
        exceptions=(
            r"SSL\w*Error|SSL\w*Exception|CertificateError|ClientConnectorSSLError|"
            r"ClientConnectorCertificateError|CertPathValidatorException|TLSError"
        ),
        shared=True,
    ),
    Rule(
        name="tls-told",
        category=Category.CONNECTIVITY,
        cause="the TLS handshake or the certificate failed",
        weight=0.95,
        message=(
            r"\[SSL[:\]]|CERTIFICATE_VERIFY_FAILED|certificate verify failed|x509: |SSLError\(|"
            r"self.signed certificate|tls: |SSL routines|DEPTH_ZERO_SELF_SIGNED|"
            r"unable to get local issuer|unable to verify the first certificate|EPROTO\b|"
            r"server does not support SSL"
        ),
        shared=True,
    ),
    Rule(
        name="refused",
        category=Category.CONNECTIVITY,
        cause="the connection was refused: nothing listens there",
        weight=0.97,
        exceptions=r"ConnectionRefusedError|ECONNREFUSED|NoBrokersAvailable|HttpHostConnectException",
        shared=True,
    ),
    Rule(
        name="refused-told",
        category=Category.CONNECTIVITY,
        cause="the connection was refused: nothing listens there",
        weight=0.96,
        message=(
            r"connection refused|ConnectionRefused|ECONNREFUSED|actively refused|connect call failed|"
            r"ERR_CONNECTION_REFUSED|Connection to \S+ refused|error 111 connecting|errno 111|"
            r"WinError 10061|could not connect to server"
        ),
        shared=True,
    ),
    Rule(
        name="no-socket",
        category=Category.CONNECTIVITY,
        cause="no server listens at the socket: it is not running",
        weight=0.965,
        message=(
            r"connection to server on socket \W?(?P<what>[^\"\n]+?)\W? failed: No such file|through socket|"
            r"Error 2 connecting to (?:unix socket:? )?\S*/|is the server running locally"
        ),
        shared=True,
    ),
    Rule(
        name="docker-gone",
        category=Category.CONNECTIVITY,
        cause="the Docker engine does not answer",
        weight=0.97,
        exceptions=r"DockerException",
        message=r"fetching server API version|connection aborted",
        shared=True,
    ),
    Rule(
        name="docker-told",
        category=Category.CONNECTIVITY,
        cause="the Docker engine does not answer",
        weight=0.96,
        message=r"cannot connect to the docker daemon|is the docker daemon running",
        shared=True,
    ),
    Rule(
        name="reset",
        category=Category.CONNECTIVITY,
        cause="the other side closed the connection",
        weight=0.95,
        exceptions=(
            r"ConnectionResetError|BrokenPipeError|ConnectionAbortedError|RemoteDisconnected|"
            r"IncompleteRead|ServerDisconnectedError|RemoteProtocolError|"
            r"ConnectionDoesNotExistError|ConnectionClosed\w*|IncompleteReadError|ECONNRESET|"
            r"AdminShutdown|CrashShutdown|EOFException|ChunkedEncodingError|"
            r"ConnectionClosedException|ClientOSError"
        ),
        shared=True,
    ),
    Rule(
        name="reset-told",
        category=Category.CONNECTIVITY,
        cause="the other side closed the connection",
        weight=0.95,
        message=(
            r"connection reset|ConnectionReset|ECONNRESET|broken pipe|server closed the connection|"
            r"has gone away|lost connection to|connection unexpectedly closed|"
            r"terminating connection due to|connection (?:was |is |has been |"
            r"already )*(?:closed|aborted|lost)|socket hang up|remote end closed|"
            r"server disconnected|connection not open|\bEPIPE\b|unexpected EOF|Connection aborted|"
            r"closed by (?:remote|the server|foreign)|transport endpoint is not connected|"
            r"consuming input failed|peer closed|read: connection|server dropped|"
            r"no connection to the server|Connection closed by server|closed the connection|"
            r"ERR_CONNECTION_(?:RESET|CLOSED)"
        ),
        shared=True,
    ),
    Rule(
        name="unreachable",
        category=Category.CONNECTIVITY,
        cause="no way leads to the host",
        weight=0.95,
        message=(
            r"network is unreachable|no route to host|host is unreachable|ENETUNREACH|EHOSTUNREACH|"
            r"network is down|ERR_INTERNET_DISCONNECTED|cannot assign requested address|EADDRNOTAVAIL"
        ),
        shared=True,
    ),
    Rule(
        name="starting",
        category=Category.CONNECTIVITY,
        cause="the server is not ready: starting up, shutting down or loading",
        weight=0.95,
        message=(
            r"database system is (?:starting up|shutting down|in recovery mode|not yet accepting)|"
            r"loading the dataset in memory|not accepting connections|server is not ready|"
            r"node is starting"
        ),
        shared=True,
    ),
    Rule(
        name="starting-type",
        category=Category.CONNECTIVITY,
        cause="the server is not ready: starting up, shutting down or loading",
        weight=0.95,
        exceptions=r"CannotConnectNow\w*|BusyLoadingError",
        shared=True,
    ),
    Rule(
        name="gateway",
        category=Category.CONNECTIVITY,
        cause="the server behind the gateway does not answer",
        weight=0.9,
        exceptions=(
            r"HTTPError|HTTPStatusError|ClientResponseError|HttpServerErrorException\S*|"
            r"ServiceUnavailable|BadGateway|ApiException|FetchError|APIError|"
            r"HttpServerErrorException|AxiosError|Error|Exception|RuntimeError"
        ),
        message=(
            r"\b(?:502|503)\b.{0,30}(?:Bad Gateway|Service Unavailable|Server Error|for url)|"
            r"status code (?:502|503)\b|^(?:502|503)\b|HTTP Error (?:502|503)"
        ),
        shared=True,
    ),
    Rule(
        name="no-server",
        category=Category.CONNECTIVITY,
        cause="no server of the cluster answers",
        weight=0.93,
        exceptions=(
            r"NoServersError|NoServersAvailable\w*|ServerSelectionTimeoutError|NoHostAvailable\w*|"
            r"KafkaConnectionError|NodeNotConnected\w*|AutoReconnect|EndpointConnectionError|"
            r"ClusterDownError|MasterDownError|StaleConnectionException|NoNodeAvailable\w*|"
            r"ZookeeperConnectionError|CommunicationsException|AMQPConnectionError|AMQPError|"
            r"StreamLostError|ChannelClosed\w*|NoBrokersError|KazooTimeoutError"
        ),
        shared=True,
    ),
    Rule(
        name="grpc",
        category=Category.CONNECTIVITY,
        cause="the gRPC server does not answer",
        weight=0.94,
        message=(
            r"StatusCode\.UNAVAILABLE|code = Unavailable|UNAVAILABLE: io exception|"
            r"failed to connect to all addresses"
        ),
        shared=True,
    ),
    Rule(
        name="connect-type",
        category=Category.CONNECTIVITY,
        cause="the server cannot be reached",
        weight=0.9,
        exceptions=(
            r"\w*Connection(?:Error|Exception|Failure|Failed|Lost|Refused|Broken|Abort)\w*|"
            r"Connect(?:Error|Exception)|ConnectFailedError|NewConnectionError|"
            r"ClientConnector\w*Error|ClientConnectionError|MaxRetryError|ProxyError|NetworkError|"
            r"SocketException|NoRouteToHostException|TransportError|ProtocolError|"
            r"CannotGetJdbcConnectionException|ServiceNotReady|ServiceUnavailable\w*|Unavailable"
        ),
        shared=True,
    ),
    Rule(
        name="sqlstate-08",
        category=Category.CONNECTIVITY,
        cause="the connection to the database failed",
        weight=0.93,
        exceptions=(
            r"ConnectionException|ConnectionFailure|SqlclientUnableToEstablishSqlconnection|"
            r"InterfaceError"
        ),
        message=r"connect|closed|cursor already",
        shared=True,
    ),
    Rule(
        name="connect-told",
        category=Category.CONNECTIVITY,
        cause="the server cannot be reached",
        weight=0.85,
        message=(
            r"(?:could not|cannot|can't|unable to|failed to) (?:establish (?:a |"
            r"the )?(?:new )?)?connect(?:ion)?\b|connection (?:attempts? )?failed|"
            r"all connection attempts failed|fetch failed|connection failure|(?:server|broker|"
            r"database) (?:is )?(?:not reachable|unreachable|unavailable|down)\b|"
            r"socket (?:is )?(?:closed|not connected)|dial tcp|Not connected\b|no server available"
        ),
        shared=True,
    ),
    Rule(
        name="database-operation",
        category=Category.CONNECTIVITY,
        cause="the database could not do it: most often it is gone",
        weight=0.55,
        exceptions=r"OperationalError|SocketError|TransportException",
        shared=True,
    ),
)

TIMEOUT = (
    Rule(
        name="pytest-timeout",
        category=Category.TIMEOUT,
        cause="the test took longer than its time limit",
        weight=0.98,
        exceptions=r"Failed",
        message=r"\ATimeout [>(]",
    ),
    Rule(
        name="junit-timeout",
        category=Category.TIMEOUT,
        cause="the test took longer than its time limit",
        weight=0.97,
        exceptions=r"AssertionFailedError|AssertionError",
        message=r"\Aexecution (?:timed out after|exceeded timeout of)",
    ),
    Rule(
        name="runner-timeout",
        category=Category.TIMEOUT,
        cause="the test took longer than its time limit",
        weight=0.97,
        message=(
            r"exceeded timeout of \d+|timeout of \d+\s?ms exceeded|panic: test timed out after|"
            r"Timeout >\d|\btest timed out (?:after|in)\b|Test exceeded|Timed out after waiting|"
            r"Timeout - Async"
        ),
    ),
    Rule(
        name="deadline",
        category=Category.TIMEOUT,
        cause="the example took longer than hypothesis allows",
        weight=0.96,
        exceptions=r"DeadlineExceeded",
        message=r"deadline of",
    ),
    Rule(
        name="statement-timeout",
        category=Category.TIMEOUT,
        cause="the database stopped a statement that took too long",
        weight=0.96,
        message=(
            r"due to statement timeout|maximum statement execution time exceeded|"
            r"Query execution was interrupted, maximum|interrupted by timeout|statement canceled"
        ),
        shared=True,
    ),
    Rule(
        name="idle-timeout",
        category=Category.TIMEOUT,
        cause="the database closed an idle transaction",
        weight=0.96,
        message=r"idle-in-transaction timeout|idle-session timeout",
        shared=True,
    ),
    Rule(
        name="retry-timeout",
        category=Category.TIMEOUT,
        cause="the server did not answer in time",
        weight=0.965,
        message=(
            r"Caused by (?:\w+\.)*(?:ReadTimeoutError|ConnectTimeoutError)|"
            r"\(Caused by .{0,300}?timed out"
        ),
        shared=True,
    ),
    Rule(
        name="pool-timeout",
        category=Category.TIMEOUT,
        cause="no connection of the pool became free in time",
        weight=0.94,
        message=(
            r"QueuePool limit|couldn't get a connection after|pool(?:ed)? (?:is )?(?:exhausted|"
            r"timed? ?out)|connection pool (?:is )?(?:full|exhausted)|"
            r"Connection is not available, request timed out"
        ),
        shared=True,
    ),
    Rule(
        name="queue-timeout",
        category=Category.TIMEOUT,
        cause="nothing came through a queue in time, or nobody made room in it",
        weight=0.9,
        exceptions=r"Empty|Full",
        message=r"\A\s*\Z",
    ),
    Rule(
        name="process-timeout",
        category=Category.TIMEOUT,
        cause="a child process did not end in time",
        weight=0.95,
        exceptions=r"TimeoutExpired",
    ),
    Rule(
        name="gateway-timeout",
        category=Category.TIMEOUT,
        cause="the server behind the gateway did not answer in time",
        weight=0.93,
        message=(
            r"\b504\b.{0,30}(?:Gateway|Time-?out|for url)|status code 504\b|HTTP Error (?:504|"
            r"408)|\b408 (?:Client Error|Request Timeout)"
        ),
        shared=True,
    ),
    Rule(
        name="grpc-deadline",
        category=Category.TIMEOUT,
        cause="the server did not answer in time",
        weight=0.95,
        message=(
            r"DEADLINE_EXCEEDED|code = DeadlineExceeded|context deadline exceeded|"
            r"Client\.Timeout exceeded|i/o timeout"
        ),
        shared=True,
    ),
    Rule(
        name="timeout-type",
        category=Category.TIMEOUT,
        cause="something did not happen in time",
        weight=0.93,
        exceptions=(
            r"timeout|\w*Time(?:d)?-?[oO]ut(?:s)?(?:Error|Exception|Expired|Exceeded|Failure)?|"
            r"DeadlineExceeded|QueryCanceled\w*|ETIMEDOUT|SoftTimeLimitExceeded|WaitTimeout\w*|"
            r"TimeLimitExceeded|ReadTimeout\w*"
        ),
    ),
    Rule(
        name="timeout-told",
        category=Category.TIMEOUT,
        cause="something did not happen in time",
        weight=0.85,
        message=(
            r"\btimed[ -]out\b|\btime-?out (?:exceeded|expired|reached|occurred|while|waiting|"
            r"after|of \d)|ETIMEDOUT|ESOCKETTIMEDOUT|deadline exceeded|did not (?:become|finish|"
            r"complete|respond|answer|start|appear|stop|terminate|get ready)\b.{0,60}\b(?:within|"
            r"in time|after|in) ?|took too long|gave up waiting|gave up after [\d.]+ ?s|"
            r"within \d+(?:\.\d+)? ?(?:s|ms|sec|seconds)\b"
        ),
    ),
)

RULES: tuple[Rule, ...] = (*CONNECTIVITY, *TIMEOUT)
