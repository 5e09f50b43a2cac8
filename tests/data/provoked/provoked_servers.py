"""More failures provoked for real, many by a real PostgreSQL (DATABASE_URL) and a real Redis (REDIS_URL).

Written without a look at the rules: each test carries what was provoked, as the categories a judge accepts and
a pattern that a right best cause must match. Run by tests/analysis/test_failures_provoked.py.
"""

import asyncio, configparser, contextlib, ctypes, decimal, http.client, http.server, importlib.metadata, ipaddress, locale, lzma, mmap, multiprocessing, os, queue, resource, signal, socket, sqlite3, subprocess, sys, tarfile, threading, time, urllib.request
import pytest

EXPECTED = {}


def expect(category, pattern):
    def mark(function):
        EXPECTED[function.__name__] = (category, pattern)
        return function

    return mark


def postgres(**more):
    import psycopg

    return psycopg.connect(os.environ["DATABASE_URL"], **more)


def cache(**more):
    import redis

    return redis.Redis.from_url(os.environ["REDIS_URL"], **more)


@pytest.fixture
def table():
    """A table of two rows, committed, gone afterwards."""
    name = f"provoked_{os.getpid()}"
    with postgres(autocommit=True) as link:
        link.execute(f"create table {name} (id int primary key, n int not null check (n < 100))")
        link.execute(f"insert into {name} values (1, 1), (2, 2)")
        yield name
        link.execute(f"drop table {name}")


# PostgreSQL
@expect("concurrency", "deadlock|wait for each other")
def test_pg_deadlock(table):
    with postgres() as one, postgres() as two:
        one.execute(f"update {table} set n = 5 where id = 1")
        two.execute(f"update {table} set n = 6 where id = 2")
        failed = []

        def other():
            try:
                two.execute(f"update {table} set n = 6 where id = 1")
            except Exception as error:
                failed.append(error)

        waiting = threading.Thread(target=other)
        waiting.start()
        try:
            one.execute(f"update {table} set n = 5 where id = 2")
        finally:
            one.rollback()
            waiting.join()
        raise failed[0]


@expect("concurrency", "seriali[sz]")
def test_pg_serialization(table):
    import psycopg

    with postgres() as one, postgres() as two:
        for link in (one, two):
            link.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            link.execute(f"select sum(n) from {table}").fetchone()
        one.execute(f"update {table} set n = n + 1 where id = 1")
        one.commit()
        two.execute(f"update {table} set n = n + 1 where id = 1")


@expect("concurrency", "lock")
def test_pg_lock_timeout(table):
    with postgres() as one, postgres() as two:
        one.execute(f"lock table {table}")
        two.execute("set lock_timeout = 50")
        two.execute(f"select * from {table}")


@expect("concurrency", "lock")
def test_pg_nowait(table):
    with postgres() as one, postgres() as two:
        one.execute(f"select * from {table} where id = 1 for update")
        two.execute(f"select * from {table} where id = 1 for update nowait")


@expect("data", "constraint|unique")
def test_pg_unique(table):
    with postgres() as link:
        link.execute(f"insert into {table} values (1, 1)")


@expect("data", "constraint|null")
def test_pg_null(table):
    with postgres() as link:
        link.execute(f"insert into {table} values (7, null)")


@expect("data", "constraint|check")
def test_pg_check(table):
    with postgres() as link:
        link.execute(f"insert into {table} values (7, 700)")


@expect("data", "constraint|foreign")
def test_pg_foreign_key(table):
    with postgres() as link:
        link.execute("create temp table parent (id int primary key)")
        link.execute("create temp table child (id int references parent)")
        link.execute("insert into child values (9)")


@expect("data", "value|invalid|malformed|type")
def test_pg_text_as_number():
    with postgres() as link:
        link.execute("select 'twelve'::int")


@expect("data", "value|range|malformed")
def test_pg_out_of_range():
    with postgres() as link:
        link.execute("select 3000000000::int")


@expect("timeout", "time|long")
def test_pg_statement_timeout():
    with postgres() as link:
        link.execute("set statement_timeout = 50")
        link.execute("select pg_sleep(2)")


@expect("connectivity", "closed|terminat|ended|gone")
def test_pg_terminated():
    with postgres() as one, postgres(autocommit=True) as two:
        (pid,) = one.execute("select pg_backend_pid()").fetchone()
        two.execute("select pg_terminate_backend(%s)", [pid])
        time.sleep(0.1)
        one.execute("select 1")


@expect("env_permission", "database")
def test_pg_no_database():
    postgres(dbname="no_such_database")


@expect("env_permission", "role|password|user|login|credential|right")
def test_pg_no_role():
    postgres(user="nobody_here", password="wrong")


@expect("env_permission", "right|permission|allowed")
def test_pg_no_right(table):
    with postgres() as link:
        link.execute("create role provoked_guest")
        link.execute("set local role provoked_guest")
        link.execute(f"select * from {table}")


@expect("env_permission|code_error|data", "table|relation|migrat|schema")
def test_pg_no_table():
    with postgres() as link:
        link.execute("select * from never_migrated")


@expect("code_error", "SQL|syntax|exception|statement")
def test_pg_syntax():
    with postgres() as link:
        link.execute("selekt 1")


@expect("resource", "connection")
def test_pg_too_many_connections():
    with contextlib.ExitStack() as stack:
        for _ in range(2000):
            stack.enter_context(postgres())


@expect("connectivity", "running|refused|server|listen")
def test_pg_socket_folder(tmp_path):
    postgres(host=str(tmp_path))


@expect("data", "constraint|unique")
def test_alchemy_unique(table):
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    )
    with engine.begin() as link:
        link.execute(sqlalchemy.text(f"insert into {table} values (1, 1)"))


@expect("concurrency", "lock")
def test_alchemy_nowait(table):
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    )
    with postgres() as one, engine.begin() as link:
        one.execute(f"lock table {table}")
        link.execute(sqlalchemy.text(f"lock table {table} nowait"))


@expect("resource|timeout", "pool|connection")
def test_alchemy_pool():
    import sqlalchemy

    url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    engine = sqlalchemy.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect(), engine.connect():
        pass


@expect("concurrency", "race|stale|changed|meantime|concurrent")
def test_alchemy_stale():
    import sqlalchemy
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = f"provoked_stale_{os.getpid()}"
        id: Mapped[int] = mapped_column(primary_key=True)
        version: Mapped[int] = mapped_column()
        title: Mapped[str] = mapped_column()
        __mapper_args__ = {"version_id_col": version}

    engine = sqlalchemy.create_engine(
        os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    )
    Base.metadata.create_all(engine)
    try:
        with Session(engine) as one, Session(engine) as two:
            one.add(Row(id=1, title="a"))
            one.commit()
            mine, theirs = one.get(Row, 1), two.get(Row, 1)
            mine.title, theirs.title = "b", "c"
            one.commit()
            two.commit()
    finally:
        Base.metadata.drop_all(engine)


# Redis
@expect("code_error", "exception|type")
def test_redis_wrong_type():
    link = cache()
    link.set("provoked", "text")
    link.lpush("provoked", "x")


@expect("connectivity", "closed|reset|gone")
def test_redis_shut_out():
    import redis

    from redis.backoff import NoBackoff
    from redis.retry import Retry

    link = redis.Redis.from_url(
        os.environ["REDIS_URL"], retry=Retry(NoBackoff(), 0), single_connection_client=True
    )
    one = link.client_id()
    threading.Timer(0.1, lambda: cache().client_kill_filter(_id=one)).start()
    link.blpop("provoked-nothing", timeout=3)


@expect("env_permission", "password|credential|login|right|authenti")
def test_redis_password():
    cache(username="nobody", password="wrong").ping()


@expect("timeout", "time")
def test_redis_slow():
    cache(socket_timeout=0.1).blpop("provoked-nothing", timeout=2)


@expect("resource", "memory")
def test_redis_memory():
    link = cache()
    link.config_set("maxmemory", "1")
    try:
        link.set("provoked-big", "x")
    finally:
        link.config_set("maxmemory", "0")


@expect("concurrency", "lock")
def test_redis_lock():
    link = cache()
    with link.lock("provoked-lock", timeout=5), link.lock("provoked-lock", blocking_timeout=0.05):
        pass


# processes and sockets
@pytest.fixture
def web():
    """A real web server in a process of its own, and its port."""
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); print(s.server_port, flush=True); s.serve_forever()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/"
    )
    try:
        yield child, int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@expect("connectivity", "refused")
def test_web_killed(web):
    child, port = web
    child.kill()
    child.wait()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()


@expect("timeout", "time")
def test_web_stopped(web):
    import httpx

    child, port = web
    child.send_signal(signal.SIGSTOP)
    httpx.get(f"http://127.0.0.1:{port}/", timeout=0.2)


@expect("assertion", "check")
def test_web_status(web):
    import httpx

    assert httpx.get(f"http://127.0.0.1:{web[1]}/no-such-page").status_code == 200


@expect("connectivity", "closed|incomplete|broke|short")
def test_web_half_an_answer():
    server = socket.create_server(("127.0.0.1", 0))

    def half():
        client, _ = server.accept()
        client.recv(1000)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        client.close()

    threading.Thread(target=half, daemon=True).start()
    urllib.request.urlopen(f"http://127.0.0.1:{server.getsockname()[1]}/").read()


@expect("crash", "SIG")
def test_child_aborts():
    subprocess.run([sys.executable, "-c", "import os; os.abort()"], check=True)


@expect("crash", "SIG")
def test_child_out_of_cpu_time():
    code = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    subprocess.run([sys.executable, "-c", code], check=True)


@expect("crash|connectivity", "child|process|died|ended|closed")
def test_child_says_nothing():
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=os._exit, args=(3,))
    child.start()
    theirs.close()
    child.join()
    ours.recv()


# resources
@expect("resource", "memory")
def test_numpy_memory():
    import numpy

    numpy.zeros(1 << 50)


@expect("resource", "memory")
def test_map_memory():
    mmap.mmap(-1, 1 << 50)


@expect("resource", "port")
def test_asyncio_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(asyncio.start_server(print, "127.0.0.1", taken.getsockname()[1]))


@expect("resource", "open|descriptor|files")
def test_child_without_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        subprocess.run(["true"], stdout=subprocess.PIPE, check=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# imports
@expect("import_error", "circular|import")
def test_circular(tmp_path, monkeypatch):
    (tmp_path / "ring_one.py").write_text("from ring_two import b\na = 1\n")
    (tmp_path / "ring_two.py").write_text("from ring_one import a\nb = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import ring_one


@expect("import_error|code_error", "syntax|import|parse")
def test_broken_module(tmp_path, monkeypatch):
    (tmp_path / "broken_here.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    import broken_here


@expect("import_error", "no-such-distribution|install")
def test_distribution():
    importlib.metadata.version("no-such-distribution")


@expect("import_error|env_permission", "libnosuch|library")
def test_library():
    ctypes.CDLL("libnosuch.so.7")


# fixtures
class TestSetUp:
    def setup_method(self):
        self.total = {}["never"]

    @expect("fixture_setup", "fixture|set-?up")
    def test_set_up(self):
        pass


@pytest.fixture
def itself(itself):
    return 1


@expect("fixture_setup", "fixture|cannot work")
def test_recursive_fixture(itself):
    pass


@pytest.fixture
def plain():
    return 1


@expect("fixture_setup", "fixture|cannot work")
def test_called_fixture():
    plain()


@pytest.fixture
def stage_two():
    with open("/no/such/stage-two.yaml") as stream:
        return stream.read()


@expect("env_permission", "stage-two.yaml")
def test_file_of_fixture(stage_two):
    pass


# data
@expect("data", "malformed|pars")
def test_ini():
    configparser.ConfigParser().read_string("no section")


@expect("data", "malformed|YAML|pars")
def test_yaml():
    import yaml

    yaml.safe_load("a: [1, 2")


@expect("data", "malformed|archive|read")
def test_tar(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    tarfile.open(tmp_path / "a.tar")


@expect("data", "malformed|compress")
def test_lzma():
    lzma.decompress(b"not compressed at all")


@expect("data", "value|malformed|number")
def test_decimal():
    decimal.Decimal("12,50")


@expect("data", "value|malformed|address")
def test_address():
    ipaddress.ip_address("256.1.1.1")


@expect("data", "malformed|damaged|corrupt")
def test_damaged_sqlite(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as link:
        link.execute("create table t (a text)")
        link.executemany("insert into t values (?)", [("x" * 500,)] * 100)
        link.commit()
    raw = bytearray((tmp_path / "a.db").read_bytes())
    raw[4096:20000] = b"\xff" * (20000 - 4096)
    (tmp_path / "a.db").write_bytes(raw)
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as link:
        link.execute("select count(a), max(a) from t").fetchall()


@expect("data", "schema")
def test_json_schema():
    import jsonschema

    jsonschema.validate({"price": "dear"}, {"properties": {"price": {"type": "number"}}})


# environment
@expect("env_permission", "folder|director")
def test_file_as_folder():
    open("/dev/null/inside")


@expect("env_permission", "right|permission|execut")
def test_not_executable(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    subprocess.run([str(tmp_path / "tool")], check=True)


@expect("env_permission", "locale")
def test_locale():
    locale.setlocale(locale.LC_ALL, "xx_NOWHERE.UTF-8")


# waiting
@expect("timeout", "time")
def test_queue():
    queue.Queue().get(timeout=0.05)


@expect("timeout", "time|child|end")
def test_child_ignores_the_end():
    child = subprocess.Popen(["sleep", "5"])
    try:
        child.wait(timeout=0.05)
    finally:
        child.kill()
        child.wait()


# code
@expect("code_error", "exception|attribute")
def test_attribute():
    os.no_such_function()


@expect("code_error", "exception|loop")
def test_closed_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    loop.call_soon(print)


@expect("code_error", "exception|not implemented")
def test_not_implemented():
    raise NotImplementedError


@expect("code_error", "exception|changed")
def test_changed_dict():
    prices = {"a": 1}
    for name in prices:
        prices[name + "b"] = 2


@expect("code_error", "exception|assigned|variable")
def test_unbound():
    if len(sys.argv) > 1000:
        total = 1
    return total + 1


# results
@expect("assertion", "check")
def test_close():
    import numpy

    numpy.testing.assert_allclose([1.0, 2.0], [1.0, 2.5])


@expect("assertion", "check|hypothesis|example")
def test_property():
    from hypothesis import given, settings, strategies as st

    @settings(database=None, derandomize=True)
    @given(st.lists(st.integers()))
    def sorted_twice(items):
        assert items == sorted(items)

    sorted_twice()


@expect("assertion", "check")
def test_no_warning():
    with pytest.warns(DeprecationWarning):
        pass


@expect("assertion", "check")
def test_rows(table):
    with postgres() as link:
        assert link.execute(f"select count(*) from {table}").fetchone() == (3,), "deadlock detected?"


@expect("assertion", "check")
def test_subtest():
    import unittest

    unittest.TestCase().assertRaises(ConnectionError, int, "1")
