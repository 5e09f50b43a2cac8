"""Widespread packages that tests use, by how the use shows: import, fixture, marker, key, option."""

KNOWN_IMPORTS = {
    "aioresponses": "aioresponses",
    "anyio": "anyio",
    "attr": "attrs",
    "django": "django",
    "faker": "faker",
    "flaky": "flaky",
    "freezegun": "freezegun",
    "httpx": "httpx",
    "hypothesis": "hypothesis",
    "mock": "mock",
    "moto": "moto",
    "nose2": "nose2",
    "numpy": "numpy",
    "pandas": "pandas",
    "parameterized": "parameterized",
    "pretend": "pretend",
    "psutil": "psutil",
    "pytest_asyncio": "pytest-asyncio",
    "pytest_mock": "pytest-mock",
    "requests": "requests",
    "requests_mock": "requests-mock",
    "respx": "respx",
    "responses": "responses",
    "time_machine": "time-machine",
    "trio": "trio",
    "yaml": "pyyaml",
}
"""Import name → distribution, of what tests often import and projects often forget to declare."""

KNOWN_FIXTURES = {
    "aiohttp_client": "pytest-aiohttp",
    "benchmark": "pytest-benchmark",
    "faker": "faker",
    "freezer": "pytest-freezer",
    "httpbin": "pytest-httpbin",
    "httpserver": "pytest-httpserver",
    "httpx_mock": "pytest-httpx",
    "mocker": "pytest-mock",
    "requests_mock": "requests-mock",
    "respx_mock": "respx",
    "snapshot": "syrupy",
    "time_machine": "time-machine",
}
"""Fixture → the distribution whose plugin has it."""

KNOWN_MARKERS = {
    "anyio": "anyio",
    "asyncio": "pytest-asyncio",
    "benchmark": "pytest-benchmark",
    "django_db": "pytest-django",
    "trio": "pytest-trio",
    "twisted": "pytest-twisted",
    "vcr": "pytest-recording",
}
"""Marker → the distribution whose plugin acts on it."""

KNOWN_KEYS = {
    "asyncio_mode": "pytest-asyncio",
    "asyncio_default_fixture_loop_scope": "pytest-asyncio",
    "django_settings_module": "pytest-django",
    "env": "pytest-env",
    "mypy_plugin_ini": "pytest-mypy-plugins",
    "trio_mode": "pytest-trio",
}
"""Configuration key → the distribution whose plugin reads it; others refuse it."""

KNOWN_OPTIONS = {
    "--asyncio-mode": "pytest-asyncio",
    "--benchmark": "pytest-benchmark",
    "--cov": "pytest-cov",
    "--ds": "pytest-django",
    "--flake8": "pytest-flake8",
    "--mypy": "pytest-mypy",
    "--randomly": "pytest-randomly",
    "--reruns": "pytest-rerunfailures",
    "--snapshot": "syrupy",
    "--socket": "pytest-socket",
    "--disable-socket": "pytest-socket",
}
"""Start of an argument in addopts → the distribution whose plugin understands it."""
