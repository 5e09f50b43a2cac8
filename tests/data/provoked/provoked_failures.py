"""A hundred failures provoked for real; each test carries its category and a word of its best cause.

Run by tests/analysis/test_failures_provoked.py in a pytest of its own.
"""

import asyncio, base64, concurrent.futures, csv, errno, fcntl, gzip, http.client, http.server, importlib, io, json, os, pickle, resource, signal, socket, sqlite3, ssl, struct, subprocess, sys, tempfile, threading, time, tomllib, urllib.request, uuid, zipfile, zlib, zoneinfo, multiprocessing
import xml.etree.ElementTree as ET
from pathlib import Path
import pytest

PORT = 1


def expect(category, word):
    def mark(function):
        function.expected = (category, word)
        EXPECTED[function.__name__] = (category, word)
        return function

    return mark


EXPECTED = {}


def listener(behave):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()

    def serve():
        client, _ = server.accept()
        behave(client)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def silent(client):
    time.sleep(3)


# assertion
@expect("assertion", "check")
def test_plain():
    assert 1 + 1 == 3


@expect("assertion", "check")
def test_status():
    status = 503
    assert status == 200, "timeout: connection refused"


@expect("assertion", "check")
def test_not_raised():
    with pytest.raises(TimeoutError):
        pass


@expect("assertion", "check")
def test_fail():
    pytest.fail("not what was wanted")


@expect("assertion", "check")
def test_wrong_text():
    try:
        socket.create_connection(("127.0.0.1", PORT))
    except OSError as error:
        assert "no route" in str(error)


@expect("assertion", "check")
def test_unittest():
    import unittest

    unittest.TestCase().assertEqual({"a": 1}, {"a": 2})


@expect("assertion", "check")
def test_match():
    with pytest.raises(ValueError, match="other"):
        int("x")


@expect("assertion", "check")
def test_mock():
    from unittest.mock import Mock

    Mock(name="connection timed out").assert_called_once()


# timeout
@pytest.mark.timeout(0.2)
@expect("timeout", "time limit")
def test_hangs():
    time.sleep(2)


@pytest.mark.timeout(0.2)
@expect("timeout", "time limit")
def test_hangs_in_lock():
    threading.Event().wait(2)


@expect("timeout", "in time")
def test_asyncio():
    asyncio.run(asyncio.wait_for(asyncio.sleep(2), 0.05))


@expect("timeout", "in time")
def test_asyncio_timeout():
    async def go():
        async with asyncio.timeout(0.05):
            await asyncio.sleep(2)

    asyncio.run(go())


@expect("timeout", "child")
def test_subprocess():
    subprocess.run(["sleep", "2"], timeout=0.05)


@expect("timeout", "in time")
def test_socket():
    with socket.create_connection(("127.0.0.1", listener(silent)), timeout=0.1) as s:
        s.recv(1)


@expect("timeout", "in time")
def test_future():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, 0.3).result(timeout=0.05)


@expect("timeout", "in time")
def test_urlopen():
    urllib.request.urlopen(f"http://127.0.0.1:{listener(silent)}/", timeout=0.1)


@expect("timeout", "in time")
def test_httpx():
    import httpx

    httpx.get(f"http://127.0.0.1:{listener(silent)}/", timeout=0.1)


@expect("timeout", "hypothesis")
def test_deadline():
    from hypothesis import given, settings, strategies as st

    @settings(deadline=1, max_examples=5, database=None)
    @given(st.integers())
    def slow(_):
        time.sleep(0.02)

    slow()


# connectivity
@expect("connectivity", "refused")
def test_refused():
    socket.create_connection(("127.0.0.1", PORT))


@expect("connectivity", "refused")
def test_refused_http():
    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/")


@expect("connectivity", "refused")
def test_refused_httpx():
    import httpx

    httpx.get(f"http://127.0.0.1:{PORT}/")


@expect("connectivity", "refused")
def test_refused_asyncio():
    asyncio.run(asyncio.open_connection("127.0.0.1", PORT))


@expect("connectivity", "refused")
def test_psycopg():
    import psycopg

    psycopg.connect(f"postgresql://u@127.0.0.1:{PORT}/x")


@expect("connectivity", "refused")
def test_sqlalchemy():
    import sqlalchemy

    sqlalchemy.create_engine(f"postgresql+psycopg://u@127.0.0.1:{PORT}/x").connect()


@expect("connectivity", "refused")
def test_redis():
    import redis

    redis.Redis(port=PORT).ping()


@expect("connectivity", "refused")
def test_aio_pika():
    import aio_pika

    asyncio.run(aio_pika.connect(f"amqp://127.0.0.1:{PORT}/"))


@expect("connectivity", "server")
def test_nats():
    import nats

    asyncio.run(
        nats.connect(
            f"nats://127.0.0.1:{PORT}", allow_reconnect=False, max_reconnect_attempts=1, connect_timeout=1
        )
    )


@expect("connectivity", "closed")
def test_reset():
    s = socket.create_connection(("127.0.0.1", listener(reset)))
    time.sleep(0.1)
    s.recv(1)


@expect("connectivity", "closed")
def test_pipe():
    one, other = socket.socketpair()
    other.close()
    one.sendall(b"x")


@expect("connectivity", "closed")
def test_no_answer():
    c = http.client.HTTPConnection("127.0.0.1", listener(lambda s: (s.recv(1000), s.close())))
    c.request("GET", "/")
    c.getresponse()


@expect("connectivity", "resolved")
def test_dns():
    socket.create_connection(("no-such-host.invalid", 80))


@expect("connectivity", "resolved")
def test_dns_http():
    urllib.request.urlopen("http://no-such-host.invalid/")


@expect("connectivity", "TLS")
def test_tls():
    port = listener(lambda s: (s.recv(1000), s.sendall(b"HTTP/1.0 200\r\n\r\n"), time.sleep(0.2)))
    ssl.create_default_context().wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
    )


@expect("connectivity", "refused")
def test_wrapped():
    try:
        socket.create_connection(("127.0.0.1", PORT))
    except OSError as error:
        raise RuntimeError("the catalogue cannot be loaded") from error


@expect("connectivity", "gateway")
def test_gateway():
    import httpx

    port = listener(
        lambda s: (
            s.recv(1000),
            s.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
            s.close(),
        )
    )
    httpx.get(f"http://127.0.0.1:{port}/").raise_for_status()


@pytest.fixture
def database():
    socket.create_connection(("127.0.0.1", PORT))


@expect("connectivity", "refused")
def test_setup(database):
    pass


@expect("connectivity", "refused")
def test_group():
    async def go():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.open_connection("127.0.0.1", PORT))

    asyncio.run(go())


# imports
@expect("import_error", "no_such_module")
def test_module():
    import no_such_module


@expect("import_error", "imported")
def test_name():
    from os import no_such_name


@expect("import_error", "no_such")
def test_wrapped_import():
    try:
        import no_such
    except ImportError:
        raise RuntimeError("install the extra")


# fixtures
@expect("fixture_setup", "nothing_like_it")
def test_missing_fixture(nothing_like_it):
    pass


@pytest.fixture
def broken():
    return {}["x"]


@expect("fixture_setup", "fixture failed")
def test_broken_fixture(broken):
    pass


@pytest.fixture
def asserting():
    assert 1 == 2


@expect("fixture_setup", "fixture failed")
def test_asserting_fixture(asserting):
    pass


@pytest.fixture
def unyielding():
    if False:
        yield


@expect("fixture_setup", "cannot work")
def test_unyielding(unyielding):
    pass


@pytest.fixture(scope="session")
def wide(tmp_path):
    pass


@expect("fixture_setup", "cannot work")
def test_scope(wide):
    pass


@pytest.fixture
def leaving():
    yield
    raise ValueError("cleanup")


@expect("fixture_setup", "cleaned up")
def test_teardown(leaving):
    pass


@pytest.fixture
def loop_a(loop_b):
    pass


@pytest.fixture
def loop_b(loop_a):
    pass


@expect("fixture_setup", "cannot work")
def test_loop(loop_a):
    pass


# data
@expect("data", "JSON")
def test_json():
    json.loads("{'a'}")


@expect("data", "decoded")
def test_unicode():
    b"\xff".decode()


@expect("data", "decoded")
def test_encode():
    "ä".encode("ascii")


@expect("data", "malformed")
def test_xml():
    ET.fromstring("<a><b></a>")


@expect("data", "malformed")
def test_toml():
    tomllib.loads("a = ")


@expect("data", "malformed")
def test_zip():
    zipfile.ZipFile(io.BytesIO(b"no zip"))


@expect("data", "malformed")
def test_gzip():
    gzip.decompress(b"no gzip at all")


@expect("data", "malformed")
def test_zlib():
    zlib.decompress(b"nothing")


@expect("data", "malformed")
def test_struct():
    struct.unpack("i", b"x")


@expect("data", "malformed")
def test_base64():
    base64.b64decode("abc")


@expect("data", "malformed")
def test_pickle():
    pickle.loads(b"\x80\x04nonsense")


@expect("data", "value")
def test_int():
    int("12a")


@expect("data", "value")
def test_date():
    from datetime import datetime

    datetime.fromisoformat("2026-13-45")


@expect("data", "value")
def test_uuid():
    uuid.UUID("nope")


@expect("data", "constraint")
def test_unique():
    c = sqlite3.connect(":memory:")
    c.execute("create table t (a unique)")
    c.execute("insert into t values (1)")
    c.execute("insert into t values (1)")


@expect("data", "schema")
def test_pydantic():
    import pydantic

    class User(pydantic.BaseModel):
        age: int

    User(age="x")


@expect("data", "schema")
def test_msgspec():
    import msgspec

    msgspec.json.decode(b'"x"', type=int)


@expect("data", "malformed")
def test_not_sqlite(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 2000)
    sqlite3.connect(tmp_path / "a").execute("select * from t")


# resource
@expect("resource", "recursion")
def test_recursion():
    def down():
        return down()

    down()


@expect("resource", "open")
def test_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
    held = []
    try:
        while True:
            held.append(open("/dev/null"))
    finally:
        held.clear()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@expect("resource", "memory")
def test_memory():
    bytearray(1 << 60)


@expect("resource", "space")
def test_full():
    with open("/dev/full", "w") as f:
        f.write("x" * 100000)


@expect("resource", "space")
def test_sqlite_full():
    c = sqlite3.connect(":memory:")
    c.execute("pragma max_page_count=2")
    c.execute("create table t (a)")
    c.execute("insert into t values (zeroblob(100000))")


@expect("resource", "port")
def test_port():
    with socket.socket() as s, socket.socket() as t:
        s.bind(("127.0.0.1", 0))
        s.listen()
        t.bind(s.getsockname())


@expect("resource", "limit")
def test_file_size():
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with tempfile.TemporaryFile(buffering=0) as f:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, old[1]))
            f.write(b"x" * 50)
            f.write(b"x" * 50)
            f.write(b"x" * 50)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, was)


# environment
@expect("env_permission", "NO_SUCH_VARIABLE")
def test_variable():
    os.environ["NO_SUCH_VARIABLE"]


@expect("env_permission", "variable")
def test_variable_inside():
    def read(name):
        return os.environ[name]

    read("NO_SUCH_VARIABLE_EITHER")


@expect("env_permission", "TOKEN")
def test_told_variable():
    if "NO_SUCH" not in os.environ:
        raise RuntimeError("API_TOKEN is not set")


@expect("env_permission", "/no/such")
def test_file():
    open("/no/such/file")


@expect("env_permission", "no-such-program")
def test_program():
    subprocess.run(["no-such-program"])


@expect("env_permission", "right")
def test_right():
    open("/proc/sys/kernel/ostype", "w").write("x")


@expect("env_permission", "folder")
def test_folder():
    open("/tmp")


@expect("env_permission", "not there")
def test_sqlite_path():
    sqlite3.connect("/no/such/a.db").execute("select 1")


@expect("env_permission", "right")
def test_readonly(tmp_path):
    sqlite3.connect(tmp_path / "a").execute("create table t (a)")
    sqlite3.connect(f"file:{tmp_path / 'a'}?mode=ro", uri=True).execute("insert into t values (1)")


@expect("env_permission", "time zone")
def test_zone():
    zoneinfo.ZoneInfo("No/Such")


@pytest.fixture
def config():
    return Path("/no/config.toml").read_text()


@expect("env_permission", "/no/config.toml")
def test_setup_file(config):
    pass


# concurrency
@expect("concurrency", "lock")
def test_locked(tmp_path):
    a = sqlite3.connect(tmp_path / "a", isolation_level=None)
    a.execute("create table t (a)")
    a.execute("begin exclusive")
    sqlite3.connect(tmp_path / "a", timeout=0.05).execute("insert into t values (1)")


@expect("concurrency", "lock")
def test_flock(tmp_path):
    with open(tmp_path / "l", "w") as a, open(tmp_path / "l", "w") as b:
        fcntl.flock(a, fcntl.LOCK_EX)
        fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)


@expect("concurrency", "race")
def test_barrier():
    threading.Barrier(2).wait(0.05)


@expect("concurrency", "thread")
def test_sqlite_thread():
    c = sqlite3.connect(":memory:")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(c.execute, "select 1").result()


# crash
@expect("crash", "pool")
def test_pool():
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(os._exit, 3).result()


@expect("crash", "SIG")
def test_killed():
    subprocess.run(["sh", "-c", "kill -9 $$"], check=True)


@expect("crash", "SIG")
def test_segfault():
    subprocess.run([sys.executable, "-c", "import os; os.abort()"], check=True, stderr=subprocess.DEVNULL)


@expect("crash", "worker")
def test_worker_dies():
    os._exit(1)


@expect("crash", "worker")
def test_worker_killed():
    os.kill(os.getpid(), signal.SIGSEGV)


# code
@expect("code_error", "exception")
def test_zero():
    1 / 0


@expect("code_error", "None")
def test_none():
    None.x


@expect("code_error", "exception")
def test_key():
    {"a": 1}["timeout"]


@expect("code_error", "exception")
def test_type():
    "a" + 1


@expect("code_error", "exception")
def test_index():
    [][0]


@expect("code_error", "exception")
def test_custom():
    class Declined(Exception):
        pass

    raise Declined("card 4711")


@expect("code_error", "exception")
def test_value():
    raise ValueError("timeout must be positive")


@expect("code_error", "exception")
def test_exit():
    subprocess.run(["false"], check=True)


@expect("code_error", "exception")
def test_pool_code():
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(divmod, 1, 0).result()
